"""Elements of extended XYZ: symbols, atomic numbers, or numbers of types; two columns that contradict one another."""

from __future__ import annotations

import re
from collections.abc import Sequence

import ase
import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from atomgraph.data.formats.comment import Field
from atomgraph.data.formats.element_names import numbers_of_types, refuse_types, symbol_of, whole_types
from atomgraph.errors import DataError

SPECIES = {"species", "symbols"}
NUMBERS = {"z", "numbers", "atomic_numbers"}
TYPES = {"type", "types", "atom_type", "atom_types"}
# Of LAMMPS's `dump xyz` and `dump extxyz`, whose first column is a type unless they were told elements.
LAMMPS = re.compile(r"^\s*Atoms\. Timestep:|(^|\s)Timestep\s*=")


def symbol(word: str, types: Sequence[str] | None, comment: str) -> str:
    """The chemical symbol of a word in the column of species.

    Args:
        word: A symbol, an atomic number, or the number of a type where types are stated or LAMMPS wrote the comment.
        types: Elements of types.
        comment: Of the frame.

    Raises:
        DataError: For what is no element, for types without elements, and for stated types beside symbols.
    """
    if word.isascii() and word.isdigit() and (types is not None or LAMMPS.search(comment)):
        return str(chemical_symbols[numbers_of_types(whole_types([word], "species"), types, 1, "the file")[0]])
    element = symbol_of(word)
    if types is not None:
        refuse_types(types, "the file")
    return element


def check_elements(rows: Sequence[str], fields: Sequence[Field]) -> None:
    """DataError where atomic numbers contradict the symbols beside them.

    Args:
        rows: Lines of atoms, with chemical symbols in the column of species.
        fields: Their columns.
    """
    starts = np.cumsum([0, *(field.width for field in fields)])
    columns = {field.name.lower(): int(start) for field, start in zip(fields, starts, strict=False)}
    species = [column for name, column in columns.items() if name in SPECIES]
    numbers = {name: column for name, column in columns.items() if name in NUMBERS}
    if not species or not numbers:
        return
    for row, line in enumerate(rows):
        words = line.split()
        for name, column in numbers.items():
            word = words[column]
            if word != str(atomic_numbers[words[species[0]]]):
                raise DataError(
                    f"atom {row} is {words[species[0]]} by its symbol, but its column {name} says {word[:20]}; correct one of "
                    f"them, or take it out"
                )


def name_elements(atoms: ase.Atoms, fields: Sequence[Field], types: Sequence[str] | None) -> None:
    """Give a frame without a column of species the elements of its atomic numbers or types, in place.

    Raises:
        DataError: Where it has neither, for types without elements, and for stated types beside atomic numbers.
    """
    names = {field.name.lower(): field.name for field in fields}
    if names.keys() & SPECIES:
        return
    if of_numbers := names.keys() & NUMBERS:
        if types is not None:
            refuse_types(types, f"the column {min(of_numbers)}")
        if "atomic_numbers" in of_numbers:
            atoms.numbers = np.asarray(whole_types(atoms.arrays[names["atomic_numbers"]], "atomic_numbers"))
        return
    of_types = [names[name] for name in names if name in TYPES]
    if not of_types:
        raise DataError(
            f"there is no column of elements: Properties should have species:S:1, but has {', '.join(names.values())}"
        )
    kinds = whole_types(atoms.arrays[of_types[0]], f"the column {of_types[0]}")
    atoms.numbers = np.asarray(numbers_of_types(kinds, types, 1, f"the column {of_types[0]}"))
