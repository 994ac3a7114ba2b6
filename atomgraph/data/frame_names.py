"""What structures are called in messages, and which elements they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ase
from ase.data import chemical_symbols


def name_of(atoms: ase.Atoms, number: int) -> str:
    """What a frame is called in messages: ``file#index`` where it was read from a file, else its number."""
    return str(atoms.info.get("source", f"frame {number}"))


def names_of(frames: Sequence[ase.Atoms], numbers: Iterable[int]) -> list[str]:
    """The names of several frames."""
    return [name_of(frames[number], number) for number in numbers]


def elements_in(frames: Iterable[ase.Atoms]) -> list[str]:
    """Chemical symbols that occur, by atomic number."""
    return [chemical_symbols[z] for z in sorted({int(z) for atoms in frames for z in atoms.numbers})]


def number_of(number: int, noun: str) -> str:
    """``1 frame``, ``2 frames``, ``2 energies``: a count with its noun."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else many}"
