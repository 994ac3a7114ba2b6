"""atomgraph predict MODEL IN OUT"""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import ase
import ase.io
import numpy as np
import typer
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph.atomic_write import write_atomic
from atomgraph.cli.e0_warning import warn_undetermined_e0
from atomgraph.cli.model_argument import load_model
from atomgraph.cli.options import (
    Compile,
    Device,
    Elements,
    FormatName,
    Head,
    Imports,
    KernelDtype,
    Model,
    Overwrite,
    Types,
    Units,
)
from atomgraph.cli.output_paths import check_file
from atomgraph.cli.partial_results import PartialResults
from atomgraph.cli.structure_files import drop_notes
from atomgraph.compiled import for_inference
from atomgraph.data import read
from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError, DataError, GraphError, nearest
from atomgraph.graph.structure import VOIGT
from atomgraph.nn.part import to_spec
from atomgraph.potential import Potential
from atomgraph.progress import track
from atomgraph.structure_predictor import StructurePredictor

FORMATS = {".xyz": "extxyz", ".extxyz": "extxyz", ".traj": "traj", ".db": "db", ".json": "json"}
COMPRESSED = {".gz", ".bz2", ".xz"}
LABELS = ("energy", "forces", "stress", "virial", "free_energy", "energies")

In = Annotated[Path, typer.Argument(metavar="IN", help="Structures; labels are ignored.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="A new file: .xyz, .extxyz (also .gz), .traj, .db or .json.")]

SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Report unusable structures and leave them out.")]


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
    dtype: KernelDtype = None,
    compile: Compile = None,
    imports: Imports = None,
    skip_bad: SkipBad = False,
) -> None:
    """Write a copy of the structures with predicted energies (eV), forces (eV/Å) and stresses (eV/Å³).

    Results are saved in OUT.partial; after an interruption the same command resumes from it. Exit code 1 if a result is
    not finite.
    """
    kind = _kind(target)
    check_file(target, overwrite=overwrite, inputs=[source, model])
    potential = load_model(model, head=head, elements=elements, units=units, device=device, imports=imports)
    frames, faults = usable(potential, source, types=types, format=format)
    if faults and not (skip_bad and frames):
        raise DataError(_complaint(faults, len(frames) + len(faults), skip_bad))
    for fault in faults:
        print(f"skipped: {fault}", file=sys.stderr)
    warn_undetermined_e0(potential, frames)
    identity = {"model": weights_digest(potential), "structures": fingerprint(frames), "head": head, "dtype": dtype}
    partial = PartialResults(target, identity, frames)
    predictor = for_inference(potential, compile=compile, dtype=dtype, n_atoms=sum(map(len, frames)))
    with closing(partial):
        results = _results(predictor, frames, partial)
        copies = [_with(atoms, numbers) for atoms, numbers in zip(frames, results, strict=True)]
        write_atomic(target, lambda scratch: ase.io.write(scratch, copies, format=kind))
        partial.remove()
    verb = "is" if len(copies) == 1 else "are"
    print(f"{format_count(len(copies), 'structure')} with energies, forces and stress {verb} in {target}")
    _check_finite(frames, results)


def usable(
    potential: Potential, source: Path, *, types: str | None, format: str | None
) -> tuple[list[ase.Atoms], list[str]]:
    """Usable structures of a file, and reasons against the others."""
    faults: list[str] = []
    frames = []
    for atoms in read(str(source), types=types, format=format, labels=False, faults=faults):
        try:
            potential.graph_of(atoms)
        except GraphError as error:
            faults.append(f"{atoms.info['source']} ({atoms.get_chemical_formula()}): {error}")
        else:
            frames.append(atoms)
    return frames, faults


def _complaint(faults: list[str], n_frames: int, skip_bad: bool) -> str:
    if skip_bad:
        return f"no structure can be used; the first: {faults[0]}"
    if n_frames == 1:
        return faults[0]
    return f"{len(faults)} of {n_frames} structures cannot be used (--skip-bad leaves them out); the first: {faults[0]}"


def _results(predictor: StructurePredictor, frames: list[ase.Atoms], partial: PartialResults) -> list[dict[str, Any]]:
    """The results of all structures, including those of an interrupted run."""
    n_done = partial.resume()
    if n_done:
        print(
            f"going on after {n_done} of {format_count(len(frames), 'structure')}, from {partial.path}", file=sys.stderr
        )
    rest = frames[n_done:]
    try:
        for result in track(predictor.iter_predict(rest), "predicting", len(rest)):
            partial.add(result)
    except KeyboardInterrupt:
        partial.flush()
        raise KeyboardInterrupt(
            f"{len(partial.done)} of {format_count(len(frames), 'structure')} are kept in {partial.path}; the same "
            f"command goes on"
        ) from None
    return partial.done


def weights_digest(potential: Potential) -> str:
    """SHA-256 of a potential's architecture and numbers."""
    digest = hashlib.sha256(json.dumps(to_spec(potential.model), sort_keys=True).encode())
    for name, tensor in potential.model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _check_finite(frames: list[ase.Atoms], results: list[dict[str, Any]]) -> None:
    """Exit code 1, after everything is written, if an energy or a force is not finite."""
    bad = [
        atoms.info["source"]
        for atoms, result in zip(frames, results, strict=True)
        if not (np.isfinite(result["energy"]) and np.isfinite(result["forces"]).all())
    ]
    if bad:
        names = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
        print(f"{format_count(len(bad), 'structure')} without a finite result: {names}", file=sys.stderr)
        raise typer.Exit(1)


def _kind(path: Path) -> str:
    suffix = path.with_suffix("").suffix if path.suffix in COMPRESSED else path.suffix
    if suffix not in FORMATS:
        raise ConfigError(
            f"cannot tell the format of {path} by {suffix or 'a name without an ending'!r}{nearest(suffix, FORMATS)}"
        )
    return FORMATS[suffix]


def _with(atoms: ase.Atoms, numbers: dict[str, Any]) -> ase.Atoms:
    """A copy with predictions as labels; stress only for structures with a volume."""
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
