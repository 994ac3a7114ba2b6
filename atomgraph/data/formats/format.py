"""``Format``: how files of a format are recognised and read, and their units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import ase

from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.old_names import OldAttribute, with_old_arguments

# A frame, a function that returns a frame, or None for a frame that is left out but counted.
Frame: TypeAlias = ase.Atoms | Callable[[], ase.Atoms] | None


@dataclass(frozen=True)
class Options:
    """Options of a reader.

    Attributes:
        types: Elements of atom types, stated by the user; None if not stated.
        labels: Whether labels are read.
        notes: Object that receives notes of reading.
    """

    types: Sequence[str] | None = None
    labels: bool = True
    notes: ReadingNotes = field(default_factory=ReadingNotes)


@with_old_arguments
@dataclass(frozen=True)
class Format:
    """A format of structure files.

    Attributes:
        name: Name of the format in ``--format`` and ``data.format``.
        title: Title in messages and documentation.
        endings: Endings of file names, for messages and documentation.
        read: Function that returns the frames of a file, with ``energy``, ``forces``, ``stress`` or ``virial`` in the units
            of the file.
        recognise: Function that returns whether a file has this format, from its path and its first bytes (empty for a
            folder).
        units: Default units of the files, if they are not eV and Å; see ``data.conversion``.
        has_fixed_units: Whether another unit that the user states is an error; if False, it replaces ``units``.
        units_in: Function that reads the units that a file states; these units are fixed.
        reads_compressed: Whether compressed files (.gz, .bz2, .xz) are read.
        may_lack_elements: Whether files may have numbers of atom types without elements.
        compared_with: Independent programs with which the reader was compared, on files that these programs wrote.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    read: Callable[[Path, Options], Iterable[Frame]]
    recognise: Callable[[Path, bytes], bool]
    units: Mapping[str, str] = field(default_factory=dict)
    has_fixed_units: bool = False
    units_in: Callable[[Path], dict[str, str]] | None = None
    reads_compressed: bool = True
    may_lack_elements: bool = False
    compared_with: str = ""

    fixed = OldAttribute("has_fixed_units")
    packed = OldAttribute("reads_compressed")
    types = OldAttribute("may_lack_elements")
    compared = OldAttribute("compared_with")
