"""Reading structures and labels: files of all supported formats, converted to eV and Å and checked."""

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
from atomgraph.data.formats.element_names import check_types, refuse_types
from atomgraph.data.formats.format import Frame, Options
from atomgraph.data.formats.format_table import find_conversion, find_format
from atomgraph.data.formats.text import check_regular
from atomgraph.data.labels import LabelReader
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import AtomgraphError, DataError, GraphError
from atomgraph.graph.neighbours import neighbours_within
from atomgraph.progress import terminal_progress

MIN_PROGRESS_SIZE = 20_000_000  # bytes; a progress bar is shown for larger files
CHECK_CUTOFF = 1.0  # Å; cutoff of the neighbour list that checks the structure
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
    """Read all frames of the files, in order; a ``SinglePointCalculator`` has the labels in eV, eV/Å and eV/Å³.

    Each frame gets ``info["config_type"]`` (default ``"default"``) and ``info["source"]``, which is ``file#index``. Frames
    with missing labels are read without these labels. A label is missing if all its entries are NaN.

    Args:
        files: A path, a pattern (``data/*.xyz``, in alphabetical order), or a list of them; ``path@:100`` selects a slice of
            the frames. Formats: extended XYZ, also compressed (``.gz``, ``.bz2``, ``.xz``), the formats of
            ``data.formats.format_table``, and those that ASE reads. Or structures: ASE atoms, in any iterable.
        keys: Keys of the labels, ``{energy: REF_energy, forces: REF_forces, stress: ..., config_type: ...}``. A key is
            searched in the results of the calculator, in ``info`` and in ``arrays``; no other key replaces it. Default keys
            are ``energy``, ``forces``, ``stress`` and, if there is no stress, ``virial``.
        units: ``{energy: eV, length: Å, forces: eV/Å, stress: eV/Å^3, virial: eV, forces_sign: force | gradient,
            stress_sign: tension | compression, virial_sign: compression | tension, stress_order: ase | vasp | lammps}``.
            Units that are not named follow from energy and length. Named units replace the default units of a format. If the
            units of a format are fixed, other units are an error.
        faults: List for descriptions of frames that cannot be used. With a list, these frames are left out; without it, they
            are an error.
        types: Elements of types 1, 2, ... (0, 1, ... in some formats), for files without elements; an error for files with
            elements.
        format: Name of the format; None to recognise it.
        labels: Whether labels are read; if False, only structures are read and checked.
        notes: Object that receives notes of reading.

    Raises:
        DataError: If a file is missing, empty, cut short or not readable; if positions or labels are not finite or have a
            wrong shape; if two atoms are at the same position, or a periodic cell has no volume; if a unit is unknown, or no
            frame has a named key. The message names file and frame.
    """
    options: dict[str, Any] = {"keys": keys, "units": units, "types": types, "format": format, "labels": labels}
    return list(iread(files, faults=faults, notes=notes, **options))


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
    """Read frames one by one, as a generator; text files are not loaded into memory completely. Arguments as in ``read``."""
    notes = ReadingNotes() if notes is None else notes
    reader = LabelReader(keys, units, labels=labels, notes=notes)
    options = Options(check_types(types), labels, notes)
    structures, file_names = _split_input(files)
    if structures is not None:
        if options.types is not None:
            refuse_types(options.types, "an ASE structure")
        yield from _read_frames(enumerate(structures), reader, reader.conversion, "structure ", faults)
        reader.check_keys_found("the structures")
        return
    paths = find_files(file_names)
    n_bytes = sum(path.stat().st_size for path, _ in paths)
    with terminal_progress(shown=n_bytes >= MIN_PROGRESS_SIZE) as progress:
        task = progress.add_task("reading", total=len(paths))
        for path, selected_frames in paths:
            file_format = find_format(path, format)
            if options.types is not None and not file_format.may_lack_elements:
                refuse_types(options.types, f"{path} ({file_format.title})")
            conversion = find_conversion(file_format, path, units)
            frames = _frames(
                path,
                selected_frames,
                lambda file_format=file_format, path=path: file_format.read(path, options),
                faults,
            )
            for number, atoms in enumerate(_read_frames(frames, reader, conversion, f"{path}#", faults)):
                if not number % 500:
                    progress.update(task, description=f"reading {path.name}: {number} frames")
                yield atoms
            progress.advance(task)
    reader.check_keys_found(", ".join(str(path) for path, _ in paths))


def _read_frames(
    frames: Iterable[tuple[int, ase.Atoms]],
    reader: LabelReader,
    conversion: Conversion,
    name: str,
    faults: list[str] | None,
) -> Iterator[ase.Atoms]:
    """Yield frames with converted labels; frames that cannot be used are described in ``faults``, or raise an error.

    Args:
        frames: Numbers and frames.
        reader: Reader of the labels.
        conversion: Conversion of the file.
        name: Beginning of the names of frames, ``file#`` or ``structure ``.
        faults: List for descriptions; None to raise errors.
    """
    for number, raw in frames:
        source = f"{name}{number}"
        try:
            atoms = reader.read(raw, conversion, source)
            _check(atoms)
        except (DataError, GraphError) as error:
            fault = f"{name.removesuffix('#')}, frame {number}: {error}" if name.endswith("#") else f"{source}: {error}"
            if faults is None:
                raise DataError(fault) from error
            faults.append(fault)
            continue
        atoms.info["source"] = source
        yield atoms


