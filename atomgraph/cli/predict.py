"""atomgraph predict MODEL IN OUT"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import ase
import ase.io
import numpy as np
import typer
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph.cli.opening import opened
from atomgraph.cli.options import (
    Compile,
    ComputeIn,
    Device,
    Elements,
    FormatName,
    Head,
    Imports,
    Model,
    Overwrite,
    Types,
    Units,
)
from atomgraph.cli.strangers import warn_of_strangers
from atomgraph.cli.structure_files import drop_notes
from atomgraph.compiled import for_inference
from atomgraph.data import read
from atomgraph.data.naming import number_of
from atomgraph.errors import ConfigError, nearest
from atomgraph.graph.structure import VOIGT
from atomgraph.progress import watched
from atomgraph.writing import write_whole

FORMATS = {".xyz": "extxyz", ".extxyz": "extxyz", ".traj": "traj", ".db": "db", ".json": "json"}
COMPRESSED = {".gz", ".bz2", ".xz"}
LABELS = ("energy", "forces", "stress", "virial", "free_energy", "energies")

In = Annotated[Path, typer.Argument(metavar="IN", help="Structures; their labels, if any, are not looked at.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="A new file: .xyz, .extxyz (also .gz), .traj, .db or .json.")]


def predict(
    model: Model,
    source: In,
    target: Out,
    overwrite: Overwrite = False,
    types: Types = None,
    format: FormatName = None,
    head: Head = None,
    elements: Elements = None,
    units: Units = None,
    device: Device = "cpu",
    dtype: ComputeIn = None,
    compile: Compile = None,
    imports: Imports = None,
) -> None:
    """Write a copy of the structures with the potential's energies (eV), forces (eV/Å) and stress (eV/Å³)."""
    kind = _kind(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise ConfigError(f"{target} is the input; give another name for the output")
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists; give another name, or --overwrite")
    potential = opened(model, head=head, elements=elements, units=units, device=device, imports=imports)
    frames = read(str(source), types=types, format=format, labels=False)
    warn_of_strangers(potential, frames)
    potential = for_inference(potential, compile=compile, dtype=dtype, n_atoms=sum(map(len, frames)))
    results = watched(potential.predictions(frames), "predicting", len(frames))
    copies = [_with(atoms, numbers) for atoms, numbers in zip(frames, results, strict=True)]
    write_whole(target, lambda scratch: ase.io.write(scratch, copies, format=kind))
    verb = "is" if len(copies) == 1 else "are"
    print(f"{number_of(len(copies), 'structure')} with energies, forces and stress {verb} in {target}")


def _kind(path: Path) -> str:
    suffix = path.with_suffix("").suffix if path.suffix in COMPRESSED else path.suffix
    if suffix not in FORMATS:
        raise ConfigError(
            f"cannot tell the format of {path} by {suffix or 'a name without an ending'!r}{nearest(suffix, FORMATS)}"
        )
    return FORMATS[suffix]


def _with(atoms: ase.Atoms, numbers: dict[str, Any]) -> ase.Atoms:
    """A copy with the predictions in the place of labels; stress only where there is a volume."""
    copy = atoms.copy()
    for name in LABELS:
        copy.info.pop(name, None)
        copy.arrays.pop(name, None)
    drop_notes(copy)
    results = {"energy": numbers["energy"], "forces": numbers["forces"], "energies": numbers["node_energy"]}
    if np.isfinite(numbers["stress"]).all():
        results["stress"] = numbers["stress"].ravel()[list(VOIGT)]
    if "uncertainty" in numbers:
        copy.info["energy_uncertainty"] = numbers["uncertainty"]  # eV
    copy.calc = SinglePointCalculator(copy, **results)
    return copy
