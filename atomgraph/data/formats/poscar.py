"""VASP's POSCAR and CONTCAR, through ASE, with elements that the file names or that are stated: no other file is asked."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import ase
import ase.io

from atomgraph.data.formats.element_names import WAY_OUT, refuse_types
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import lines_of, unpacked_name
from atomgraph.errors import DataError

NAMES = ("POSCAR", "CONTCAR", "CENTCAR")
SYMBOLS = 5  # the line, from 0, that has the symbols since VASP 5; before, it has the numbers of atoms


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    lines = list(lines_of(path))
    if len(lines) <= SYMBOLS:
        raise DataError(f"{path} is cut short: a POSCAR has more than {len(lines)} lines")
    words = lines[SYMBOLS].partition("!")[0].split()
    if words and words[0].isdigit():
        lines[SYMBOLS:SYMBOLS] = [" ".join(_stated(options.types, len(words), path)) + "\n"]
    elif options.types is not None and list(options.types) != words:
        refuse_types(options.types, str(path))
    yield ase.io.read(io.StringIO("".join(lines)), format="vasp")


def _stated(types: Sequence[str] | None, n_types: int, path: Path) -> Sequence[str]:
    """Elements of a file of VASP 4, as they are stated."""
    if types is None:
        raise DataError(
            f"{path} is of VASP 4: it has no line of chemical symbols before its numbers of atoms{WAY_OUT}; or write that line"
        )
    if len(types) != n_types:
        raise DataError(
            f"{path} has {n_types} numbers of atoms, but {len(types)} elements are given: {' '.join(types)}"
        )
    return types


def _recognise(path: Path, head: bytes) -> bool:
    name = unpacked_name(path).upper()
    return any(word in name for word in NAMES) or name.endswith((".POSCAR", ".VASP"))


POSCAR = Format(
    name="vasp",
    title="VASP POSCAR and CONTCAR (positions)",
    endings=("POSCAR", "CONTCAR", ".vasp"),
    read=_read,
    recognise=_recognise,
    fixed=True,
    types=True,
    compared="read through ASE",
)
