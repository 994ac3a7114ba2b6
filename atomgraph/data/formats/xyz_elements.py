"""Elements of extended XYZ: from symbols, atomic numbers, or type numbers; checks that columns are consistent."""

from __future__ import annotations

import re
from collections.abc import Sequence

import ase
import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from atomgraph.data.formats.comment import Field
from atomgraph.data.formats.element_names import parse_symbol, parse_types, refuse_types, types_to_numbers
from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of

SPECIES_COLUMNS = {"species", "symbols"}
NUMBER_COLUMNS = {"z", "numbers", "atomic_numbers"}
TYPE_COLUMNS = {"type", "types", "atom_type", "atom_types"}
# Comments of LAMMPS's `dump xyz` and `dump extxyz`, whose first column may be a type number.
LAMMPS_COMMENT = re.compile(r"^\s*Atoms\. Timestep:|(^|\s)Timestep\s*=")


def read_symbol(word: str, types: Sequence[str] | None, comment: str) -> str:
    """Return the chemical symbol of a word in the column of species.

    Args:
        word: A symbol, an atomic number, or a type number (if types are stated, or LAMMPS wrote the comment).
        types: Elements of types that the user states; None if not stated.
        comment: Comment of the frame.

    Raises:
        DataError: If the word is not an element, if a type has no element, or if types are stated and the word is a symbol.
    """
    if word.isascii() and word.isdigit() and (types is not None or LAMMPS_COMMENT.search(comment)):
        return str(chemical_symbols[types_to_numbers(parse_types([word], "species"), types, 1, "the file")[0]])
    element = parse_symbol(word)
    if types is not None:
        refuse_types(types, "the file")
    return element


def check_elements(rows: Sequence[str], fields: Sequence[Field]) -> None:
    """Check that columns of symbols and of atomic numbers have the same elements.

    Args:
        rows: Lines of atoms, with chemical symbols in the column of species.
        fields: Columns of the lines.

    Raises:
        DataError: If an atom has two elements.
    """
    starts = np.cumsum([0, *(field.width for field in fields)])
    columns = {field.name.lower(): int(start) for field, start in zip(fields, starts, strict=False)}
    species = [column for name, column in columns.items() if name in SPECIES_COLUMNS]
    numbers = {name: column for name, column in columns.items() if name in NUMBER_COLUMNS}
    if not species or not numbers:
        return
    for row, line in enumerate(rows):
        words = line.split()
        for name, column in numbers.items():
            word = words[column]
            if word != str(atomic_numbers[words[species[0]]]):
                raise DataError(
                    f"atom {row} is {words[species[0]]} by its symbol, but its column {name} has {word[:20]}; "
                    f"correct or remove "
                    f"one of the columns"
                )


def name_elements(atoms: ase.Atoms, fields: Sequence[Field], types: Sequence[str] | None) -> None:
    """Set the elements of a frame without a column of species, in place, from atomic numbers or types.

    Args:
        atoms: The frame.
        fields: Columns of atoms.
        types: Elements of types that the user states; None if not stated.

    Raises:
        DataError: If there are neither atomic numbers nor types, if a type has no element, or if types are stated and there
            are atomic numbers.
    """
    names = {field.name.lower(): field.name for field in fields}
    if names.keys() & SPECIES_COLUMNS:
        return
    if number_columns := names.keys() & NUMBER_COLUMNS:
        if types is not None:
            refuse_types(types, f"the column {min(number_columns)}")
        if "atomic_numbers" in number_columns:
            atoms.numbers = np.asarray(parse_types(atoms.arrays[names["atomic_numbers"]], "atomic_numbers"))
        return
    type_columns = [names[name] for name in names if name in TYPE_COLUMNS]
    if not type_columns:
        raise DataError(
            f"there is no column of elements: Properties should have species:S:1, but has {', '.join(names.values())}"
        )
    atom_types = parse_types(atoms.arrays[type_columns[0]], f"the column {type_columns[0]}")
    atoms.numbers = np.asarray(types_to_numbers(atom_types, types, 1, f"the column {type_columns[0]}"))


__getattr__ = old_names_of(__name__)
