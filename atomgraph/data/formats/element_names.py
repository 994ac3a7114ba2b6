"""Conversion of words in files to elements: symbols, atomic numbers, or type numbers with elements from the user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from ase.data import atomic_numbers, chemical_symbols

from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of

ISOTOPES = {"D": "H", "T": "H"}
WAY_OUT = (
    '; state the element of each type, in order: --types "Cu Au" in a command, data.types: [Cu, Au] in a configuration'
)


def check_types(types: Sequence[str] | str | None) -> list[str] | None:
    """Return the elements of types as chemical symbols.

    Args:
        types: Elements of types, in order, as a list or in one text; symbols in any case, or atomic numbers.

    Raises:
        DataError: If a word is not an element.
    """
    if types is None:
        return None
    words = re.split(r"[,\s]+", types.strip()) if isinstance(types, str) else list(types)
    if not words:
        raise DataError("types should name an element for each type, but is empty")
    try:
        return [parse_symbol(str(word)) for word in words]
    except DataError as error:
        raise DataError(f"types should be chemical symbols such as Cu Au, or atomic numbers, but {error}") from None


def types_to_numbers(atom_types: Sequence[int], types: Sequence[str] | None, first_type: int, what: str) -> list[int]:
    """Return atomic numbers from type numbers.

    Args:
        atom_types: Type number of each atom.
        types: Element of each type, in order; None if not stated.
        first_type: Number of the first type, 0 or 1.
        what: Description of the file, for messages.

    Raises:
        DataError: If the elements are not stated, or a type has no element.
    """
    if types is None:
        type_list = ", ".join(map(str, sorted(set(atom_types))[:8]))
        raise DataError(f"{what} has types {type_list}, and no elements{WAY_OUT}")
    numbers = [atomic_numbers[symbol] for symbol in types]
    unknown_types = sorted({number for number in atom_types if not 0 <= number - first_type < len(numbers)})
    if unknown_types:
        raise DataError(
            f"{what} has type {unknown_types[0]}, but only {len(numbers)} elements are stated: {' '.join(types)}{WAY_OUT}"
        )
    return [numbers[number - first_type] for number in atom_types]


def refuse_types(types: Sequence[str], what: str) -> NoReturn:
    """Raise DataError for stated types if the file contains elements.

    Args:
        types: Elements that the user states.
        what: Description of the file, for messages.
    """
    raise DataError(
        f"{what} names elements, but types ({' '.join(types)}) are stated: remove them (--types in a command, data.types in "
        f"a configuration). If other files of the run need them, convert those files first: atomgraph convert-data --types"
    )


def parse_types(words: Iterable[object], what: str) -> list[int]:
    """Return type numbers from the words of a file.

    Args:
        words: Words of the file.
        what: Description of the file, for messages.

    Raises:
        DataError: If a word is not a whole number.
    """
    types = []
    for word in words:
        text = str(word)
        if not (text.removeprefix("-").isdigit() and text.isascii() and len(text) < 12):
            raise DataError(f"{what}: a type should be a whole number, but is {text[:40]!r}")
        types.append(int(text))
    return types


def parse_symbol(word: str) -> str:
    """Return the chemical symbol for a word of a file: a symbol in any case, or an atomic number.

    Raises:
        DataError: If the word is not an element; for labels such as Cu1 and isotopes such as D, the message has the element.
    """
    symbol = word.capitalize()
    if symbol in atomic_numbers:
        return symbol
    if word.isascii() and word.isdigit() and len(word) < 4 and 0 < int(word) < len(chemical_symbols):
        return chemical_symbols[int(word)]
    if symbol in ISOTOPES:
        raise DataError(f"{word!r} is an isotope; write its element, {ISOTOPES[symbol]}")
    letters = re.match(r"[A-Za-z]{1,2}", word)
    if letters and (element := letters.group().capitalize()) in atomic_numbers:
        raise DataError(f"{word!r} is no element but the label of an atom; write its element, {element}")
    raise DataError(f"{word!r} is no element")


__getattr__ = old_names_of(__name__)
