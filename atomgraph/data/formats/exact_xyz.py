"""Writer of extended XYZ with all digits, so that ``data.read`` reads the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress

from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES

# Kind of a numpy dtype: type of a column in extended XYZ.
COLUMN_KINDS = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S"}


def write_exact(path: Path, frames: Iterable[ase.Atoms]) -> None:
    """Write frames with labels, ``info`` and ``arrays``; only numbers and text are written.

    Args:
        path: The file.
        frames: Structures in any iterable, in Å and eV.

    Raises:
        DataError: If positions are not real numbers.
    """
    with path.open("w", encoding="utf-8") as file:
        for atoms in frames:
            file.writelines(_lines(atoms))


def _lines(atoms: ase.Atoms) -> Iterator[str]:
    """Yield the lines of a frame."""
    columns = {"species": np.array(atoms.get_chemical_symbols()), "pos": np.asarray(atoms.positions)}
    if columns["pos"].dtype.kind not in "fiu":
        raise DataError(f"positions should be real numbers, but are {columns['pos'].dtype}")
    columns["pos"] = columns["pos"].astype(np.float64)
    results = dict(getattr(atoms.calc, "results", None) or {})
    arrays = {name: array for name, array in atoms.arrays.items() if name not in ("numbers", "positions")}
    for quantity in QUANTITIES.values():
        if quantity.per == "atom" and results.get(quantity.name) is not None:
            arrays[quantity.name] = np.asarray(results[quantity.name])
    for name, array in arrays.items():
        if (
            array.dtype.kind in COLUMN_KINDS
            and array.ndim < 3
            and " " not in name
            and array.size
            and _is_writable(array)
        ):
            columns[name] = array
    yield f"{len(atoms)}\n"
    yield _comment(atoms, results, columns) + "\n"
    rows = [_words(array) for array in columns.values()]
    for row in zip(*rows, strict=True):
        yield " ".join(row) + "\n"


def _comment(atoms: ase.Atoms, results: dict[str, Any], columns: dict[str, np.ndarray]) -> str:
    """Return the second line of a frame."""
    properties = ":".join(
        f"{name}:{COLUMN_KINDS[array.dtype.kind]}:{_n_columns(array)}" for name, array in columns.items()
    )
    words = [f"Properties={properties}", f'pbc="{" ".join("FT"[bool(flag)] for flag in atoms.pbc)}"']
    if atoms.cell.array.any():
        words.insert(0, f'Lattice="{_numbers(atoms.cell.array)}"')
    info = dict(atoms.info)
    for name in dict.fromkeys(("energy", "free_energy", *QUANTITIES)):
        quantity = QUANTITIES.get(name)
        if results.get(name) is not None and (quantity is None or quantity.per == "graph"):
            value = np.asarray(results[name], dtype=float)
            has_six_components = quantity is not None and quantity.symmetric and value.shape == (6,)
            info[name] = voigt_6_to_full_3x3_stress(value) if has_six_components else value
    for name, value in info.items():
        text = _value(value) if isinstance(name, str) and name and not set(name) & set(" =\"'{}[]") else None
        if text is not None:
            words.append(f"{name}={text}")
    return " ".join(words)


def _value(value: Any) -> str | None:
    """Return a value of ``info`` as text; None for values that cannot be written."""
    if isinstance(value, bool | np.bool_):
        return "FT"[bool(value)]
    if isinstance(value, str):
        is_writable = value.strip() and "\n" not in value and "\r" not in value  # ASE's reader fails for empty text
        return json.dumps(value, ensure_ascii=False) if is_writable else None
    try:
        array = np.asarray(value, dtype=None)
    except ValueError:
        return None
    if array.dtype.kind not in "fiu" or array.ndim > 2 or array.size == 0:
        return None
    return _numbers(array) if array.size == 1 else f'"{_numbers(array)}"'


def _numbers(array: np.ndarray) -> str:
    return " ".join(repr(number) for number in np.asarray(array).ravel().tolist())


def _words(array: np.ndarray) -> list[str]:
    """Return the columns of each atom as text."""
    rows = np.asarray(array).reshape(len(array), -1).tolist()
    if array.dtype.kind == "b":
        return [" ".join("FT"[flag] for flag in row) for row in rows]
    return [" ".join(word if isinstance(word, str) else repr(word) for word in row) for row in rows]


def _is_writable(array: np.ndarray) -> bool:
    """Return whether text has no blanks, which separate columns."""
    return array.dtype.kind != "U" or all(
        word and not any(c.isspace() for c in word) for word in array.ravel().tolist()
    )


def _n_columns(array: np.ndarray) -> int:
    return int(array.size // len(array))
