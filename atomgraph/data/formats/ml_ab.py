"""Reader of VASP's ML_AB: training structures of VASP's machine-learned force fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.data.formats.element_names import parse_symbol
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import read_lines
from atomgraph.errors import DataError


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structures of the file, in the units of the file."""
    sections: dict[str, list[str]] | None = None
    n_stated, n_frames = None, 0
    for heading, lines in _sections(path):
        if heading.startswith("The number of configurations") and lines:
            n_stated = int(lines[0]) if lines[0].strip().isdigit() else None
        if heading.startswith("Configuration num"):
            if sections is not None:
                yield _frame(sections, path, n_frames)
                n_frames += 1
            sections = {}
        elif sections is not None:
            sections[heading] = lines
    if sections is not None:
        yield _frame(sections, path, n_frames)
        n_frames += 1
    if n_stated is not None and n_frames != n_stated:
        raise DataError(f"{path} should have {n_stated} configurations, but has {n_frames}; is it cut short?")


def _sections(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each heading with its lines. Lines of ``*`` or ``=`` separate sections; lines of ``-`` are inside sections."""
    heading, lines = None, []  # type: tuple[str | None, list[str]]
    for line in read_lines(path):
        text = line.strip()
        if not text or not text.strip("-"):
            continue
        if not text.strip("*") or not text.strip("="):
            if heading is not None:
                yield heading, lines
            heading, lines = None, []
        elif heading is None:
            heading = text
        else:
            lines.append(text)
    if heading is not None:
        yield heading, lines


def _frame(sections: dict[str, list[str]], path: Path, number: int) -> ase.Atoms:
    """Return the structure of the sections of a configuration, in the units of the file."""
    location = f"{path}, configuration {number + 1}"
    try:
        counts = [(line.split()[0], int(line.split()[1])) for line in _lines(sections, "Atom types and atom numbers")]
        n_atoms = int(_lines(sections, "The number of atoms")[0])
        if sum(count for _, count in counts) != n_atoms:
            raise DataError(f"there should be {n_atoms} atoms, but all types have {sum(n for _, n in counts)} atoms")
        cell = _numbers(sections, "Primitive lattice vectors", (3, 3))
        atoms = ase.Atoms(positions=_numbers(sections, "Atomic positions", (n_atoms, 3)), cell=cell, pbc=True)
        # The name of the pseudopotential may follow the element: Si_pv.
        atoms.numbers = np.concatenate(
            [[atomic_numbers[parse_symbol(name.split("_")[0])]] * count for name, count in counts]
        )
        atoms.info["energy"] = float(_numbers(sections, "Total energy", (1,))[0])
        atoms.arrays["forces"] = _numbers(sections, "Forces", (n_atoms, 3))
        rows = [line.split() for line in _lines(sections, "Stress")]
        names = [name.lower() for row in rows[0::2] for name in row]
        values = dict(zip(names, (float(word) for row in rows[1::2] for word in row), strict=True))
        xx, yy, zz, xy, yz, zx = (values[name] for name in ("xx", "yy", "zz", "xy", "yz", "zx"))
        atoms.info["stress"] = np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])
        if name := sections.get("System name"):
            atoms.info["system"] = name[0]
    except DataError as error:
        raise DataError(f"{location}: {error}") from error
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(f"{location}, cannot be read: {type(error).__name__} {error}") from error
    return atoms


def _lines(sections: dict[str, list[str]], heading: str) -> list[str]:
    """Return the lines under a heading; DataError if it is missing."""
    for name, lines in sections.items():
        if name == heading or name.startswith(f"{heading} ("):
            return lines
    raise DataError(f"there is no section {heading!r}")


def _numbers(sections: dict[str, list[str]], heading: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the numbers under a heading in a given shape; DataError if their number is wrong."""
    words = [word for line in _lines(sections, heading) for word in line.split()]
    numbers = np.array([float(word) for word in words])
    if numbers.size != int(np.prod(shape)):
        raise DataError(f"section {heading!r} should hold {int(np.prod(shape))} numbers, but holds {numbers.size}")
    return numbers.reshape(shape)


ML_AB = Format(
    name="vasp-ml-ab",
    title="VASP ML_AB",
    endings=("ML_AB", "ML_ABN"),
    read=_read,
    recognise=lambda path, head: b"The number of configurations" in head and head[:30].split()[1:2] == [b"Version"],
    units={"stress": "kbar", "stress_sign": "compression"},
    has_fixed_units=True,
)
