"""Names of atoms in files to elements: symbols, atomic numbers, or numbers of types with what the user says they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from ase.data import atomic_numbers, chemical_symbols

from atomgraph.errors import DataError

ISOTOPES = {"D": "H", "T": "H"}
WAY_OUT = (
    '; say which element each type is, in order: --types "Cu Au" in a command, data.types: [Cu, Au] in a configuration'
)


def checked_types(types: Sequence[str] | str | None) -> list[str] | None:
    """Elements of types, in order, from a list or from words, as symbols in any case or atomic numbers.

    Raises:
        DataError: Where one is no element.
    """
    if types is None:
        return None
    words = re.split(r"[,\s]+", types.strip()) if isinstance(types, str) else list(types)
    if not words:
        raise DataError("types should name an element for each type, but is empty")
    try:
        return [symbol_of(str(word)) for word in words]
    except DataError as error:
        raise DataError(f"types should be chemical symbols such as Cu Au, or atomic numbers, but {error}") from None


def numbers_of_types(rows: Sequence[int], types: Sequence[str] | None, first: int, what: str) -> list[int]:
    """Atomic numbers of atoms that are known by the number of their type.

    Args:
        rows: Type of each atom.
        types: Element of each type, in order; None: not stated.
        first: Number of the first type.
        what: What has only types, for messages.

    Raises:
        DataError: Without types, or for a type that has none.
    """
    if types is None:
        there = ", ".join(map(str, sorted(set(rows))[:8]))
        raise DataError(f"{what} names types {there}, and no elements{WAY_OUT}")
    table = [atomic_numbers[symbol] for symbol in types]
    strange = sorted({row for row in rows if not 0 <= row - first < len(table)})
    if strange:
        raise DataError(
            f"{what} has type {strange[0]}, but only {len(table)} elements are given: {' '.join(types)}{WAY_OUT}"
        )
    return [table[row - first] for row in rows]


def refuse_types(types: Sequence[str], what: str) -> NoReturn:
    """DataError for elements of types where a file names its elements itself.

    Args:
        types: What the user stated.
        what: What names elements, for messages.
    """
    raise DataError(
        f"{what} names elements, but types ({' '.join(types)}) are stated: take them out (--types in a command, data.types in "
        f"a configuration). Where other files of the run need them, convert those first: atomgraph convert-data --types"
    )


def whole_types(words: Iterable[object], what: str) -> list[int]:
    """Numbers of types from the words of a file.

    Raises:
        DataError: For a word that is no whole number.
    """
    kinds = []
    for word in words:
        text = str(word)
        if not (text.removeprefix("-").isdigit() and text.isascii() and len(text) < 12):
            raise DataError(f"{what}: a type should be a whole number, but is {text[:40]!r}")
        kinds.append(int(text))
    return kinds


def symbol_of(word: str) -> str:
    """The chemical symbol that a word of a file stands for: a symbol, in any case, or an atomic number.

    Raises:
        DataError: For words that are no element; labels such as Cu1 and isotopes such as D are named.
    """
    symbol = word.capitalize()
    if symbol in atomic_numbers:
        return symbol
    if word.isascii() and word.isdigit() and len(word) < 4 and 0 < int(word) < len(chemical_symbols):
        return chemical_symbols[int(word)]
    if symbol in ISOTOPES:
        raise DataError(f"{word!r} is an isotope; write its element, {ISOTOPES[symbol]}")
    letters = re.match(r"[A-Za-z]{1,2}", word)
    if letters and (plain := letters.group().capitalize()) in atomic_numbers:
        raise DataError(f"{word!r} is no element but the label of an atom; write its element, {plain}")
    raise DataError(f"{word!r} is no element")
