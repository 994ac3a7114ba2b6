"""atomgraph's own file: safetensors with one JSON header. Numbers and words only; nothing in it can be executed.

The header (key ``atomgraph`` of the safetensors metadata) says what the file is, how the model is built from parts,
what it is for, and where it comes from; the tensors are the model's state dict in their own dtypes.
Equal potentials with equal metadata give equal files, byte by byte.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from atomgraph.errors import FormatError, WiringError
from atomgraph.formats.said import Said
from atomgraph.formats.versions import version_of
from atomgraph.models.energy import EnergyModel
from atomgraph.models.posterior import Posterior
from atomgraph.nn.part import build, specification
from atomgraph.writing import write_bytes

VERSION = 1
READABLE_FROM = "0.1.0"  # the first atomgraph that reads VERSION
KEY = "atomgraph"
UNITS = {"energy": "eV", "length": "Å"}


def write(path: str | Path, model: EnergyModel, metadata: dict[str, Any]) -> Path:
    """Write a model and what is known about it, whole or not at all.

    metadata: JSON values; NaN and infinities become null.
    Raises FormatError where the file cannot be written, or could not be read again.
    """
    architecture = specification(model)
    posterior = None if model.posterior is None else list(model.posterior.factor.shape)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    try:
        _check_names(tensors, _built(architecture, posterior).state_dict())
    except (WiringError, FormatError) as error:
        raise FormatError(
            f"cannot write {path}, since it could not be read again: {error}. A part is a class at the top level of a "
            "module, and a model holds what its constructor made"
        ) from error
    header = {
        "format": "atomgraph potential",
        "version": VERSION,
        "readable_from": READABLE_FROM,
        "architecture": architecture,
        "posterior": posterior,
        "elements": model.elements,
        "heads": model.heads,
        "cutoff": model.cutoff,
        "dtype": model.dtype_name,
        "units": UNITS,
        "e0": e0_of(model),
        "metadata": _json(metadata, "metadata"),
    }
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    return write_bytes(path, safetensors.torch.save(tensors, metadata={KEY: text}))


def e0_of(model: EnergyModel) -> dict[str, dict[str, float]]:
    """E0 in eV by head and chemical symbol, for the eye; the tensors hold the ones that count."""
    return {head: model.baseline.e0_of(head) for head in model.heads}


def recognises(path: Path, start: bytes) -> bool:
    """Does a file start like safetensors? Eight bytes of length, then JSON."""
    return len(start) > 9 and start[8:9] == b"{" and b"\x00" in start[:8]


def read(path: Path, said: Said) -> tuple[EnergyModel, dict[str, Any]]:
    """The model and its metadata; FormatError says what is wrong with the file and what to do."""
    content = path.read_bytes()
    header = read_header(path, content)
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path} is corrupt or cut short ({error}); copy or download it again") from None
    try:
        model = _built(header["architecture"], header.get("posterior"))
    except WiringError as error:
        raise FormatError(f"{path} cannot be built: {error}") from error
    if model.dtype != (dtype := _dtype(header, path)):
        model.to(dtype)
    try:
        _check_names(tensors, model.state_dict())
    except FormatError as error:
        raise FormatError(f"{path} does not hold what its header promises: {error}") from None
    model.load_state_dict(tensors, assign=True)
    if header["elements"] != model.elements:
        raise FormatError(
            f"{path} says that it is for {header['elements']}, but its model is for {model.elements}; it is corrupt"
        )
    said.settle_elements(path, model.elements)
    said.settle_units(path, UNITS)
    return model.eval(), header["metadata"]


def read_header(path: Path, content: bytes | None = None) -> dict[str, Any]:
    """What a file says of itself, without its tensors; the same errors as ``read``."""
    content = path.read_bytes() if content is None else content
    try:
        length = struct.unpack("<Q", content[:8])[0]
        if len(content) < 8 + length:
            raise ValueError("it ends inside its header")
        outer = json.loads(content[8 : 8 + length])
        words = outer.get("__metadata__", {}).get(KEY)
        header = None if words is None else json.loads(words)
    except (struct.error, ValueError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is corrupt or cut short ({error}); copy or download it again") from None
    if header is None:
        names = ", ".join(sorted(name for name in outer if name != "__metadata__")[:3])
        raise FormatError(
            f"{path} is a safetensors file of another program (tensors {names or 'none'}); "
            "atomgraph reads those that potential.save wrote"
        )
    if not isinstance(header, dict) or not isinstance(header.get("version"), int) or header["version"] < 1:
        raise FormatError(f"{path} has an atomgraph header without a version; it is corrupt")
    if header["version"] > VERSION:
        raise FormatError(
            f"{path} is of format version {header['version']} and needs atomgraph {header.get('readable_from', 'newer')} "
            f"or later; this is atomgraph {version_of('atomgraph')}, which reads up to version {VERSION}. Upgrade atomgraph"
        )
    for key, kind in {"architecture": dict, "metadata": dict, "elements": list, "dtype": str}.items():
        if not isinstance(header.get(key), kind):
            raise FormatError(f"{path} has no {key!r} in its header; it is corrupt")
    return header


def _built(architecture: dict[str, Any], posterior: list[int] | None = None) -> EnergyModel:
    """The model of a specification, with a posterior of this shape; the caller's random state is not touched."""
    with torch.random.fork_rng(devices=[]):
        model = build(architecture)
    if not isinstance(model, EnergyModel):
        raise WiringError(f"a potential needs an EnergyModel, but {architecture.get('kind')!r} is none")
    if posterior is not None:
        model.posterior = Posterior(*posterior)
    return model


def _dtype(header: dict[str, Any], path: Path) -> torch.dtype:
    dtype = getattr(torch, header["dtype"], None)
    if not isinstance(dtype, torch.dtype):
        raise FormatError(f"{path} has the unknown dtype {header['dtype']!r} in its header; it is corrupt")
    return dtype


def _check_names(given: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    complaints = []
    for verb, names in (("lacks", wanted.keys() - given.keys()), ("should not hold", given.keys() - wanted.keys())):
        if names:
            complaints.append(f"it {verb} {_some(names)}")
    complaints += [
        f"{name} has shape {tuple(given[name].shape)}, the architecture gives {tuple(wanted[name].shape)}"
        for name in sorted(given.keys() & wanted.keys())
        if given[name].shape != wanted[name].shape
    ][:3]
    if complaints:
        raise FormatError("; ".join(complaints))


def _some(names: set[str]) -> str:
    first = ", ".join(sorted(names)[:3])
    return first if len(names) <= 3 else f"{first} and {len(names) - 3} more tensors"


def _json(value: Any, where: str) -> Any:
    """Plain JSON of what people put into metadata: numbers of numpy and torch, tuples and paths too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _json(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item, where) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise FormatError(f"{where} cannot be written to a file: a {type(value).__name__} is no JSON value")
