"""Base class of the sections of a configuration."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr


class Section(BaseModel):
    """A section of a configuration: unknown keys and wrong types are errors; only int values are converted, to float."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True, allow_inf_nan=False)
    # ASE atoms that were given in place of files, by key; see ``in_memory``.
    _structures: dict[str, list[Any]] = PrivateAttr(default_factory=dict)
