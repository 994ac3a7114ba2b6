"""What a format is: how a file of it is recognised and read, and which units its numbers have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import ase

from atomgraph.data.reading_notes import ReadingNotes

# A frame, a function that makes it, or None for one that is left out but keeps its place in the file.
Frame: TypeAlias = ase.Atoms | Callable[[], ase.Atoms] | None


@dataclass(frozen=True)
class Options:
    """Options of a reader: elements of types, whether labels are read, and where omissions are noted."""

    types: Sequence[str] | None = None
    labels: bool = True
    notes: ReadingNotes = field(default_factory=ReadingNotes)


@dataclass(frozen=True)
class Format:
    """A format of structure files.

    Attributes:
        name: What ``--format`` and ``data.format`` call it.
        title: In words.
        endings: Of names, for messages and documentation.
        read: Gives the frames of a file, with ``energy``, ``forces``, ``stress`` or ``virial`` in the file's own units.
        recognise: Whether a file is of this format, from its path and its first bytes (none for a folder).
        units: Units of the numbers that ``read`` gives, where they are not eV and Å; see ``data.Conversion``.
        fixed: Whether a unit that is stated and differs is refused; otherwise it wins over ``units``.
        units_in: Units that a file states itself; they are fixed then.
        packed: Whether packed files (.gz, .bz2, .xz) are read, too.
        types: Whether files may know atoms by the number of their type only.
        compared: Which independent program the reader was compared with, on files which that program wrote.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    read: Callable[[Path, Options], Iterable[Frame]]
    recognise: Callable[[Path, bytes], bool]
    units: Mapping[str, str] = field(default_factory=dict)
    fixed: bool = False
    units_in: Callable[[Path], dict[str, str]] | None = None
    packed: bool = True
    types: bool = False
    compared: str = ""
