"""What every section of a configuration has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr


class Section(BaseModel):
    """Unknown keys and wrong types are refused; a whole number is a number, and nothing else is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True, allow_inf_nan=False)
    # ASE atoms that were given where files may be named, by key; see ``in_memory``.
    _structures: dict[str, list[Any]] = PrivateAttr(default_factory=dict)
