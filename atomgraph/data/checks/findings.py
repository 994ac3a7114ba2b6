"""Findings of the data checks: what, how serious, where, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

WRONG, WARNING, NOTE = "wrong", "warning", "note"


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: Name of the check.
        severity: ``wrong`` (training must not ignore it), ``warning`` (look at it) or ``note``.
        frames: The frames concerned, as ``file#index``.
        figure, unit: How much.
        message: What was found.
        advice: The way out.
    """

    check: str
    severity: str
    frames: list[str]
    figure: float
    unit: str
    message: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """JSON values only."""
        return asdict(self)
