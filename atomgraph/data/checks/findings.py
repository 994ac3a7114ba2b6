"""``Finding``: a result of a data check, with severity, frames and advice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from atomgraph.old_names import OldAttribute, with_old_arguments

WRONG, WARNING, NOTE = "wrong", "warning", "note"


@with_old_arguments
@dataclass(frozen=True)
class Finding:
    """One result of a data check.

    Attributes:
        check: Name of the finding, such as ``net force``.
        severity: ``wrong`` (to be corrected before training), ``warning`` (to be examined) or ``note``.
        frames: Names of the frames, as ``file#index``.
        value: Size of the error, or number of frames or keys.
        unit: Unit of the value.
        message: Description of the finding.
        advice: Description of a correction.
    """

    check: str
    severity: str
    frames: list[str]
    value: float
    unit: str
    message: str
    advice: str

    figure = OldAttribute("value")

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values; ``value`` has the key ``figure``."""
        return {"figure" if name == "value" else name: item for name, item in asdict(self).items()}
