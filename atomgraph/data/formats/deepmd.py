"""DeePMD-kit's folders of arrays: ``type.raw``, ``type_map.raw``, ``set.*/coord.npy`` and its like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import ase
import numpy as np

from atomgraph.data.formats.arrays import load_npy, numeric, require_atoms
from atomgraph.data.formats.element_names import checked_types, numbers_of_types
from atomgraph.data.formats.format import Format, Options
from atomgraph.errors import DataError


def is_system(path: Path) -> bool:
    """Whether a folder is one of DeePMD's systems."""
    return path.is_dir() and (path / "type.raw").is_file() and any(path.glob("set.*/coord.npy"))


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    kinds = _integers(path / "type.raw")
    names: Sequence[str] | None = _type_map(path)
    if names is not None and options.types is not None and list(options.types) != names:
        raise DataError(f"{path / 'type_map.raw'} says {' '.join(names)}, but types says {' '.join(options.types)}")
    names = options.types if names is None else names
    periodic = not (path / "nopbc").exists()
    what = f"{path} (a DeePMD folder without type_map.raw)"
    for folder in sorted(path.glob("set.*")):
        positions = load_npy(folder / "coord.npy")
        n_frames, n_atoms = len(positions), len(kinds)
        require_atoms(n_atoms, folder)
        positions = numeric(positions, "coord.npy", (n_frames, n_atoms, 3), folder)
        cells = numeric(load_npy(folder / "box.npy"), "box.npy", (n_frames, 3, 3), folder) if periodic else None
        labels = _labels(folder, n_frames, n_atoms) if options.labels else {}
        of_frame = np.broadcast_to(kinds, (n_frames, n_atoms))
        if (folder / "real_atom_types.npy").is_file():  # systems of mixed composition; −1 fills up
            of_frame = numeric(
                load_npy(folder / "real_atom_types.npy"), "real_atom_types.npy", (n_frames, n_atoms), folder
            )
        for frame in range(n_frames):
            real = of_frame[frame] >= 0
            rows = [int(kind) for kind in of_frame[frame][real]]
            numbers = numbers_of_types(rows, names, 0, what)
            atoms = ase.Atoms(
                numbers=numbers,
                positions=positions[frame][real],
                cell=None if cells is None else cells[frame],
                pbc=periodic,
            )
            for name, values in labels.items():
                if name == "forces":
                    atoms.arrays[name] = values[frame][real]
                else:
                    atoms.info[name] = float(values[frame]) if name == "energy" else values[frame]
            yield atoms


def _labels(folder: Path, n_frames: int, n_atoms: int) -> dict[str, np.ndarray]:
    shapes = {"energy": (n_frames,), "force": (n_frames, n_atoms, 3), "virial": (n_frames, 3, 3)}
    labels = {}
    for name, shape in shapes.items():
        file = folder / f"{name}.npy"
        if file.is_file():
            labels["forces" if name == "force" else name] = numeric(load_npy(file), file.name, shape, folder)
    return labels


def _integers(path: Path) -> np.ndarray:
    words = path.read_text(encoding="utf-8", errors="replace").split()
    try:
        return np.array([int(word) for word in words])
    except ValueError as error:
        raise DataError(f"{path} should hold whole numbers: {error}") from error


def _type_map(path: Path) -> list[str] | None:
    file = path / "type_map.raw"
    if not file.is_file():
        return None
    try:
        return checked_types(file.read_text(encoding="utf-8", errors="replace").split())
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


DEEPMD = Format(
    name="deepmd-npy",
    title="DeePMD-kit folder (`type.raw`, `set.*/*.npy`)",
    endings=("a folder",),
    read=_read,
    recognise=lambda path, head: is_system(path),
    units={"virial": "eV", "virial_sign": "compression"},
    types=True,
    compared="dpdata",
)
