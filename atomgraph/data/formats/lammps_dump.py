"""Reader of LAMMPS text dumps: positions, cells and forces; elements are read from the dump or stated by the user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ase
import numpy as np
from ase import units
from ase.data import atomic_numbers, chemical_symbols

from atomgraph.data.formats.element_names import WAY_OUT, parse_symbol, parse_types, refuse_types, types_to_numbers
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import read_beginning, read_lines
from atomgraph.errors import DataError

STYLE_UNITS = {  # LAMMPS unit styles
    "metal": {"energy": "eV", "length": "Å"},
    "real": {"energy": "kcal/mol", "length": "Å"},
    "electron": {"energy": "Hartree", "length": "Bohr"},
}
VELOCITY_FACTORS = {"metal": 1e-3 / units.fs, "real": 1.0 / units.fs}  # from Å/ps and Å/fs to ASE's units
# Columns of positions, in the order of preference, and whether they are fractional coordinates.
POSITIONS = (
    (("x", "y", "z"), False),
    (("xu", "yu", "zu"), False),
    (("xs", "ys", "zs"), True),
    (("xsu", "ysu", "zsu"), True),
)
ELEMENT_COLUMNS = {"element", "typelabel", "type"}
DEFAULT_ELEMENT = "C"  # LAMMPS writes it for types without an element


@dataclass
class _Snapshot:
    """The sections of one frame.

    Attributes:
        line: Number of the first line of the frame, from 1.
        style: LAMMPS unit style.
        n_atoms: Number of atoms; −1 before it is read.
        box_heading: Heading of the section with the box bounds.
        bounds: Lines of the section with the box bounds.
        columns: Names of the columns of atoms.
        rows: Words of each atom.
    """

    line: int
    style: str = "metal"
    n_atoms: int = -1
    box_heading: str = ""
    bounds: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    for snapshot in _snapshots(path):
        location = f"{path}, the frame that begins in line {snapshot.line}"
        try:
            yield _frame(snapshot, options, f"{path} (a LAMMPS dump without a column of elements)")
        except DataError as error:
            raise error if str(error).startswith(str(path)) else DataError(f"{location}: {error}") from error
        except (ValueError, IndexError, OverflowError) as error:
            raise DataError(f"{location}, cannot be read: {error}") from error


def _snapshots(path: Path) -> Iterator[_Snapshot]:
    """Yield the frames of a dump as text."""
    lines = enumerate(read_lines(path), 1)
    snapshot = None
    for number, line in lines:
        words = line.split()
        if not words:
            continue
        heading = " ".join(words[1:])
        if words[0] != "ITEM:":
            raise DataError(
                f"{path}, line {number}: a section should begin with ITEM:, but begins with {line.strip()[:40]!r}"
            )
        if heading == "TIMESTEP" or snapshot is None:
            snapshot = _Snapshot(number, style=snapshot.style if snapshot else "metal")
        if heading == "NUMBER OF ATOMS":
            word = next(lines, (0, ""))[1].strip()
            if not (word.isascii() and word.isdigit() and 0 < len(word) < 12):
                raise DataError(
                    f"{path}, line {number + 1}: this line should be the number of atoms, but is {word[:40]!r}"
                )
            snapshot.n_atoms = int(word)
        elif heading.startswith("BOX BOUNDS"):
            snapshot.box_heading, snapshot.bounds = heading, [next(lines, (0, ""))[1] for _ in range(3)]
            _check_bounds(snapshot.bounds, f"{path}, line {number}: ")
        elif heading.startswith("ATOMS"):
            snapshot.columns = words[2:]
            _read_rows(snapshot, lines, path, number)
            yield snapshot
            snapshot = _Snapshot(number, style=snapshot.style)
        else:
            word = next(lines, (0, ""))[1].strip()
            snapshot.style = word if heading == "UNITS" else snapshot.style


def _read_rows(snapshot: _Snapshot, lines: Iterator[tuple[int, str]], path: Path, number: int) -> None:
    """Read the lines of the atoms into a snapshot; DataError if they are incomplete."""
    while len(snapshot.rows) < snapshot.n_atoms and (numbered_line := next(lines, None)) is not None:
        number, line = numbered_line
        row = line.split()
        if len(row) != len(snapshot.columns):
            raise DataError(
                f"{path}, line {number}: an atom should have {len(snapshot.columns)} columns, but has {len(row)}: "
                f"{line.strip()[:40]!r}"
            )
        snapshot.rows.append(row)
    if len(snapshot.rows) < snapshot.n_atoms or snapshot.n_atoms < 1:
        raise DataError(
            f"{path}, line {number}: the frame is cut short: it should have {max(snapshot.n_atoms, 0)} atoms, "
            f"but has {len(snapshot.rows)}"
        )


def _frame(snapshot: _Snapshot, options: Options, what: str) -> ase.Atoms:
    """Return the structure of a snapshot, in the units of the dump."""
    columns = snapshot.columns
    words = dict(zip(columns, zip(*snapshot.rows, strict=True), strict=True))
    table = {name: np.array([float(word) for word in words[name]]) for name in columns if name not in ELEMENT_COLUMNS}
    cell, origin, pbc = _box(snapshot.box_heading, snapshot.bounds)
    numbers = _numbers(words, options.types, what)
    names, is_fractional = next(((n, f) for n, f in POSITIONS if set(n) <= set(columns)), (None, False))
    if names is None:
        raise DataError(f"there are no positions (x y z, xu yu zu, xs ys zs) among the columns {' '.join(columns)}")
    positions = np.stack([table[name] for name in names], axis=1)
    atoms = ase.Atoms(
        numbers=numbers, positions=origin + positions @ cell if is_fractional else positions, cell=cell, pbc=pbc
    )
    if {"fx", "fy", "fz"} <= set(columns):
        atoms.arrays["forces"] = np.stack([table[name] for name in ("fx", "fy", "fz")], axis=1)
    if {"vx", "vy", "vz"} <= set(columns) and snapshot.style in VELOCITY_FACTORS:
        velocities = np.stack([table[name] for name in ("vx", "vy", "vz")], axis=1)
        atoms.set_velocities(VELOCITY_FACTORS[snapshot.style] * velocities)
    if "q" in table:
        atoms.set_initial_charges(table["q"])
    for name in [name for name in columns if re.match(r"(c|f|v|d|i|d2|i2)_", name)]:
        atoms.arrays[name] = table[name]
    if "id" in table and len(atoms) > 1:
        atoms = atoms[np.argsort(table["id"], kind="stable")]
    return atoms


def _box(heading: str, bounds: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """Return cell vectors (3, 3), origin (3,), and which directions are periodic, from the section of box bounds."""
    words = heading.split()[2:]
    numbers = np.array(_check_bounds(bounds))
    flags = [word for word in words if re.fullmatch(r"[pfsm]{2}", word)]
    pbc = [word == "pp" for word in flags] if len(flags) == 3 else [False] * 3
    if words[:2] == ["abc", "origin"]:
        return numbers[:, :3], numbers[:, 3], pbc
    low, high = numbers[:, 0].copy(), numbers[:, 1].copy()
    xy, xz, yz = numbers[:, 2] if numbers.shape[1] > 2 else (0.0, 0.0, 0.0)
    # LAMMPS states the bounds of the rectangular box around the tilted cell; subtract the tilt
    low -= [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high -= [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    a, b, c = high - low
    return np.array([[a, 0, 0], [xy, b, 0], [xz, yz, c]]), low, pbc


def _check_bounds(lines: Sequence[str], location: str = "") -> list[list[float]]:
    """Return the numbers of the box bounds; DataError if they are not three lines of two, three or four numbers."""
    try:
        numbers = [[float(word) for word in line.split()] for line in lines]
    except ValueError:
        numbers = []
    if {len(row) for row in numbers} not in ({2}, {3}, {4}):
        text = " / ".join(line.strip()[:40] for line in lines)
        raise DataError(
            f"{location}box bounds should be three lines of two, three or four numbers each, but are {text!r}"
        )
    return numbers


def _numbers(words: dict[str, tuple[str, ...]], types: Sequence[str] | None, what: str) -> list[int]:
    """Return atomic numbers from the columns ``element``, ``typelabel`` and ``type``, and from the stated types.

    Args:
        words: Words of each column.
        types: Chemical symbols of the types 1, 2, …, which the user states; None if not stated.
        what: Description of the file, for messages.

    Raises:
        DataError: If types have no elements; if several types have the element C, the default of LAMMPS; if the stated types
            contradict the file.
    """
    symbols, type_words = _element_columns(words)
    file_numbers = None if symbols is None else [atomic_numbers[parse_symbol(symbol)] for symbol in symbols]
    if type_words is None:
        if file_numbers is None:
            raise DataError("there is no column of elements or types")
        if types is not None:
            refuse_types(types, "a dump with elements and no column of types")
        return file_numbers
    atom_types = parse_types(type_words, what)
    is_default = symbols is not None and set(symbols) == {DEFAULT_ELEMENT}
    if types is None and file_numbers is not None:
        if is_default and len(set(atom_types)) > 1:
            type_list = ", ".join(map(str, sorted(set(atom_types))[:8]))
            raise DataError(
                f"types {type_list} all have the element {DEFAULT_ELEMENT}, the default of LAMMPS without dump_modify "
                f"element{WAY_OUT}"
            )
        return file_numbers
    numbers = types_to_numbers(atom_types, types, 1, what)
    if file_numbers is not None and not is_default and file_numbers != numbers:
        row = next(row for row, pair in enumerate(zip(file_numbers, numbers, strict=True)) if pair[0] != pair[1])
        raise DataError(
            f"the file has the element {chemical_symbols[file_numbers[row]]} for type {atom_types[row]}, but the stated types "
            f"have {chemical_symbols[numbers[row]]}; correct the stated types, or remove them"
        )
    return numbers


def _element_columns(
    words: dict[str, tuple[str, ...]],
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Return element names and type numbers of all atoms, from any of the columns; None for missing data."""
    symbols, types = words.get("element"), words.get("type")
    for column in ("typelabel", "type"):  # labels of types may be elements
        if symbols is None and column in words and all(word in atomic_numbers for word in words[column]):
            symbols, types = words[column], types if column != "type" else None
    if symbols is not None and all(symbol.isdigit() for symbol in symbols):  # type numbers in the column of elements
        symbols, types = None, symbols if types is None else types
    return symbols, types


def _units_in(path: Path) -> dict[str, str]:
    """Return the units of the section ``ITEM: UNITS``; empty if the dump has no such section."""
    match = re.search(rb"ITEM: UNITS\s+(\w+)", read_beginning(path, 4096))
    if not match:
        return {}
    style = match[1].decode(errors="replace")
    if style not in STYLE_UNITS:
        raise DataError(f"{path} has LAMMPS's units {style!r}; known are {', '.join(STYLE_UNITS)}")
    return STYLE_UNITS[style]


LAMMPS_DUMP = Format(
    name="lammps-dump-text",
    title="LAMMPS dump (positions, forces)",
    endings=(".lammpstrj", ".dump"),
    read=_read,
    recognise=lambda path, head: head.startswith(b"ITEM:"),
    units=STYLE_UNITS["metal"],
    units_in=_units_in,
    may_lack_elements=True,
    compared_with="",
)
