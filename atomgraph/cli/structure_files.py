"""Read and write structures, for several commands."""

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
    """Read the last frame of a file, without labels.

    Args:
        path: Path of the file, or FILE@INDEX for another frame.
        types: Elements of atom types, for files without elements.
        format: Name of the format; None: recognised by content and name.

    Raises:
        DataError: If the file cannot be read or contains no frame.
    """
    frames = read(path, types=types, format=format, labels=False)
    if len(frames) > 1:
        print(f"{path} contains {len(frames)} structures; the last one is used ({path}@INDEX selects another)")
    atoms = frames[-1]
    atoms.calc = None
    drop_reading_info(atoms)
    return atoms


def drop_reading_info(atoms: ase.Atoms) -> None:
    """Remove the entries that ``data.read`` has added to ``atoms.info``: the source, and a default configuration type."""
    atoms.info.pop("source", None)
    if atoms.info.get("config_type") == "default":
        del atoms.info["config_type"]


def check_target(path: Path, *, overwrite: bool, inputs: Iterable[str | Path]) -> str:
    """Check the path of an output file, and return ASE's name of its format.

    Args:
        path: Path of the output file.
        overwrite: Whether an existing file may be replaced.
        inputs: Input files; they are never replaced.

    Raises:
        ConfigError: If the suffix is unknown, or the file cannot be written (``output_paths.check_file``).
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"cannot determine the format of {path} from its ending{nearest(path.suffix, FORMATS)}")
    advice = "give another name with --out, or --overwrite"
    check_file(path, overwrite=overwrite, inputs=inputs, way_out=advice)
    return FORMATS[path.suffix]


def with_results(atoms: ase.Atoms) -> ase.Atoms:
    """Return a copy of a structure with the results of its calculator, without the calculator itself."""
    copy = atoms.copy()
    results = {} if atoms.calc is None else atoms.calc.results
    copy.calc = SinglePointCalculator(
        copy, **{name: results[name] for name in ("energy", "forces", "stress") if name in results}
    )
    return copy


def write_structures(path: Path, frames: Sequence[ase.Atoms]) -> None:
    """Write all frames to a file, atomically."""
    write_atomic(path, lambda scratch: ase.io.write(scratch, list(frames), format=FORMATS[path.suffix]))
