"""What a structure is called in messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ase


def name_of(atoms: ase.Atoms, number: int) -> str:
    """What a frame is called in messages: ``file#index`` where it was read from a file, else its number."""
    return str(atoms.info.get("source", f"frame {number}"))


def names_of(frames: Sequence[ase.Atoms], numbers: Iterable[int]) -> list[str]:
    """The names of several frames."""
    return [name_of(frames[number], number) for number in numbers]
