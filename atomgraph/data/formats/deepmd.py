"""Reader of DeePMD-kit folders of arrays: ``type.raw``, ``type_map.raw``, ``set.*/coord.npy`` and others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import ase
import numpy as np

from atomgraph.data.formats.arrays import load_npy, numeric, require_atoms
from atomgraph.data.formats.element_names import check_types, types_to_numbers
from atomgraph.data.formats.format import Format, Options
from atomgraph.errors import DataError


def is_system(path: Path) -> bool:
    """Return whether a folder is a system of DeePMD-kit."""
    return path.is_dir() and (path / "type.raw").is_file() and any(path.glob("set.*/coord.npy"))


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structures of all folders ``set.*``, in the units of the files."""
    types = _integers(path / "type.raw")
    elements: Sequence[str] | None = _type_map(path)
    if elements is not None and options.types is not None and list(options.types) != elements:
        raise DataError(
            f"{path / 'type_map.raw'} has the elements {' '.join(elements)}, but types are stated as {' '.join(options.types)}"
        )
    elements = options.types if elements is None else elements
    is_periodic = not (path / "nopbc").exists()
    description = f"{path} (a DeePMD folder without type_map.raw)"
    for folder in sorted(path.glob("set.*")):
        positions = load_npy(folder / "coord.npy")
        n_frames, n_atoms = len(positions), len(types)
        require_atoms(n_atoms, folder)
        positions = numeric(positions, "coord.npy", (n_frames, n_atoms, 3), folder)
        cells = numeric(load_npy(folder / "box.npy"), "box.npy", (n_frames, 3, 3), folder) if is_periodic else None
        labels = _labels(folder, n_frames, n_atoms) if options.labels else {}
        frame_types = np.broadcast_to(types, (n_frames, n_atoms))
        if (folder / "real_atom_types.npy").is_file():  # systems of mixed composition; −1 is padding
            frame_types = numeric(
                load_npy(folder / "real_atom_types.npy"), "real_atom_types.npy", (n_frames, n_atoms), folder
            )
        for frame in range(n_frames):
            is_atom = frame_types[frame] >= 0
            atom_types = [int(atom_type) for atom_type in frame_types[frame][is_atom]]
            numbers = types_to_numbers(atom_types, elements, 0, description)
            atoms = ase.Atoms(
                numbers=numbers,
                positions=positions[frame][is_atom],
                cell=None if cells is None else cells[frame],
                pbc=is_periodic,
            )
            for name, values in labels.items():
                if name == "forces":
                    atoms.arrays[name] = values[frame][is_atom]
                else:
                    atoms.info[name] = float(values[frame]) if name == "energy" else values[frame]
            yield atoms


def _labels(folder: Path, n_frames: int, n_atoms: int) -> dict[str, np.ndarray]:
    """Return the labels of all frames in a folder ``set.*``, by name."""
    shapes = {"energy": (n_frames,), "force": (n_frames, n_atoms, 3), "virial": (n_frames, 3, 3)}
    labels = {}
    for name, shape in shapes.items():
        file = folder / f"{name}.npy"
        if file.is_file():
            labels["forces" if name == "force" else name] = numeric(load_npy(file), file.name, shape, folder)
    return labels


def _integers(path: Path) -> np.ndarray:
    """Return the whole numbers in a text file."""
    words = path.read_text(encoding="utf-8", errors="replace").split()
    try:
        return np.array([int(word) for word in words])
    except ValueError as error:
        raise DataError(f"{path} should hold whole numbers: {error}") from error


def _type_map(path: Path) -> list[str] | None:
    """Return the elements of types from ``type_map.raw``; None if there is no such file."""
    file = path / "type_map.raw"
    if not file.is_file():
        return None
    try:
        return check_types(file.read_text(encoding="utf-8", errors="replace").split())
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


DEEPMD = Format(
    name="deepmd-npy",
    title="DeePMD-kit folder (`type.raw`, `set.*/*.npy`)",
    endings=("a folder",),
    read=_read,
    recognise=lambda path, head: is_system(path),
    units={"virial": "eV", "virial_sign": "compression"},
    may_lack_elements=True,
    compared_with="dpdata",
)
