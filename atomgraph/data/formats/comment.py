"""Parser of the second line of an extended XYZ frame: keys, values and columns. ASE does not transpose the stresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ase.io.extxyz import key_val_str_to_dict

from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of

RAW_PREFIX = "atomgraph_raw_"  # added to keys whose values ASE would check or transpose
RAW_KEYS = re.compile(  # keys that get RAW_PREFIX
    r"(^|\s)(lattice|stress|virial)(?=\s*=)", re.IGNORECASE
)
EXPONENT = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d+$)")  # Fortran exponents: 1.0D+00, -1d0
# keys of text, which may look like 12d4
TEXT_KEYS = re.compile(r"(id|type|name|hash|tag|label|comment)$", re.IGNORECASE)
# Keys that may contain a cell, in lower case and without separators between words; the format reads Lattice only.
CELL_KEYS = re.compile(
    r"cells?|(unit|super|simulation)cell|cell(par|parameters|vectors)|(simulation)?box(vectors)?|primvec"
    r"|lattice(vectors|parameters|constants|matrix)"
)
FLAGS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
PROPERTIES = re.compile(r"""(?:^|\s)properties\s*=\s*["'{\[]?([^\s"'}\]]+)""", re.IGNORECASE)
DEFAULT_PROPERTIES = "species:S:1:pos:R:3"  # columns of plain XYZ, for a comment without Properties
# ASE's spelling of names of columns, by the name in lower case.
COLUMN_NAMES = {"species": "species", "pos": "pos", "z": "Z"}


class Field(NamedTuple):
    """A property in the columns of atoms.

    Attributes:
        name: Name of the property.
        kind: Type: S (text), I (integer), R (real) or L (logical).
        width: Number of columns.
    """

    name: str
    kind: str
    width: int


def parse_comment(comment: str) -> dict[str, Any]:
    """Return keys and values in the form of ASE's reader; keys of stresses and virials have the prefix ``RAW_PREFIX``.

    ``Lattice``, ``Properties`` and ``pbc`` may be in upper or lower case.

    Raises:
        DataError: If the lattice is not nine numbers, another key contains a cell, or ``pbc`` is not one or three flags.
    """
    prefixed_comment = RAW_KEYS.sub(lambda match: f"{match[1]}{RAW_PREFIX}{match[2]}", comment)
    values: dict[str, Any] = {}
    for key, value in key_val_str_to_dict(prefixed_comment).items():
        if isinstance(value, str):
            value = value.replace(RAW_PREFIX, "")
            value = value if TEXT_KEYS.search(key) else _parse_fortran(value)
        lower_key = original_key(key).lower()
        if lower_key == "lattice":
            values["Lattice"] = _lattice(value)
        elif lower_key == "properties":
            fields = parse_fields(comment)
            values["Properties"] = ":".join(f"{name}:{kind}:{width}" for name, kind, width in fields)
        elif lower_key == "pbc":
            values["pbc"] = _flags(value)
        else:
            values[key] = value
    if "Lattice" not in values and np.any(values.get("pbc", True)):
        _check_no_other_cell(values)
    return values


def parse_fields(comment: str) -> list[Field]:
    """Return the columns of atoms that a comment states."""
    match = PROPERTIES.search(comment)
    text = match[1] if match else DEFAULT_PROPERTIES
    words = text.split(":")
    if len(words) % 3:
        raise DataError(f"Properties should be triples name:kind:columns, but is {text!r}")
    fields = []
    for name, kind, width in zip(words[0::3], words[1::3], words[2::3], strict=True):
        name = COLUMN_NAMES.get(name.lower(), name)
        fields.append(Field(name, "S" if name == "species" else kind.upper(), int(width)))
    return fields


def original_key(key: str) -> str:
    """Return the key of the file, without the prefix ``RAW_PREFIX``."""
    return key.removeprefix(RAW_PREFIX)


def _lattice(value: Any) -> np.ndarray:
    """Return the cell as ASE's reader expects it, (3, 3), Å; DataError for anything but nine finite numbers."""
    numbers = np.atleast_1d(np.asarray(value))
    if numbers.dtype.kind not in "if":
        raise DataError(f"Lattice should be nine numbers, but is {str(value)[:60]!r}")
    if not np.isfinite(numbers).all():
        raise DataError(f"Lattice should be nine finite numbers, but is {' '.join(map(str, numbers.ravel()[:9]))}")
    if numbers.size == 9:
        return numbers.astype(float).reshape((3, 3), order="F")  # transposed, because ASE transposes this key again
    hint = ""
    if numbers.size in (3, 6):
        a, b, c = numbers.ravel()[:3]
        hint = f'; a box with these edges is Lattice="{a:g} 0 0 0 {b:g} 0 0 0 {c:g}"' if numbers.size == 3 else ""
        hint = hint or "; lengths and angles are not supported"
    raise DataError(f"Lattice should be nine numbers, the three cell vectors in order, but has {numbers.size}{hint}")


def _check_no_other_cell(values: Mapping[str, Any]) -> None:
    """Raise DataError for a key other than Lattice that may contain the cell."""
    for key, value in values.items():
        if not CELL_KEYS.fullmatch(re.sub(r"[^a-z]", "", original_key(key).lower())):
            continue
        words = re.split(r"[\s,;\[\](){}]+", value.strip()) if isinstance(value, str) else np.ravel(value).tolist()
        try:
            numbers = [float(word) for word in words if word != ""]
        except (TypeError, ValueError):
            continue
        if len(numbers) in (3, 6, 9) and any(numbers):
            raise DataError(
                f"{original_key(key)} has {len(numbers)} numbers and may be the cell, which is read from Lattice only: write "
                f'Lattice="ax ay az bx by bz cx cy cz", or pbc="F F F" for a structure without one'
            )


def _flags(value: Any) -> list[bool]:
    """Return three flags of periodic directions from one or three; DataError for other values."""
    words = value.split() if isinstance(value, str) else np.ravel(value).tolist()
    flags = [FLAGS.get(str(word).lower()) for word in words]
    if len(flags) not in (1, 3) or None in flags:
        raise DataError(f"pbc should be one or three flags, T or F, but is {str(value)[:40]!r}")
    return [bool(flag) for flag in flags] * (3 // len(flags))


def _parse_fortran(value: str) -> Any:
    """Return numbers for a text of numbers with Fortran exponents; other text is returned unchanged."""
    words = value.split()
    if not any(EXPONENT.search(word) for word in words):
        return value
    try:
        numbers = np.array([float(EXPONENT.sub("e", word)) for word in words])
    except ValueError:
        return value
    return float(numbers[0]) if len(numbers) == 1 else numbers


__getattr__ = old_names_of(__name__)
