"""LAMMPS's text dumps: positions, cells and forces, with elements that are there or stated, and units that a dump may state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ase
import numpy as np
from ase import units
from ase.data import atomic_numbers, chemical_symbols

from atomgraph.data.formats.element_names import WAY_OUT, numbers_of_types, refuse_types, symbol_of, whole_types
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import beginning_of, lines_of
from atomgraph.errors import DataError

STYLES = {
    "metal": {"energy": "eV", "length": "Å"},
    "real": {"energy": "kcal/mol", "length": "Å"},
    "electron": {"energy": "Hartree", "length": "Bohr"},
}
SPEEDS = {"metal": 1e-3 / units.fs, "real": 1.0 / units.fs}  # Å/ps and Å/fs in ASE's units
# Columns of positions, in the order in which they are looked for, and whether they are parts of cell vectors.
POSITIONS = (
    (("x", "y", "z"), False),
    (("xu", "yu", "zu"), False),
    (("xs", "ys", "zs"), True),
    (("xsu", "ysu", "zsu"), True),
)
WORDS = {"element", "typelabel", "type"}
UNTOLD = "C"  # LAMMPS's element of every type that was given none


@dataclass
class _Snapshot:
    """The sections of one frame."""

    line: int
    style: str = "metal"
    n_atoms: int = -1
    box: str = ""
    bounds: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    for snapshot in _snapshots(path):
        where = f"{path}, the frame that begins in line {snapshot.line}"
        try:
            yield _frame(snapshot, options, f"{path} (a LAMMPS dump without a column of elements)")
        except DataError as error:
            raise error if str(error).startswith(str(path)) else DataError(f"{where}: {error}") from error
        except (ValueError, IndexError, OverflowError) as error:
            raise DataError(f"{where}, cannot be read: {error}") from error


def _snapshots(path: Path) -> Iterator[_Snapshot]:
    lines = enumerate(lines_of(path), 1)
    snapshot = None
    for number, line in lines:
        words = line.split()
        if not words:
            continue
        item = " ".join(words[1:])
        if words[0] != "ITEM:":
            raise DataError(
                f"{path}, line {number}: a section should begin with ITEM:, but here is {line.strip()[:40]!r}"
            )
        if item == "TIMESTEP" or snapshot is None:
            snapshot = _Snapshot(number, style=snapshot.style if snapshot else "metal")
        if item == "NUMBER OF ATOMS":
            word = next(lines, (0, ""))[1].strip()
            if not (word.isascii() and word.isdigit() and 0 < len(word) < 12):
                raise DataError(f"{path}, line {number + 1}: a number of atoms should be here, but is {word[:40]!r}")
            snapshot.n_atoms = int(word)
        elif item.startswith("BOX BOUNDS"):
            snapshot.box, snapshot.bounds = item, [next(lines, (0, ""))[1] for _ in range(3)]
            _check_bounds(snapshot.bounds, f"{path}, line {number}: ")
        elif item.startswith("ATOMS"):
            snapshot.columns = words[2:]
            _take_rows(snapshot, lines, path, number)
            yield snapshot
            snapshot = _Snapshot(number, style=snapshot.style)
        else:
            word = next(lines, (0, ""))[1].strip()
            snapshot.style = word if item == "UNITS" else snapshot.style


def _take_rows(snapshot: _Snapshot, lines: Iterator[tuple[int, str]], path: Path, number: int) -> None:
    while len(snapshot.rows) < snapshot.n_atoms and (text := next(lines, None)) is not None:
        number, line = text
        row = line.split()
        if len(row) != len(snapshot.columns):
            raise DataError(
                f"{path}, line {number}: an atom should have {len(snapshot.columns)} columns, but here are {len(row)}: "
                f"{line.strip()[:40]!r}"
            )
        snapshot.rows.append(row)
    if len(snapshot.rows) < snapshot.n_atoms or snapshot.n_atoms < 1:
        raise DataError(
            f"{path}, line {number}: the frame is cut short: {max(snapshot.n_atoms, 0)} atoms are announced, "
            f"{len(snapshot.rows)} are there"
        )


def _frame(snapshot: _Snapshot, options: Options, what: str) -> ase.Atoms:
    columns = snapshot.columns
    words = dict(zip(columns, zip(*snapshot.rows, strict=True), strict=True))
    table = {name: np.array([float(word) for word in words[name]]) for name in columns if name not in WORDS}
    cell, origin, pbc = _box(snapshot.box, snapshot.bounds)
    numbers = _numbers(words, options.types, what)
    names, scaled = next(((n, s) for n, s in POSITIONS if set(n) <= set(columns)), (None, False))
    if names is None:
        raise DataError(f"there are no positions (x y z, xu yu zu, xs ys zs) among the columns {' '.join(columns)}")
    positions = np.stack([table[name] for name in names], axis=1)
    atoms = ase.Atoms(numbers=numbers, positions=origin + positions @ cell if scaled else positions, cell=cell, pbc=pbc)
    if {"fx", "fy", "fz"} <= set(columns):
        atoms.arrays["forces"] = np.stack([table[name] for name in ("fx", "fy", "fz")], axis=1)
    if {"vx", "vy", "vz"} <= set(columns) and snapshot.style in SPEEDS:
        velocities = np.stack([table[name] for name in ("vx", "vy", "vz")], axis=1)
        atoms.set_velocities(SPEEDS[snapshot.style] * velocities)
    if "q" in table:
        atoms.set_initial_charges(table["q"])
    for name in [name for name in columns if re.match(r"(c|f|v|d|i|d2|i2)_", name)]:
        atoms.arrays[name] = table[name]
    if "id" in table and len(atoms) > 1:
        atoms = atoms[np.argsort(table["id"], kind="stable")]
    return atoms


def _box(box: str, bounds: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """Cell vectors, origin, and which directions repeat, from a section of box bounds."""
    words = box.split()[2:]
    numbers = np.array(_check_bounds(bounds))
    flags = [word for word in words if re.fullmatch(r"[pfsm]{2}", word)]
    pbc = [word == "pp" for word in flags] if len(flags) == 3 else [False] * 3
    if words[:2] == ["abc", "origin"]:
        return numbers[:, :3], numbers[:, 3], pbc
    low, high = numbers[:, 0].copy(), numbers[:, 1].copy()
    xy, xz, yz = numbers[:, 2] if numbers.shape[1] > 2 else (0.0, 0.0, 0.0)
    low -= [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high -= [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    a, b, c = high - low
    return np.array([[a, 0, 0], [xy, b, 0], [xz, yz, c]]), low, pbc


def _check_bounds(lines: Sequence[str], where: str = "") -> list[list[float]]:
    """The numbers of a section of box bounds; DataError where it is not three lines of two, three or four."""
    try:
        numbers = [[float(word) for word in line.split()] for line in lines]
    except ValueError:
        numbers = []
    if {len(row) for row in numbers} not in ({2}, {3}, {4}):
        said = " / ".join(line.strip()[:40] for line in lines)
        raise DataError(f"{where}box bounds should be three lines of two, three or four numbers each, but are {said!r}")
    return numbers


def _numbers(words: dict[str, tuple[str, ...]], types: Sequence[str] | None, what: str) -> list[int]:
    """Elements by the columns ``element``, ``typelabel`` and ``type``, and by what is stated of types.

    Raises:
        DataError: For types without elements, for one symbol that stands for several types (LAMMPS writes C where it was told
            no elements), and for stated types that the file contradicts.
    """
    names, words_of_types = _columns_of_elements(words)
    named = None if names is None else [atomic_numbers[symbol_of(name)] for name in names]
    if words_of_types is None:
        if named is None:
            raise DataError("there is no column of elements or types")
        if types is not None:
            refuse_types(types, "a dump with elements and no column of types")
        return named
    kinds = whole_types(words_of_types, what)
    untold = names is not None and set(names) == {UNTOLD}
    if types is None and named is not None:
        if untold and len(set(kinds)) > 1:
            there = ", ".join(map(str, sorted(set(kinds))[:8]))
            raise DataError(
                f"types {there} all have the element {UNTOLD}, which LAMMPS writes where dump_modify element was not "
                f"given{WAY_OUT}"
            )
        return named
    stated = numbers_of_types(kinds, types, 1, what)
    if named is not None and not untold and named != stated:
        row = next(row for row, pair in enumerate(zip(named, stated, strict=True)) if pair[0] != pair[1])
        raise DataError(
            f"its column of elements says {chemical_symbols[named[row]]} for type {kinds[row]}, but types says "
            f"{chemical_symbols[stated[row]]}; correct types, or take them out"
        )
    return stated


def _columns_of_elements(
    words: dict[str, tuple[str, ...]],
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Names of elements, and numbers of types, of all atoms; None for what the columns do not hold."""
    names, kinds = words.get("element"), words.get("type")
    for column in ("typelabel", "type"):  # labels of types may be elements
        if names is None and column in words and all(word in atomic_numbers for word in words[column]):
            names, kinds = words[column], kinds if column != "type" else None
    if names is not None and all(name.isdigit() for name in names):  # numbers of types in the place of elements
        names, kinds = None, names if kinds is None else kinds
    return names, kinds


def _units_in(path: Path) -> dict[str, str]:
    """``ITEM: UNITS``, which newer dumps may have."""
    match = re.search(rb"ITEM: UNITS\s+(\w+)", beginning_of(path, 4096))
    if not match:
        return {}
    style = match[1].decode(errors="replace")
    if style not in STYLES:
        raise DataError(f"{path} has LAMMPS's units {style!r}; known are {', '.join(STYLES)}")
    return STYLES[style]


LAMMPS_DUMP = Format(
    name="lammps-dump-text",
    title="LAMMPS dump (positions, forces)",
    endings=(".lammpstrj", ".dump"),
    read=_read,
    recognise=lambda path, head: head.startswith(b"ITEM:"),
    units=STYLES["metal"],
    units_in=_units_in,
    types=True,
    compared="",
)
