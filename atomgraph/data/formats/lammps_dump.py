"""LAMMPS's text dumps: positions, cells and forces, with elements that are there or stated, and units that a dump may state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ase
import numpy as np
from ase import units
from ase.data import atomic_numbers

from atomgraph.data.formats.elements import numbers_of_types, symbol_of
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
WORDS = {"element", "typelabel"}


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
        elif item.startswith("ATOMS"):
            snapshot.columns = words[2:]
            _take_rows(snapshot, lines, path, number)
            yield snapshot
            snapshot = _Snapshot(number, style=snapshot.style)
        else:
            word = next(lines, (0, ""))[1].strip()
            snapshot.style = word if item == "UNITS" else snapshot.style


def _take_rows(snapshot: _Snapshot, lines: Iterator[tuple[int, str]], path: Path, number: int) -> None:
    while len(snapshot.rows) < snapshot.n_atoms and (found := next(lines, None)) is not None:
        number, line = found
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
    numbers = np.array([[float(word) for word in line.split()] for line in bounds])
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


def _numbers(words: dict[str, tuple[str, ...]], types: Sequence[str] | None, what: str) -> list[int]:
    if "element" in words:
        return [atomic_numbers[symbol_of(word)] for word in words["element"]]
    if "type" not in words:
        raise DataError("there is no column of elements or types")
    kinds = words["type"]
    if all(kind in atomic_numbers for kind in kinds):  # type labels that are elements
        return [atomic_numbers[kind] for kind in kinds]
    return numbers_of_types([int(kind) for kind in kinds], types, 1, what)


def _units_in(path: Path) -> dict[str, str]:
    """``ITEM: UNITS``, which newer dumps may have."""
    found = re.search(rb"ITEM: UNITS\s+(\w+)", beginning_of(path, 4096))
    if not found:
        return {}
    style = found[1].decode(errors="replace")
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
