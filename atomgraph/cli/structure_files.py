"""Reading and writing of structures for `relax`, `md` and `predict`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import ase
import ase.io
import typer
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph.atomic_write import write_atomic
from atomgraph.cli.output_paths import check_file
from atomgraph.data import read
from atomgraph.errors import ConfigError, nearest

FORMATS = {".xyz": "extxyz", ".extxyz": "extxyz", ".traj": "traj"}

Structure = Annotated[
    str, typer.Argument(metavar="STRUCTURE", help="A structure file; its last frame, or FILE@INDEX for another.")
]


def read_one(path: str, types: str | None = None, format: str | None = None) -> ase.Atoms:
    """The last frame, without its labels; DataError for files without frames.

    Args:
        path: The file, or FILE@INDEX.
        types: Elements of atom types, if the file names none.
        format: Format of the file, if its name does not tell.
    """
    frames = read(path, types=types, format=format, labels=False)
    if len(frames) > 1:
        print(f"{path} holds {len(frames)} structures; this is the last one ({path}@INDEX takes another)")
    atoms = frames[-1]
    atoms.calc = None
    drop_notes(atoms)
    return atoms


def drop_notes(atoms: ase.Atoms) -> None:
    """Take off what ``data.read`` noted on a frame for messages and tables, in place: it is no part of the file."""
    atoms.info.pop("source", None)
    if atoms.info.get("config_type") == "default":
        del atoms.info["config_type"]


def checked_target(path: Path, *, overwrite: bool, inputs: Iterable[str | Path]) -> str:
    """The format of a file that is going to be written, by its ending; ConfigError where ``targets.check_file`` refuses it."""
    if path.suffix not in FORMATS:
        raise ConfigError(f"cannot tell the format of {path} by its ending{nearest(path.suffix, FORMATS)}")
    way_out = "give another name with --out, or --overwrite"
    check_file(path, overwrite=overwrite, inputs=inputs, way_out=way_out)
    return FORMATS[path.suffix]


def with_results(atoms: ase.Atoms) -> ase.Atoms:
    """A copy with the results of the calculator, without the calculator."""
    copy = atoms.copy()
    results = {} if atoms.calc is None else atoms.calc.results
    copy.calc = SinglePointCalculator(
        copy, **{name: results[name] for name in ("energy", "forces", "stress") if name in results}
    )
    return copy


def write_structures(path: Path, frames: Sequence[ase.Atoms]) -> None:
    """Write all frames; after an error there is no file."""
    write_atomic(path, lambda scratch: ase.io.write(scratch, list(frames), format=FORMATS[path.suffix]))
