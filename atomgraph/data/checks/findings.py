"""``Finding``: a result of a data check, with severity, frames and advice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

WRONG, WARNING, NOTE = "wrong", "warning", "note"


@dataclass(frozen=True)
class Finding:
    """One result of a data check.

    Attributes:
        check: Name of the check that made the finding.
        severity: ``wrong`` (to be corrected before training), ``warning`` (to be examined) or ``note``.
        frames: Names of the frames, as ``file#index``.
        figure: Size of the error, or number of frames.
        unit: Unit of the figure.
        message: Description of the finding.
        advice: Description of a correction.
    """

    check: str
    severity: str
    frames: list[str]
    figure: float
    unit: str
    message: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return asdict(self)
