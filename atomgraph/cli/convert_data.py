"""atomgraph convert-data IN OUT"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import ase
import ase.db
import ase.io
import typer
from ase.io.trajectory import TrajectoryWriter

from atomgraph.atomic_write import write_atomic
from atomgraph.cli.options import FormatName, LabelKeys, LabelUnits, Overwrite, Types, entries
from atomgraph.cli.output_paths import check_file
from atomgraph.cli.structure_files import drop_reading_info
from atomgraph.data.formats.text import OPENERS
from atomgraph.data.frame_names import format_count
from atomgraph.data.reading import iread
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import ConfigError, nearest

ASE_FORMATS = {".xyz": "extxyz", ".extxyz": "extxyz", ".traj": "traj", ".db": "db", ".json": "db"}

Sources = Annotated[list[str], typer.Argument(metavar="IN...", help="Structure files, patterns, DeePMD folders.")]
Target = Annotated[
    Path, typer.Argument(metavar="OUT", help="A new file: .xyz, .extxyz (also .gz), .traj, .db or .json.")
]


def convert_data(
    sources: Sources,
    target: Target,
    overwrite: Overwrite = False,
    key: LabelKeys = None,
    unit: LabelUnits = None,
    types: Types = None,
    format: FormatName = None,
) -> None:
    """Convert structures of any readable format to one file, with energies, forces and stresses in eV and Å."""
    ase_format = _ase_format(target)
    check_file(target, overwrite=overwrite, inputs=sources)
    notes = ReadingNotes()
    frames = iread(sources, keys=entries(key), units=entries(unit), types=types, format=format, notes=notes)
    n_frames = 0

    def write(scratch: Path) -> None:
        nonlocal n_frames
        with _frame_writer(scratch, ase_format, target) as write_frame:
            for atoms in frames:
                drop_reading_info(atoms)
                write_frame(atoms)
                n_frames += 1

    write_atomic(target, write)
    labels = ", ".join(name for name in ("energy", "forces", "stress") if notes.without[name] < notes.n_frames)
    print(f"{format_count(n_frames, 'structure')} with {labels or 'no labels'} in {target}, in eV and Å")
    for line in notes.lines():
        print(f"note: {line}")


def _ase_format(path: Path) -> str:
    """Return ASE's name of the format of an output file; ConfigError for an unknown suffix."""
    suffix = path.with_suffix("").suffix if path.suffix in OPENERS else path.suffix
    if suffix not in ASE_FORMATS:
        ending = suffix or "a name without an ending"
        raise ConfigError(f"cannot determine the format of {path} from {ending!r}{nearest(suffix, ASE_FORMATS)}")
    if path.suffix in OPENERS and ASE_FORMATS[suffix] != "extxyz":
        raise ConfigError(
            f"only extended XYZ can be compressed, but {path} has another format; remove the ending {path.suffix}"
        )
    return ASE_FORMATS[suffix]


@contextmanager
def _frame_writer(scratch: Path, ase_format: str, target: Path) -> Iterator[Callable[[ase.Atoms], object]]:
    """Open the output file and yield a function that appends a frame."""
    if ase_format == "traj":
        with TrajectoryWriter(scratch, "w") as trajectory:
            yield trajectory.write
    elif ase_format == "db":
        scratch.unlink()
        with ase.db.connect(scratch, type="json" if target.suffix == ".json" else "db") as database:
            yield lambda atoms: database.write(atoms, **_database_entries(atoms))
    else:
        with OPENERS.get(target.suffix, open)(scratch, "wt", encoding="utf-8") as file:
            yield lambda atoms: ase.io.write(file, [atoms], format="extxyz")


def _database_entries(atoms: ase.Atoms) -> dict[str, str]:
    """Return entries of a database row besides the structure: the configuration type."""
    config_type = atoms.info.get("config_type")
    return {} if config_type is None else {"config_type": str(config_type)}