def _check(atoms: ase.Atoms) -> None:
    """Raise an error for atoms without an element, and for structures that cannot become a graph."""
    if (atoms.numbers <= 0).any():
        raise DataError(f"atom {int(np.argmin(atoms.numbers))} has no element: its symbol is 'X'")
    if (atoms.numbers >= len(chemical_symbols)).any():
        row = int(np.argmax(atoms.numbers))
        raise DataError(f"atom {row} has the atomic number {atoms.numbers[row]}, which no element has")
    neighbours_within(atoms, CHECK_CUTOFF)


def _split_input(files: Files) -> tuple[list[ase.Atoms] | None, list[str]]:
    """Return structures and no file names, or None and file names; DataError for a mixture and for other types."""
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
            raise DataError(f"data should be names of files only, or ASE atoms only, but holds {type(item).__name__}")
    return None, [str(item) for item in items]


def find_files(files: str | Path | Sequence[str | Path]) -> list[tuple[Path, str]]:
    """Return the files that match names and patterns, each with a selection of frames, ``:`` for all or such as ``:100``.

    Args:
        files: Paths or patterns; ``path@:100`` selects a slice of the frames.

    Raises:
        DataError: If no file matches a name.
    """
    names = [files] if isinstance(files, (str, Path)) else list(files)
    if not names:
        raise DataError("no data file is given")
    selected_files: list[tuple[Path, str]] = []
    for name in map(str, names):
        if _is_data(Path(name)):
            selected_files.append((Path(name), ":"))
            continue
        stem, _, index = name.rpartition("@")
        if stem and _is_data(Path(stem)):
            selected_files.append((Path(stem), index))
            continue
        matches = sorted(path for path in map(Path, glob.glob(name, recursive=True)) if _is_data(path))  # noqa: PTH207
        if not matches:
            raise DataError(_describe_missing(name))
        selected_files += [(path, ":") for path in matches]
    return selected_files


def _is_data(path: Path) -> bool:
    """Return whether the path is a file or a folder with data; DataError for pipes and devices, which are not read."""
    try:
        if not path.exists():
            return False
    except (OSError, ValueError):
        return False
    if path.is_dir():
        return is_system(path)
    check_regular(path)
    return True


def _describe_missing(name: str) -> str:
    """Return the error message for a name without a matching file."""
    path = Path(name)
    if path.is_dir():
        return f"{name} is a folder; name the files in it, for example '{name.rstrip('/')}/*.xyz'"
    if glob.has_magic(name):
        return f"no file matches {name}"
    folder = path.parent
    files_in_folder = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    return f"no file {name}" + (f"; in {path.parent} are {', '.join(files_in_folder[:8])}" if files_in_folder else "")


def _frames(path: Path, index: str, open_file: Any, faults: list[str] | None = None) -> Iterator[tuple[int, ase.Atoms]]:
    """Yield the selected frames of a file with their number in the file.

    Args:
        path: The file, for messages.
        index: Number or slice of the frames, such as ``:100``.
        open_file: Function that returns an iterator over all frames of the file.
        faults: List for descriptions of frames that cannot be read; None to raise errors.

    Raises:
        DataError: If a frame cannot be read and there is no list of faults, or if there is no frame.
    """
    try:
        selection: Any = string2index(index)
    except ValueError as error:
        raise DataError(f"{path}@{index}: frames are selected by a number or a slice such as 0:100") from error
    if not isinstance(selection, slice):
        selection = slice(selection, selection + 1 or None)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    has_frames = has_atoms = False
    try:
        for number, frame in _select(open_file, selection):
            has_frames = True
            try:
                atoms = frame() if callable(frame) else frame
            except DataError as error:
                if faults is None:
                    raise
                faults.append(str(error))
                continue
            if atoms is not None:
                has_atoms = True
                yield number, atoms
    except DataError as error:
        if faults is None or not has_frames:
            raise
        faults.append(f"{error}; the frames after it are not read")
    except (AtomgraphError, GeneratorExit):
        raise
    except MemoryError:
        raise DataError(f"{path} cannot be read: there is not enough memory") from None
    except Exception as error:  # readers of ASE raise many types of errors
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}") from error
    if not has_atoms and not faults:
        condition = " that converged" if has_frames else ""
        raise DataError(f"{path}{'' if index == ':' else f'@{index}'} holds no frame{condition}")


def _select(open_file: Any, selection: slice) -> Iterator[tuple[int, Frame]]:
    """Yield numbers and frames of a slice; negative numbers need a first pass through the file to count frames."""
    if any(number is not None and number < 0 for number in (selection.start, selection.stop, selection.step)):
        n_frames = sum(1 for _ in open_file())
        numbers = range(n_frames)[selection]
        rows = set(numbers)
        frames = {number: frame for number, frame in enumerate(open_file()) if number in rows}
        yield from ((number, frames[number]) for number in numbers)
        return
    yield from islice(enumerate(open_file()), selection.start, selection.stop, selection.step)
