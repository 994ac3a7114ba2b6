"""The second line of an extended XYZ frame: keys, values and columns, without ASE's judgement of stresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ase.io.extxyz import key_val_str_to_dict

from atomgraph.errors import DataError

RAW = "atomgraph_raw_"  # prefix of names whose values ASE would check or transpose; they are read later
GUARDED = re.compile(r"(^|\s)(lattice|stress|virial)(?=\s*=)", re.IGNORECASE)
EXPONENT = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d+$)")  # Fortran's, of double precision: 1.0D+00, -1d0
WORDS = re.compile(r"(id|type|name|hash|tag|label|comment)$", re.IGNORECASE)  # keys of words, which may look like 12d4
# Names of cells that are not the format's, in lower case and without anything between their words.
CELLS = re.compile(
    r"cells?|(unit|super|simulation)cell|cell(par|parameters|vectors)|(simulation)?box(vectors)?|primvec"
    r"|lattice(vectors|parameters|constants|matrix)"
)
FLAGS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
PROPERTIES = re.compile(r"""(?:^|\s)properties\s*=\s*["'{\[]?([^\s"'}\]]+)""", re.IGNORECASE)
PLAIN = "species:S:1:pos:R:3"
KNOWN_COLUMNS = {"species": "species", "pos": "pos", "z": "Z"}


class Field(NamedTuple):
    """Columns of a property: its name, kind (S, I, R, L) and their number."""

    name: str
    kind: str
    width: int


def comment_of(comment: str) -> dict[str, Any]:
    """Keys and values as ASE's reader wants them; names of stresses and virials with ``RAW`` before them.

    ``Lattice``, ``Properties`` and ``pbc`` are known in any case of letters.

    Raises:
        DataError: For a lattice that is not nine numbers, a cell under another name, and a ``pbc`` that is not one or three
            flags.
    """
    guarded = GUARDED.sub(lambda match: f"{match[1]}{RAW}{match[2]}", comment)
    values: dict[str, Any] = {}
    for key, value in key_val_str_to_dict(guarded).items():
        if isinstance(value, str):
            value = value.replace(RAW, "")
            value = value if WORDS.search(key) else _without_fortran(value)
        plain = unguarded(key)
        if plain.lower() == "lattice":
            values["Lattice"] = _lattice(value)
        elif plain.lower() == "properties":
            fields = fields_of(comment)
            values["Properties"] = ":".join(f"{name}:{kind}:{width}" for name, kind, width in fields)
        elif plain.lower() == "pbc":
            values["pbc"] = _flags(value)
        else:
            values[key] = value
    if "Lattice" not in values and np.any(values.get("pbc", True)):
        _check_no_cell(values)
    return values


def fields_of(comment: str) -> list[Field]:
    """The columns of atoms' lines that a comment announces."""
    match = PROPERTIES.search(comment)
    text = match[1] if match else PLAIN
    words = text.split(":")
    if len(words) % 3:
        raise DataError(f"Properties should be triples name:kind:columns, but is {text!r}")
    fields = []
    for name, kind, width in zip(words[0::3], words[1::3], words[2::3], strict=True):
        name = KNOWN_COLUMNS.get(name.lower(), name)
        fields.append(Field(name, "S" if name == "species" else kind.upper(), int(width)))
    return fields


def unguarded(key: str) -> str:
    """The name as the file has it."""
    return key.removeprefix(RAW)


def _lattice(value: Any) -> np.ndarray:
    numbers = np.atleast_1d(np.asarray(value))
    if numbers.dtype.kind not in "if":
        raise DataError(f"Lattice should be nine numbers, but is {str(value)[:60]!r}")
    if not np.isfinite(numbers).all():
        raise DataError(f"Lattice should be nine finite numbers, but is {' '.join(map(str, numbers.ravel()[:9]))}")
    if numbers.size == 9:
        return numbers.astype(float).reshape((3, 3), order="F")  # ASE transposes it
    hint = ""
    if numbers.size in (3, 6):
        a, b, c = numbers.ravel()[:3]
        hint = f'; a box with these edges is Lattice="{a:g} 0 0 0 {b:g} 0 0 0 {c:g}"' if numbers.size == 3 else ""
        hint = hint or "; lengths and angles are not understood"
    raise DataError(
        f"Lattice should be nine numbers, the three cell vectors one after another, but has {numbers.size}{hint}"
    )


def _check_no_cell(values: Mapping[str, Any]) -> None:
    """DataError for a cell that would be passed over because it is not called Lattice."""
    for key, value in values.items():
        if not CELLS.fullmatch(re.sub(r"[^a-z]", "", unguarded(key).lower())):
            continue
        words = re.split(r"[\s,;\[\](){}]+", value.strip()) if isinstance(value, str) else np.ravel(value).tolist()
        try:
            numbers = [float(word) for word in words if word != ""]
        except (TypeError, ValueError):
            continue
        if len(numbers) in (3, 6, 9) and any(numbers):
            raise DataError(
                f"{unguarded(key)} has {len(numbers)} numbers and may be the cell, which is read from Lattice only: write "
                f'Lattice="ax ay az bx by bz cx cy cz", or pbc="F F F" for a structure without one'
            )


def _flags(value: Any) -> list[bool]:
    """One or three flags of periodic directions; DataError for anything else."""
    words = value.split() if isinstance(value, str) else np.ravel(value).tolist()
    flags = [FLAGS.get(str(word).lower()) for word in words]
    if len(flags) not in (1, 3) or None in flags:
        raise DataError(f"pbc should be one or three of T and F, but is {str(value)[:40]!r}")
    return [bool(flag) for flag in flags] * (3 // len(flags))


def _without_fortran(value: str) -> Any:
    """Numbers with D exponents as numbers; other words as they are."""
    words = value.split()
    if not any(EXPONENT.search(word) for word in words):
        return value
    try:
        numbers = np.array([float(EXPONENT.sub("e", word)) for word in words])
    except ValueError:
        return value
    return float(numbers[0]) if len(numbers) == 1 else numbers
