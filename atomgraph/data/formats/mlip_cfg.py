"""Reader of MLIP's ``.cfg`` files (moment tensor potentials), with structures between BEGIN_CFG and END_CFG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import ase
import numpy as np

from atomgraph.data.formats.element_names import parse_types, types_to_numbers
from atomgraph.data.formats.format import Format, Frame, Options
from atomgraph.data.formats.text import read_lines
from atomgraph.errors import DataError

PLUS_STRESS = ("xx", "yy", "zz", "yz", "xz", "xy")  # columns of the section PlusStress, a virial in eV

NUMBER = re.compile(r"[-+.\d]")
LABELS = {"energy", "forces", "stress", "virial"}


def _read(path: Path, options: Options) -> Iterator[Frame]:
    """Yield the structures of the file, in the units of the file; None for a structure without electronic convergence."""
    block: list[str] | None = None
    for number, line in enumerate(read_lines(path), 1):
        word = line.strip()
        if word == "BEGIN_CFG":
            if block is not None:
                raise DataError(
                    f"{path}, line {number}: a configuration begins before the configuration above has ended"
                )
            block = []
        elif word == "END_CFG":
            if block is None:
                raise DataError(f"{path}, line {number}: END_CFG without BEGIN_CFG")
            try:
                atoms = _frame(block, options, path)
            except (ValueError, IndexError, KeyError) as error:
                if isinstance(error, DataError):
                    raise
                reason = f"{type(error).__name__} {error}".strip()
                raise DataError(
                    f"{path}: the configuration that ends in line {number} cannot be read ({reason})"
                ) from error
            block = None
            yield _drop_unconverged(atoms, options, path)
        elif block is not None:
            block.append(line)
    if block is not None:
        raise DataError(f"{path} is cut short: its last configuration has no END_CFG")


def _frame(block: list[str], options: Options, path: Path) -> ase.Atoms:
    """Return the structure of the lines between BEGIN_CFG and END_CFG."""
    lines = iter([line for line in block if line.strip()])
    n_atoms, cell, table, info = 0, None, {}, {}  # type: tuple[int, list[list[float]] | None, dict[str, list[str]], dict[str, object]]
    for line in lines:
        words = line.split()
        match words[0].rstrip(":").lower():
            case "size":
                n_atoms = int(next(lines))
            case "supercell":
                cell = [[float(word) for word in next(lines).split()] for _ in range(3)]
            case "atomdata" | "atomic_data":
                rows = [next(lines).split() for _ in range(min(n_atoms, len(block)))]
                if any(len(row) != len(words) - 1 for row in rows):
                    raise DataError(f"{path}: an atom should have {len(words) - 1} columns: {' '.join(words[1:])}")
                table = {name: [row[column] for row in rows] for column, name in enumerate(words[1:])}
            case "energy":
                info["energy"] = float(next(lines))
            case "plusstress":
                values = dict(zip(words[1:], map(float, next(lines).split()), strict=True))
                xx, yy, zz, yz, xz, xy = (values[name] for name in PLUS_STRESS)
                info["virial"] = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            case "feature":
                if len(words) > 2 and words[1] not in LABELS:
                    info[words[1]] = " ".join(words[2:])
            # a line of numbers is part of the section before it
            case heading if options.labels and not NUMBER.match(heading):
                options.notes.unread_sections[str(path), words[0].rstrip(":")] += 1
    return _atoms(n_atoms, cell, table, info, options, path)


def _drop_unconverged(atoms: ase.Atoms, options: Options, path: Path) -> ase.Atoms | None:
    """Return the frame; None if its electronic steps did not converge, which MLIP notes for structures from VASP."""
    if options.labels and "not_converged" in str(atoms.info.get("EFS_by", "")):
        options.notes.unconverged[str(path)] += 1
        return None
    return atoms


def _atoms(
    n_atoms: int,
    cell: list[list[float]] | None,
    table: dict[str, list[str]],
    info: dict[str, object],
    options: Options,
    path: Path,
) -> ase.Atoms:
    """Return the structure from the sections of a configuration."""
    if table and "type" not in table:
        raise DataError(f"{path}: a configuration has no column type; its columns are {', '.join(table)}")
    if not table or len(table["type"]) != n_atoms:
        raise DataError(f"{path}: a configuration of {n_atoms} atoms has {len(table.get('type', []))} rows of atoms")
    types = parse_types(table["type"], str(path))
    atoms = ase.Atoms(
        numbers=types_to_numbers(types, options.types, 0, f"{path} (an MLIP file)"),
        cell=cell,
        pbc=cell is not None,
    )
    if {"direct_x", "direct_y", "direct_z"} & set(table):
        atoms.set_scaled_positions(_columns(table, path, "direct_x", "direct_y", "direct_z"))
    else:
        atoms.positions = _columns(table, path, "cartes_x", "cartes_y", "cartes_z")
    if {"fx", "fy", "fz"} & set(table):
        atoms.arrays["forces"] = _columns(table, path, "fx", "fy", "fz")
    atoms.info.update(info)
    return atoms


def _columns(table: dict[str, list[str]], path: Path, *names: str) -> np.ndarray:
    """Return columns of numbers, (n_atoms, n_names); DataError if one is missing."""
    missing_names = [name for name in names if name not in table]
    if missing_names:
        raise DataError(f"{path}: a configuration has no column {missing_names[0]}; its columns are {', '.join(table)}")
    return np.array([[float(word) for word in table[name]] for name in names]).T


MLIP_CFG = Format(
    name="mlip-cfg",
    title="MLIP configurations (`BEGIN_CFG`)",
    endings=(".cfg",),
    read=_read,
    recognise=lambda path, head: b"BEGIN_CFG" in head,
    units={"virial": "eV", "virial_sign": "compression"},
    has_fixed_units=True,
    may_lack_elements=True,
    compared_with="motep",
)
