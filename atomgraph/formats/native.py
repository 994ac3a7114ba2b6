"""atomgraph's own file format: safetensors with a JSON header; it contains only numbers and text, and no code.

The header (key ``atomgraph`` of the safetensors metadata) contains the format, the specification of the model, its
elements, units and metadata. The tensors are the state dict of the model. Since version 2 the header contains a SHA-256 of
the file (``atomgraph.checksums``), which is checked on reading. Equal potentials with equal metadata give equal files.
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
from atomgraph.formats.earlier_versions import update_spec
from atomgraph.formats.finite_check import check_finite
from atomgraph.formats.hints import FileHints
from atomgraph.formats.versions import installed_version
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.energy import EnergyModel
from atomgraph.models.posterior import Posterior
from atomgraph.nn.part import build, to_spec
from atomgraph.old_names import old_names_of, reading_old_file

VERSION = 2
READABLE_FROM = "0.1.0"  # first version of atomgraph that reads VERSION
CHECKSUM_SINCE = 2  # first version of the format with a checksum
KEY = "atomgraph"
FORMAT = "atomgraph potential"
UNITS = {"energy": "eV", "length": "Å"}


def write(path: str | Path, model: EnergyModel, metadata: dict[str, Any]) -> Path:
    """Write a model and its metadata, atomically.

    Args:
        path: Path of the file.
        model: The model.
        metadata: JSON values by name; NaN and infinities become null.

    Returns:
        Path of the file.

    Raises:
        FormatError: If the file cannot be written, or could not be read again.
    """
    check_finite(f"cannot write {path}: the model", model.state_dict())
    architecture = to_spec(model)
    posterior = None if model.posterior is None else list(model.posterior.factor.shape)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    try:
        _check_names(tensors, _build(architecture, posterior).state_dict())
    except (WiringError, FormatError) as error:
        raise FormatError(
            f"cannot write {path}, because it could not be read again: {error}. Each component of a model must be "
            "a class at the top level of a Python module, and must not add, remove or reshape tensors after its constructor"
        ) from error
    header = {
        "format": FORMAT,
        "version": VERSION,
        # before the metadata of users, which may contain this key, too: checksums uses the first occurrence
        checksums.KEY: checksums.BLANK,
        "readable_from": READABLE_FROM,
        "architecture": architecture,
        "posterior": posterior,
        "elements": model.elements,
        "heads": model.heads,
        "cutoff": model.cutoff,
        "dtype": model.dtype_name,
        "units": UNITS,
        "e0": e0_by_head(model),
        "isolated": model.isolated.to_json(model),  # output that exact_isolated subtracts, or None
        "metadata": _json(metadata, "metadata"),
    }
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    content = safetensors.torch.save(tensors, metadata={KEY: text})

    def write_content(scratch: Path) -> None:
        scratch.write_bytes(content)
        checksums.seal(scratch)

    return write_atomic(path, write_content)


def e0_by_head(model: EnergyModel) -> dict[str, dict[str, float]]:
    """Return E0 by head and chemical symbol, eV, for users of the header; the model reads E0 from the tensors."""
    return {head: model.baseline.e0_of(head) for head in model.heads}


def recognises(path: Path, start: bytes) -> bool:
    """Return whether the first bytes are those of safetensors: eight bytes of length, then JSON."""
    return len(start) > 9 and start[8:9] == b"{" and b"\x00" in start[:8]


def read(path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model and its metadata.

    Args:
        path: The file.
        hints: Elements and units that the user states.

    Raises:
        FormatError: If the file is damaged, or contradicts the hints.
    """
    content = read_bytes(path)
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
        raise FormatError(f"the tensors of {path} differ from its header: {error}") from None
    if header["elements"] != model.elements:
        raise FormatError(
            f"{path} has the elements {header['elements']} in its header, but its model has {model.elements}; it is corrupt"
        )
    _load_isolated_energies(path, model, header.get("isolated"))
    hints.resolve_elements(path, model.elements)
    hints.resolve_units(path, UNITS)
    return model.eval(), header["metadata"]


