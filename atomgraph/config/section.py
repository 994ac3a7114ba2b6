"""Base class of the sections of a configuration."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr


class Section(BaseModel):
    """Refuses unknown keys and wrong types; only whole numbers are converted, to numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True, allow_inf_nan=False)
    # ASE atoms in place of files, by key; see ``in_memory``.
    _structures: dict[str, list[Any]] = PrivateAttr(default_factory=dict)
