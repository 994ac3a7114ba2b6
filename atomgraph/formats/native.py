"""atomgraph's file: safetensors with one JSON header. It holds only numbers and text; nothing in it can be executed.

The header (key ``atomgraph`` of the safetensors metadata) holds the format, the specification of the model, its elements,
units and metadata. The tensors are the state dict of the model, in their dtypes.
Since version 2 the header holds a SHA-256 of the whole file (``atomgraph.checksums``), which is checked on reading.
Equal potentials with equal metadata give equal files, byte by byte.
"""

from __future__ import annotations

import io
import json
import struct
from math import isfinite
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from atomgraph import checksums
from atomgraph.atomic_write import write_atomic
from atomgraph.errors import FormatError, WiringError
from atomgraph.formats.earlier_versions import as_of_today
from atomgraph.formats.finite_check import check_finite
from atomgraph.formats.hints import FileHints
from atomgraph.formats.versions import version_of
from atomgraph.formats.work_limit import allowance
from atomgraph.models.energy import EnergyModel
from atomgraph.models.posterior import Posterior
from atomgraph.nn.part import build, to_spec
from atomgraph.old_names import reading_old_file

VERSION = 2
READABLE_FROM = "0.1.0"  # the first atomgraph that reads VERSION
CHECKED_FROM = 2  # the first version whose files carry a checksum
KEY = "atomgraph"
FORMAT = "atomgraph potential"
UNITS = {"energy": "eV", "length": "Å"}


def write(path: str | Path, model: EnergyModel, metadata: dict[str, Any]) -> Path:
    """Write a model and its metadata, atomically.

    Args:
        metadata: JSON values; NaN and infinities become null.

    Raises:
        FormatError: If the file cannot be written, or could not be read again.
    """
    check_finite(f"cannot write {path}: the model", model.state_dict())
    architecture = to_spec(model)
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
        "format": FORMAT,
        "version": VERSION,
        checksums.KEY: checksums.BLANK,  # before metadata of users, so that it is the first key of its name
        "readable_from": READABLE_FROM,
        "architecture": architecture,
        "posterior": posterior,
        "elements": model.elements,
        "heads": model.heads,
        "cutoff": model.cutoff,
        "dtype": model.dtype_name,
        "units": UNITS,
        "e0": e0_of(model),
        "isolated": model.isolated.to_json(model),
        "metadata": _json(metadata, "metadata"),
    }
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    content = safetensors.torch.save(tensors, metadata={KEY: text})

    def filled(scratch: Path) -> None:
        scratch.write_bytes(content)
        checksums.seal(scratch)

    return write_atomic(path, filled)


def e0_of(model: EnergyModel) -> dict[str, dict[str, float]]:
    """E0 in eV by head and chemical symbol, for readers of the header; the model takes them from the tensors."""
    return {head: model.baseline.e0_of(head) for head in model.heads}


def recognises(path: Path, start: bytes) -> bool:
    """Whether a file starts like safetensors: eight bytes of length, then JSON."""
    return len(start) > 9 and start[8:9] == b"{" and b"\x00" in start[:8]


