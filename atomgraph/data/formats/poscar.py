"""Reader of VASP's POSCAR and CONTCAR, with ASE; elements are read from the file or stated by the user."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import ase
import ase.io

from atomgraph.data.formats.element_names import WAY_OUT, refuse_types
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import read_lines, unpacked_name
from atomgraph.errors import DataError

FILE_NAMES = ("POSCAR", "CONTCAR", "CENTCAR")
SYMBOL_LINE = 5  # line of the chemical symbols, counted from 0; files of VASP 4 have the numbers of atoms there


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structure of the file."""
    lines = list(read_lines(path))
    if len(lines) <= SYMBOL_LINE:
        raise DataError(f"{path} is cut short: a POSCAR has more than {len(lines)} lines")
    words = lines[SYMBOL_LINE].partition("!")[0].split()
    if words and words[0].isdigit():
        lines[SYMBOL_LINE:SYMBOL_LINE] = [" ".join(_check_stated_types(options.types, len(words), path)) + "\n"]
    elif options.types is not None and list(options.types) != words:
        refuse_types(options.types, str(path))
    yield ase.io.read(io.StringIO("".join(lines)), format="vasp")


def _check_stated_types(types: Sequence[str] | None, n_types: int, path: Path) -> Sequence[str]:
    """Return the stated elements for a file of VASP 4; DataError if they are missing or their number is wrong."""
    if types is None:
        raise DataError(
            f"{path} is a file of VASP 4: it has no line of chemical symbols before its numbers of atoms{WAY_OUT}; "
            f"or add this line to the file"
        )
    if len(types) != n_types:
        raise DataError(
            f"{path} has {n_types} numbers of atoms, but {len(types)} elements are stated: {' '.join(types)}"
        )
    return types


def _recognise(path: Path, head: bytes) -> bool:
    name = unpacked_name(path).upper()
    return any(word in name for word in FILE_NAMES) or name.endswith((".POSCAR", ".VASP"))


POSCAR = Format(
    name="vasp",
    title="VASP POSCAR and CONTCAR (positions)",
    endings=("POSCAR", "CONTCAR", ".vasp"),
    read=_read,
    recognise=_recognise,
    has_fixed_units=True,
    may_lack_elements=True,
    compared_with="read through ASE",
)
