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
from atomgraph.cli.structure_files import drop_reading_info
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
COMPRESSED = {".gz", ".bz2", ".xz"}  # suffixes of compressed files
#: Entries of info and arrays that are removed from the copies, because the predictions replace them.
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
    ase_format = _ase_format(target)
    check_file(target, overwrite=overwrite, inputs=[source, model])
    potential = load_model(model, head=head, elements=elements, units=units, device=device, imports=imports)
    frames, faults = read_usable(potential, source, types=types, format=format)
    if faults and not (skip_bad and frames):
        raise DataError(_fault_message(faults, len(frames) + len(faults), skip_bad))
    for fault in faults:
        print(f"skipped: {fault}", file=sys.stderr)
    warn_undetermined_e0(potential, frames)
    identity = {"model": weights_digest(potential), "structures": fingerprint(frames), "head": head, "dtype": dtype}
    partial = PartialResults(target, identity, frames)
    predictor = for_inference(potential, compile=compile, dtype=dtype, n_atoms=sum(map(len, frames)))
    with closing(partial):
        results = _predict_remaining(predictor, frames, partial)
        copies = [_copy_with_result(atoms, result) for atoms, result in zip(frames, results, strict=True)]
        write_atomic(target, lambda scratch: ase.io.write(scratch, copies, format=ase_format))
        partial.remove()
    verb = "is" if len(copies) == 1 else "are"
    print(f"{format_count(len(copies), 'structure')} with energies, forces and stress {verb} in {target}")
    _check_finite(frames, results)


def read_usable(
    potential: Potential, source: Path, *, types: str | None, format: str | None
) -> tuple[list[ase.Atoms], list[str]]:
    """Read the structures of a file that a potential can evaluate.

    Args:
        potential: The potential.
        source: Path of the file.
        types: Elements of atom types, for files without elements.
        format: Name of the format; None: recognised by content and name.

    Returns:
        The usable structures, and a message for each other structure.
    """
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


def _fault_message(faults: list[str], n_frames: int, skip_bad: bool) -> str:
    if skip_bad:
        return f"no structure can be used; the first: {faults[0]}"
    if n_frames == 1:
        return faults[0]
    return f"{len(faults)} of {n_frames} structures cannot be used (--skip-bad leaves them out); the first: {faults[0]}"


def _predict_remaining(
    predictor: StructurePredictor, frames: list[ase.Atoms], partial: PartialResults
) -> list[dict[str, Any]]:
    """Predict the structures without a result in the partial file, and return the results of all structures."""
    n_done = partial.resume()
    if n_done:
        print(
            f"resuming after {n_done} of {format_count(len(frames), 'structure')}, from {partial.path}", file=sys.stderr
        )
    remaining = frames[n_done:]
    try:
        for result in track(predictor.iter_predict(remaining), "predicting", len(remaining)):
            partial.add(result)
    except KeyboardInterrupt:
        partial.flush()
        raise KeyboardInterrupt(
            f"{len(partial.done)} of {format_count(len(frames), 'structure')} are saved in {partial.path}; the same "
            f"command resumes"
        ) from None
    return partial.done


def weights_digest(potential: Potential) -> str:
    """Return the SHA-256 of architecture and weights of a potential."""
    digest = hashlib.sha256(json.dumps(to_spec(potential.model), sort_keys=True).encode())
    for name, tensor in potential.model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _check_finite(frames: list[ase.Atoms], results: list[dict[str, Any]]) -> None:
    """End with exit code 1 if an energy or a force is not finite."""
    not_finite = [
        atoms.info["source"]
        for atoms, result in zip(frames, results, strict=True)
        if not (np.isfinite(result["energy"]) and np.isfinite(result["forces"]).all())
    ]
    if not_finite:
        names = ", ".join(not_finite[:3]) + (", ..." if len(not_finite) > 3 else "")
        print(f"{format_count(len(not_finite), 'structure')} without a finite result: {names}", file=sys.stderr)
        raise typer.Exit(1)


def _ase_format(path: Path) -> str:
    """Return ASE's name of the format of an output file; ConfigError for an unknown suffix."""
    suffix = path.with_suffix("").suffix if path.suffix in COMPRESSED else path.suffix
    if suffix not in FORMATS:
        raise ConfigError(
            f"cannot determine the format of {path} from {suffix or 'a name without an ending'!r}{nearest(suffix, FORMATS)}"
        )
    return FORMATS[suffix]


def _copy_with_result(atoms: ase.Atoms, result: dict[str, Any]) -> ase.Atoms:
    """Return a copy of a structure with predictions as labels; with stress if the structure has a volume."""
    copy = atoms.copy()
    for name in LABELS:
        copy.info.pop(name, None)
        copy.arrays.pop(name, None)
    drop_reading_info(copy)
    labels = {"energy": result["energy"], "forces": result["forces"], "energies": result["node_energy"]}
    if np.isfinite(result["stress"]).all():
        labels["stress"] = result["stress"].ravel()[list(VOIGT)]
    if "uncertainty" in result:
        copy.info["energy_uncertainty"] = result["uncertainty"]  # eV
    copy.calc = SinglePointCalculator(copy, **labels)
    return copy
