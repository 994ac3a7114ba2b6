"""Names of frames in messages, counts with a noun, and elements of frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ase
from ase.data import chemical_symbols

from atomgraph.old_names import old_names_of


def frame_name(atoms: ase.Atoms, number: int) -> str:
    """Return the name of a frame in messages: ``file#index`` if it was read from a file, else ``frame`` and its number."""
    return str(atoms.info.get("source", f"frame {number}"))


def frame_names(frames: Sequence[ase.Atoms], numbers: Iterable[int]) -> list[str]:
    """Return the names of the frames with these numbers."""
    return [frame_name(frames[number], number) for number in numbers]


def elements_in(frames: Iterable[ase.Atoms]) -> list[str]:
    """Return the chemical symbols that occur, sorted by atomic number."""
    return [chemical_symbols[z] for z in sorted({int(z) for atoms in frames for z in atoms.numbers})]


def format_count(number: int, noun: str) -> str:
    """Return a count with its noun: ``1 frame``, ``2 frames``, ``2 energies``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


__getattr__ = old_names_of(__name__)
