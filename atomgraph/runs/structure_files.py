"""Writes structures that were given in memory into the run folder, so that the run can be repeated from files."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from atomgraph.atomic_write import write_atomic
from atomgraph.config.in_memory import STRUCTURE_KEYS
from atomgraph.config.section import Section
from atomgraph.data.formats.exact_xyz import write_exact


def write_structures(config: BaseModel) -> None:
    """Write structures that a configuration has in place of files, without rounding, to the paths in the configuration.

    Raises:
        DataError: If the structures cannot be written.
    """
    for section in STRUCTURE_KEYS:
        validated = getattr(config, section, None)
        for key, frames in validated._structures.items() if isinstance(validated, Section) else ():
            path = Path(getattr(validated, key))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, lambda temporary, frames=frames: write_exact(temporary, frames))  # type: ignore[misc]