def read(path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """The model and its metadata; FormatError for a damaged file, with the way out."""
    content = content_of(path)
    header = read_header(path, content)
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise FormatError(f"{path} is corrupt or cut short ({error}); copy or download it again") from None
    model = _model(path, header, tensors, len(content))
    try:
        _check_names(tensors, model.state_dict())
        _check_dtypes(tensors, model.state_dict())
        model.load_state_dict(tensors, assign=True)
    except (FormatError, RuntimeError) as error:
        raise FormatError(f"{path} does not hold what its header promises: {error}") from None
    if header["elements"] != model.elements:
        raise FormatError(
            f"{path} says that it is for {header['elements']}, but its model is for {model.elements}; it is corrupt"
        )
    _take_isolated(path, model, header.get("isolated"))
    hints.settle_elements(path, model.elements)
    hints.settle_units(path, UNITS)
    return model.eval(), header["metadata"]


def _take_isolated(path: Path, model: EnergyModel, rows: Any) -> None:
    """Energies of isolated atoms that the file holds; FormatError for what is no table of this model's."""
    if rows is None:
        return
    try:
        shape = torch.tensor(rows, dtype=torch.float64).shape
    except (TypeError, ValueError, RuntimeError):
        shape = torch.Size()
    n_outputs = model.branches[0].readouts[0].n_outputs
    if shape != (len(model.elements), n_outputs) or not all(isfinite(value) for row in rows for value in row):
        raise FormatError(
            f"{path} should hold {n_outputs} energies of isolated atoms for each of {len(model.elements)} elements; "
            "it is corrupt"
        )
    model.isolated.from_json(model, rows)


def read_header(path: Path, content: bytes | None = None) -> dict[str, Any]:
    """What a file says of itself, without its tensors; the same errors as ``read``, its checksum included."""
    content = content_of(path) if content is None else content
    try:
        length = struct.unpack("<Q", content[:8])[0]
        if len(content) < 8 + length:
            raise ValueError("it ends inside its header")
        outer = json.loads(content[8 : 8 + length])
        words = outer.get("__metadata__", {}).get(KEY)
        header = None if words is None else json.loads(words, parse_constant=_refuse_constant)
    except (struct.error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is corrupt or cut short ({error}); copy or download it again") from None
    if header is None:
        names = ", ".join(sorted(name for name in outer if name != "__metadata__")[:3])
        raise FormatError(
            f"{path} is a safetensors file of another program (tensors {names or 'none'}); "
            "atomgraph reads those that potential.save wrote"
        )
    if not isinstance(header, dict) or type(header.get("version")) is not int or header["version"] < 1:
        raise FormatError(f"{path} has an atomgraph header without a version; it is corrupt")
    if header.get("format") != FORMAT:
        raise FormatError(f"{path} is a file of atomgraph's, but no potential: {str(header.get('format'))[:80]!r}")
    if (checksums.KEY in header or header["version"] in range(CHECKED_FROM, VERSION + 1)) and not checksums.is_intact(
        io.BytesIO(content)
    ):
        raise FormatError(
            f"{path} is damaged: its content does not fit its checksum (SHA-256); copy or download it again. If another "
            "program rewrote it, take the file that potential.save wrote"
        )
    if header["version"] > VERSION:
        raise FormatError(
            f"{path} is of format version {header['version']} and needs atomgraph {header.get('readable_from', 'newer')} "
            f"or later; this is atomgraph {version_of('atomgraph')}, which reads up to version {VERSION}. Upgrade atomgraph"
        )
    for key, kind in {"architecture": dict, "metadata": dict, "elements": list, "dtype": str}.items():
        if not isinstance(header.get(key), kind):
            raise FormatError(f"{path} has no {key!r} in its header; it is corrupt")
    return header


def content_of(path: Path) -> bytes:
    """The bytes of a file; FormatError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


def checksum_in_words(path: Path) -> str:
    """``SHA-256, right`` for a file that was read, ``no checksum`` for one of a version that had none."""
    return "SHA-256, right" if checksums.KEY in read_header(path) else "no checksum"


def _model(path: Path, header: dict[str, Any], tensors: dict[str, Tensor], n_bytes: int) -> EnergyModel:
    """The model that a header describes, with numbers of its own, in no more work than the file's tensors ask for."""
    try:
        with allowance(n_bytes, len(tensors)):
            model = _built(as_of_today(header["architecture"], header["version"]), header.get("posterior"))
    except Exception as error:  # parts of any kind are given any values here
        kind = "" if isinstance(error, WiringError) else f"{type(error).__name__}: "
        raise FormatError(f"{path} cannot be built: {kind}{' '.join(str(error).split())[:300]}") from error
    dtype = _dtype(header, path)
    return model if model.dtype == dtype else model.to(dtype)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _built(architecture: dict[str, Any], posterior: list[int] | None = None) -> EnergyModel:
    """The model of a specification, with a posterior of this shape; the caller's random state is not touched."""
    with torch.random.fork_rng(devices=[]), reading_old_file():
        model = build(architecture)
    if not isinstance(model, EnergyModel):
        raise WiringError(f"a potential needs an EnergyModel, but {architecture.get('kind')!r} is none")
    if posterior is not None:
        if not isinstance(posterior, list) or len(posterior) != 2 or any(type(n) is not int for n in posterior):
            raise WiringError(f"a posterior has two sizes, but {str(posterior)[:80]} came")
        model.posterior = Posterior(*posterior)
    return model


def _dtype(header: dict[str, Any], path: Path) -> torch.dtype:
    dtype = getattr(torch, header["dtype"], None)
    if not isinstance(dtype, torch.dtype) or dtype not in (torch.float32, torch.float64):
        raise FormatError(f"{path} has the unknown dtype {header['dtype']!r} in its header; it is corrupt")
    return dtype


def _check_names(given: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    complaints = []
    for verb, names in (("lacks", expected.keys() - given.keys()), ("should not hold", given.keys() - expected.keys())):
        if names:
            complaints.append(f"it {verb} {_some(names)}")
    complaints += [
        f"{name} has shape {tuple(given[name].shape)}, the architecture gives {tuple(expected[name].shape)}"
        for name in sorted(given.keys() & expected.keys())
        if given[name].shape != expected[name].shape
    ][:3]
    if complaints:
        raise FormatError("; ".join(complaints))


def _check_dtypes(given: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, tensor in given.items():
        if tensor.dtype != expected[name].dtype:
            raise FormatError(f"{name} is of {tensor.dtype}, the architecture wants {expected[name].dtype}")


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
