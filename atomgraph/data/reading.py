"""From files to frames: one or many files, whatever ASE reads, with labels in eV and Å and no mistake passed over."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import ase.db
import ase.io
import numpy as np
from ase.io.formats import string2index

from atomgraph.data.labels import Door
from atomgraph.data.xyz import iread_xyz, is_xyz
from atomgraph.errors import DataError, GraphError
from atomgraph.graph.neighbours import neighbours_within
from atomgraph.progress import terminal_progress

DATABASES = {".db", ".json"}
LARGE = 20_000_000  # bytes from which a progress bar is shown, on a terminal
REACH = 1.0  # Å: how far atoms on one spot are looked for


def read(
    files: str | Path | Sequence[str | Path],
    *,
    keys: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    faults: list[str] | None = None,
) -> list[ase.Atoms]:
    """All frames of the files, in order, with labels in eV, eV/Å, eV/Å³ on a ``SinglePointCalculator``.

    files: a path, a pattern (``data/*.xyz``, in alphabetical order), or several; ``path@:100`` takes a slice of the frames.
    Extended XYZ (``.xyz``, ``.extxyz``, also ``.gz``, ``.bz2``, ``.xz``) and anything that ASE reads (``.db``, ``.traj``,
    VASP's OUTCAR and vasprun.xml, ...).
    keys: which names the labels have, ``{energy: REF_energy, forces: REF_forces, stress: ..., virial: ..., config_type: ...}``;
    a named key is looked for on the calculator's results, in ``info`` and in ``arrays``, and no other is taken in its place.
    Without keys the names are ``energy``, ``forces``, ``stress`` and, where no stress is, ``virial``.
    units: ``{energy: eV, length: Å, forces: eV/Å, stress: eV/Å^3, virial: eV, stress_sign: tension | compression, virial_sign:
    compression | tension}``; what is not named follows energy and length (see ``Door``).
    Each frame gets ``info["config_type"]`` (``"default"`` where it has none) and ``info["source"]``, ``file#index``.
    A frame that lacks a label is kept without it.
    faults: a list; frames that cannot be used are then left out and described in it, instead of ending the reading.

    Raises DataError, with file and frame, for files that are missing, empty, cut short or not to be understood, for positions
    and labels that are not finite or of wrong shape, for atoms on one spot, periodic cells without volume, unknown units, and
    for a key that no frame carries.
    """
    paths = find_files(files)
    door = Door(keys, units)
    frames: list[ase.Atoms] = []
    size = sum(path.stat().st_size for path, _ in paths)
    with terminal_progress(shown=size >= LARGE) as progress:
        task = progress.add_task("reading", total=len(paths))
        for path, index in paths:
            for place, raw in _frames(path, index):
                source = f"{path}#{place}"
                try:
                    atoms = door.admit(raw)
                    _check(atoms)
                except (DataError, GraphError) as error:
                    fault = f"{path}, frame {place}: {error}"
                    if faults is None:
                        raise DataError(fault) from error
                    faults.append(fault)
                    continue
                atoms.info["source"] = source
                frames.append(atoms)
                if not place % 500:
                    progress.update(task, description=f"reading {path.name}: {len(frames)} frames")
            progress.advance(task)
    door.check_seen(", ".join(str(path) for path, _ in paths))
    return frames


def _check(atoms: ase.Atoms) -> None:
    """What no graph can be made of, and atoms without an element."""
    if (atoms.numbers <= 0).any():
        raise DataError(f"atom {int(np.argmin(atoms.numbers))} has no element: its symbol is 'X'")
    neighbours_within(atoms, REACH)


def find_files(files: str | Path | Sequence[str | Path]) -> list[tuple[Path, str]]:
    """Existing files (and which of their frames) that names and patterns stand for; DataError for one that stands for none."""
    names = [files] if isinstance(files, (str, Path)) else list(files)
    if not names:
        raise DataError("no data file is named")
    found: list[tuple[Path, str]] = []
    for name in map(str, names):
        if Path(name).is_file():
            found.append((Path(name), ":"))
            continue
        stem, _, index = name.rpartition("@")
        if stem and Path(stem).is_file():
            found.append((Path(stem), index))
            continue
        matches = sorted(path for path in map(Path, glob.glob(name, recursive=True)) if path.is_file())  # noqa: PTH207
        if not matches:
            raise DataError(_missing(name))
        found += [(path, ":") for path in matches]
    return found


def _missing(name: str) -> str:
    path = Path(name)
    if path.is_dir():
        return f"{name} is a folder; name the files in it, for example '{name.rstrip('/')}/*.xyz'"
    if glob.has_magic(name):
        return f"no file matches {name}"
    beside = sorted(other.name for other in path.parent.iterdir() if other.is_file()) if path.parent.is_dir() else []
    return f"no file {name}" + (f"; in {path.parent} are {', '.join(beside[:8])}" if beside else "")


def _frames(path: Path, index: str) -> Iterator[tuple[int, ase.Atoms]]:
    """(place in the file, frame) as the file has them; DataError where it cannot be understood."""
    try:
        chosen: Any = string2index(index)
    except ValueError as error:
        raise DataError(f"{path}@{index}: frames are chosen by a number or a slice such as 0:100") from error
    if not isinstance(chosen, slice):
        chosen = slice(chosen, chosen + 1 or None)
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    if is_xyz(path):
        found = False
        for place, atoms in iread_xyz(path, chosen):
            found = True
            yield place, atoms
        if not found:
            raise DataError(f"{path}@{index} holds no frame")
        return
    try:
        images = _rows(path) if path.suffix in DATABASES else ase.io.read(path, index=slice(None))
    except Exception as error:  # ASE's readers raise whatever came to their authors' minds
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}") from error
    if not images:
        raise DataError(f"{path} holds no frame")
    for place in range(len(images))[chosen]:
        yield place, images[place]


def _rows(path: Path) -> list[ase.Atoms]:
    """An ASE data base, with the keys and data of its rows, which ``ase.io.read`` leaves behind."""
    with ase.db.connect(path) as database:
        return [row.toatoms(add_additional_information=True) for row in database.select()]
