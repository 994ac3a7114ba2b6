"""From files to frames: one or many files, in many formats, with labels in eV and Å and no mistake passed over."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import ase
import numpy as np
from ase.data import chemical_symbols
from ase.io.formats import string2index

from atomgraph.data.conversion import Conversion
from atomgraph.data.formats.deepmd import is_system
from atomgraph.data.formats.element_names import checked_types, refuse_types
from atomgraph.data.formats.format import Frame, Options
from atomgraph.data.formats.format_table import conversion_of, format_of
from atomgraph.data.formats.text import check_regular
from atomgraph.data.labels import LabelReader
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import AtomgraphError, DataError, GraphError
from atomgraph.graph.neighbours import neighbours_within
from atomgraph.progress import terminal_progress

LARGE = 20_000_000  # bytes from which a progress bar is shown, on a terminal
REACH = 1.0  # Å: how far atoms on one spot are looked for
Files: TypeAlias = str | Path | ase.Atoms | Iterable[str | Path] | Iterable[ase.Atoms]


def read(
    files: Files,
    *,
    keys: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    faults: list[str] | None = None,
    types: Sequence[str] | str | None = None,
    format: str | None = None,
    labels: bool = True,
    notes: ReadingNotes | None = None,
) -> list[ase.Atoms]:
    """All frames of the files, in order, with labels in eV, eV/Å, eV/Å³ on a ``SinglePointCalculator``.

    Each frame gets ``info["config_type"]`` (``"default"`` where it has none) and ``info["source"]``, ``file#index``.
    A frame that lacks a label is kept without it; a label that is NaN in all its entries counts as lacking.

    Args:
        files: A path, a pattern (``data/*.xyz``, in alphabetical order), or several; ``path@:100`` takes a slice of the
            frames. Extended XYZ (also ``.gz``, ``.bz2``, ``.xz``), the formats of ``data.formats.table``, and whatever else ASE
            reads. Or structures: ASE atoms, in any iterable.
        keys: Which names the labels have, ``{energy: REF_energy, forces: REF_forces, stress: ..., config_type: ...}``; a named
            key is looked for on the calculator's results, in ``info`` and in ``arrays``, and no other is taken in its place.
            Without keys the names are ``energy``, ``forces``, ``stress`` and, where no stress is, ``virial``.
        units: ``{energy: eV, length: Å, forces: eV/Å, stress: eV/Å^3, virial: eV, forces_sign: force | gradient,
            stress_sign: tension | compression, virial_sign: compression | tension, stress_order: ase | vasp | lammps}``; what
            is not named follows energy and length. They win over what a format's reader assumes; where a format's units are
            fixed, others are refused.
        faults: A list; frames that cannot be used are then left out and described in it, instead of ending the reading.
        types: Elements of types 1, 2, ... (0, 1, ... where a format counts so), for files that do not name elements; refused
            by those that do.
        format: Of the files, where their names do not tell it.
        labels: Whether labels are wanted. Without them nothing but structures is looked at.
        notes: Filled with notes of reading.

    Raises:
        DataError: With file and frame, for files that are missing, empty, cut short or not to be understood, for positions and
            labels that are not finite or of wrong shape, for atoms on one spot, periodic cells without volume, unknown units,
            and for a key that no frame carries.
    """
    how: dict[str, Any] = {"keys": keys, "units": units, "types": types, "format": format, "labels": labels}
    return list(iread(files, faults=faults, notes=notes, **how))


def iread(
    files: Files,
    *,
    keys: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    faults: list[str] | None = None,
    types: Sequence[str] | str | None = None,
    format: str | None = None,
    labels: bool = True,
    notes: ReadingNotes | None = None,
) -> Iterator[ase.Atoms]:
    """``read``, one frame after the other; text files are never in memory as a whole."""
    notes = ReadingNotes() if notes is None else notes
    reader = LabelReader(keys, units, labels=labels, notes=notes)
    options = Options(checked_types(types), labels, notes)
    structures, named = _taken_apart(files)
    if structures is not None:
        if options.types is not None:
            refuse_types(options.types, "an ASE structure")
        yield from _read_frames(enumerate(structures), reader, reader.conversion, "structure ", faults)
        reader.check_seen("the structures")
        return
    paths = find_files(named)
    size = sum(path.stat().st_size for path, _ in paths)
    with terminal_progress(shown=size >= LARGE) as progress:
        task = progress.add_task("reading", total=len(paths))
        for path, index in paths:
            file_format = format_of(path, format)
            if options.types is not None and not file_format.types:
                refuse_types(options.types, f"{path} ({file_format.title})")
            conversion = conversion_of(file_format, path, units)
            frames = _frames(
                path, index, lambda file_format=file_format, path=path: file_format.read(path, options), faults
            )
            for number, atoms in enumerate(_read_frames(frames, reader, conversion, f"{path}#", faults)):
                if not number % 500:
                    progress.update(task, description=f"reading {path.name}: {number} frames")
                yield atoms
            progress.advance(task)
    reader.check_seen(", ".join(str(path) for path, _ in paths))


def _read_frames(
    frames: Iterable[tuple[int, ase.Atoms]],
    reader: LabelReader,
    conversion: Conversion,
    name: str,
    faults: list[str] | None,
) -> Iterator[ase.Atoms]:
    for place, raw in frames:
        source = f"{name}{place}"
        try:
            atoms = reader.read(raw, conversion, source)
            _check(atoms)
        except (DataError, GraphError) as error:
            fault = f"{name.removesuffix('#')}, frame {place}: {error}" if name.endswith("#") else f"{source}: {error}"
            if faults is None:
                raise DataError(fault) from error
            faults.append(fault)
            continue
        atoms.info["source"] = source
        yield atoms


def _check(atoms: ase.Atoms) -> None:
    """What no graph can be made of, and atoms without an element."""
    if (atoms.numbers <= 0).any():
        raise DataError(f"atom {int(np.argmin(atoms.numbers))} has no element: its symbol is 'X'")
    if (atoms.numbers >= len(chemical_symbols)).any():
        row = int(np.argmax(atoms.numbers))
        raise DataError(f"atom {row} has the atomic number {atoms.numbers[row]}, which is no element's")
    neighbours_within(atoms, REACH)


def _taken_apart(files: Files) -> tuple[list[ase.Atoms] | None, list[str]]:
    """Structures, or names of files; DataError for a mixture and for anything else."""
    if isinstance(files, ase.Atoms):
        return [files], []
    if isinstance(files, str | Path):
        return None, [str(files)]
    try:
        items: list[Any] = list(files)
    except TypeError:
        raise DataError(f"data should be files or structures, but is {type(files).__name__}") from None
    if items and all(isinstance(item, ase.Atoms) for item in items):
        return items, []
    for item in items:
        if not isinstance(item, str | Path):
            raise DataError(f"data should be names of files, or ASE atoms throughout, but holds {type(item).__name__}")
    return None, [str(item) for item in items]


def find_files(files: str | Path | Sequence[str | Path]) -> list[tuple[Path, str]]:
    """Existing files (and which of their frames) that names and patterns stand for; DataError for one that stands for none."""
    names = [files] if isinstance(files, (str, Path)) else list(files)
    if not names:
        raise DataError("no data file is named")
    selected: list[tuple[Path, str]] = []
    for name in map(str, names):
        if _is_data(Path(name)):
            selected.append((Path(name), ":"))
            continue
        stem, _, index = name.rpartition("@")
        if stem and _is_data(Path(stem)):
            selected.append((Path(stem), index))
            continue
        matches = sorted(path for path in map(Path, glob.glob(name, recursive=True)) if _is_data(path))  # noqa: PTH207
        if not matches:
            raise DataError(_missing(name))
        selected += [(path, ":") for path in matches]
    return selected


def _is_data(path: Path) -> bool:
    """A file, or a folder that is a data set; DataError for pipes and devices, which are not read."""
    try:
        if not path.exists():
            return False
    except (OSError, ValueError):
        return False
    if path.is_dir():
        return is_system(path)
    check_regular(path)
    return True


def _missing(name: str) -> str:
    path = Path(name)
    if path.is_dir():
        return f"{name} is a folder; name the files in it, for example '{name.rstrip('/')}/*.xyz'"
    if glob.has_magic(name):
        return f"no file matches {name}"
    folder = path.parent
    beside = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    return f"no file {name}" + (f"; in {path.parent} are {', '.join(beside[:8])}" if beside else "")


def _frames(path: Path, index: str, open_file: Any, faults: list[str] | None = None) -> Iterator[tuple[int, ase.Atoms]]:
    """(place in the file, frame) as the file has them; DataError where it cannot be understood.

    With a list of faults, frames that cannot be understood are described in it and left out. What follows a place where the
    file itself is not whole is lost, and the fault says so.
    """
    try:
        chosen: Any = string2index(index)
    except ValueError as error:
        raise DataError(f"{path}@{index}: frames are chosen by a number or a slice such as 0:100") from error
    if not isinstance(chosen, slice):
        chosen = slice(chosen, chosen + 1 or None)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    any_there = any_chosen = False
    try:
        for place, frame in _chosen(open_file, chosen):
            any_there = True
            try:
                atoms = frame() if callable(frame) else frame
            except DataError as error:
                if faults is None:
                    raise
                faults.append(str(error))
                continue
            if atoms is not None:
                any_chosen = True
                yield place, atoms
    except DataError as error:
        if faults is None or not any_there:
            raise
        faults.append(f"{error}; nothing behind it is read")
    except (AtomgraphError, GeneratorExit):
        raise
    except MemoryError:
        raise DataError(f"{path} cannot be read: it asks for more memory than there is") from None
    except Exception as error:  # ASE's readers raise whatever came to their authors' minds
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}") from error
    if not any_chosen and not faults:
        left_out = " that converged" if any_there else ""
        raise DataError(f"{path}{'' if index == ':' else f'@{index}'} holds no frame{left_out}")


def _chosen(open_file: Any, chosen: slice) -> Iterator[tuple[int, Frame]]:
    """(place, frame) of a slice; counted from the end only after the file was gone through once."""
    if any(number is not None and number < 0 for number in (chosen.start, chosen.stop, chosen.step)):
        n_frames = sum(1 for _ in open_file())
        places = range(n_frames)[chosen]
        rows = set(places)
        frames = {place: frame for place, frame in enumerate(open_file()) if place in rows}
        yield from ((place, frames[place]) for place in places)
        return
    yield from islice(enumerate(open_file()), chosen.start, chosen.stop, chosen.step)
