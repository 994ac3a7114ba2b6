"""Structures that a configuration holds in place of files: written into the run folder, so that the run can be repeated."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from atomgraph.atomic_write import write_atomic
from atomgraph.config.in_memory import PLACES
from atomgraph.config.section import Section
from atomgraph.data.formats.exact_xyz import write_exact


def write_structures(config: BaseModel) -> None:
    """Write the structures that a configuration holds to the files that it names, with every digit.

    Raises:
        DataError: If they cannot be written.
    """
    for section in PLACES:
        part = getattr(config, section, None)
        for key, frames in part._structures.items() if isinstance(part, Section) else ():
            path = Path(getattr(part, key))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, lambda scratch, frames=frames: write_exact(scratch, frames))  # type: ignore[misc]