def _load_isolated_energies(path: Path, model: EnergyModel, rows: Any) -> None:
    """Load the energies of isolated atoms from the header; FormatError if their shape is wrong or they are not finite."""
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
    """Return the header of a file, without building the model.

    Args:
        path: The file.
        content: Bytes of the file; read from the file if None.

    Raises:
        FormatError: If the file is damaged or of another format; the checksum is verified.
    """
    content = read_bytes(path) if content is None else content
    try:
        length = struct.unpack("<Q", content[:8])[0]
        if len(content) < 8 + length:
            raise ValueError("the file ends inside its header")
        safetensors_header = json.loads(content[8 : 8 + length])
        text = safetensors_header.get("__metadata__", {}).get(KEY)
        header = None if text is None else json.loads(text, parse_constant=_reject_constant)
    except (struct.error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is corrupt or cut short ({error}); copy or download it again") from None
    if header is None:
        names = ", ".join(sorted(name for name in safetensors_header if name != "__metadata__")[:3])
        raise FormatError(
            f"{path} is a safetensors file of another program (tensors {names or 'none'}); "
            "atomgraph reads safetensors files that potential.save wrote"
        )
    if not isinstance(header, dict) or type(header.get("version")) is not int or header["version"] < 1:
        raise FormatError(f"{path} has an atomgraph header without a version; it is corrupt")
    if header.get("format") != FORMAT:
        raise FormatError(f"{path} is a file of atomgraph, but no potential: {str(header.get('format'))[:80]!r}")
    if (checksums.KEY in header or header["version"] in range(CHECKSUM_SINCE, VERSION + 1)) and not checksums.is_intact(
        io.BytesIO(content)
    ):
        raise FormatError(
            f"{path} is damaged: its content does not fit its checksum (SHA-256); copy or download it again. If another "
            "program changed it, use the file that potential.save wrote"
        )
    if header["version"] > VERSION:
        raise FormatError(
            f"{path} is of format version {header['version']} and needs atomgraph {header.get('readable_from', 'newer')} "
            f"or later; this is atomgraph {installed_version('atomgraph')}, which reads up to version {VERSION}. "
            f"Upgrade atomgraph"
        )
    for key, kind in {"architecture": dict, "metadata": dict, "elements": list, "dtype": str}.items():
        if not isinstance(header.get(key), kind):
            raise FormatError(f"{path} has no {key!r} in its header; it is corrupt")
    return header


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file; FormatError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


def describe_checksum(path: Path) -> str:
    """Return ``SHA-256, right`` for a file with a checksum, ``no checksum`` for a file of an earlier version.

    Raises:
        FormatError: If the checksum is wrong.
    """
    return "SHA-256, right" if checksums.KEY in read_header(path) else "no checksum"


def _model(path: Path, header: dict[str, Any], tensors: dict[str, Tensor], n_bytes: int) -> EnergyModel:
    """Return the model of a header, before its weights are loaded; FormatError if building needs far too much work."""
    try:
        with limit_work(n_bytes, len(tensors)):
            model = _build(update_spec(header["architecture"], header["version"]), header.get("posterior"))
    except Exception as error:  # constructors raise many types of errors for invalid values
        error_type = "" if isinstance(error, WiringError) else f"{type(error).__name__}: "
        raise FormatError(
            f"the model of {path} cannot be built: {error_type}{' '.join(str(error).split())[:300]}"
        ) from error
    dtype = _dtype(header, path)
    return model if model.dtype == dtype else model.to(dtype)


def _reject_constant(word: str) -> None:
    """Raise ValueError for NaN and infinities, which are no JSON numbers."""
    raise ValueError(f"{word} is not a JSON number")


def _build(architecture: dict[str, Any], posterior: list[int] | None = None) -> EnergyModel:
    """Return the model of a specification; the random state is not changed.

    Args:
        architecture: Specification of the model.
        posterior: Shape (rows, columns) of the factor of the posterior; None for no posterior.
    """
    # old names in the specification, also of a potential that was loaded from an old file, give no warnings
    with torch.random.fork_rng(devices=[]), reading_old_file():
        model = build(architecture)
    if not isinstance(model, EnergyModel):
        raise WiringError(f"a potential needs an EnergyModel, but {architecture.get('kind')!r} is none")
    if posterior is not None:
        if not isinstance(posterior, list) or len(posterior) != 2 or any(type(n) is not int for n in posterior):
            raise WiringError(f"a posterior should have two sizes, but has {str(posterior)[:80]}")
        model.posterior = Posterior(*posterior)
    return model


def _dtype(header: dict[str, Any], path: Path) -> torch.dtype:
    """Return the dtype in a header; FormatError if it is neither float32 nor float64."""
    dtype = getattr(torch, header["dtype"], None)
    if not isinstance(dtype, torch.dtype) or dtype not in (torch.float32, torch.float64):
        raise FormatError(f"{path} has the unknown dtype {header['dtype']!r} in its header; it is corrupt")
    return dtype


def _check_names(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise FormatError if names or shapes of tensors differ."""
    problems = []
    for verb, names in (
        ("lacks", expected.keys() - tensors.keys()),
        ("should not hold", tensors.keys() - expected.keys()),
    ):
        if names:
            problems.append(f"the file {verb} {_first_names(names)}")
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, the architecture gives {tuple(expected[name].shape)}"
        for name in sorted(tensors.keys() & expected.keys())
        if tensors[name].shape != expected[name].shape
    ][:3]
    if problems:
        raise FormatError("; ".join(problems))


def _check_dtypes(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise FormatError if dtypes of tensors differ."""
    for name, tensor in tensors.items():
        if tensor.dtype != expected[name].dtype:
            raise FormatError(f"{name} has the dtype {tensor.dtype}, but the architecture has {expected[name].dtype}")


def _first_names(names: set[str]) -> str:
    """Return the first three names as text."""
    listed = ", ".join(sorted(names)[:3])
    return listed if len(names) <= 3 else f"{listed} and {len(names) - 3} more tensors"


def _json(value: Any, where: str) -> Any:
    """Return metadata as JSON values; numbers of numpy and torch, tuples, sets and paths are converted.

    Args:
        value: The value; NaN and infinities become None.
        where: Dotted key of the value, for messages.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _json(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item, where) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise FormatError(f"{where} cannot be written to a file: a {type(value).__name__} is no JSON value")


__getattr__ = old_names_of(__name__)
