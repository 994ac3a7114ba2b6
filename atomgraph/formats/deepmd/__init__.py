"""Reader of DeePMD models (deepmd-kit): ``.dp``, ``.yaml``, ``.pt``, ``.pth`` and ``.pb``; no code of a file is executed."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from atomgraph.errors import FormatError, WiringError
from atomgraph.formats.deepmd import checkpoint, portable, tensorflow
from atomgraph.formats.deepmd.build_model import build_model
from atomgraph.formats.deepmd.description import ModelData
from atomgraph.formats.deepmd.graph_def import read_graph
from atomgraph.formats.deepmd.unsupported import CONVERT, raise_for_program
from atomgraph.formats.file_errors import file_errors
from atomgraph.formats.hints import FileHints
from atomgraph.formats.pickled.archive import ZIP_START, Archive
from atomgraph.formats.work_limit import limit_work
from atomgraph.models.deep_pot_se import DeepPotSE
from atomgraph.nn.elements import checked_symbols

UNITS = {"energy": "eV", "length": "Å"}
_HDF5, _PICKLE_SIZE = b"\x89HDF\r\n\x1a\n", 256 * 2**20
_PROGRAM_SUFFIXES = (".pte", ".savedmodel", ".hlo", ".jax", ".pd")  # .pt2: only with deepmd-kit's records
_YAML_KEYS = re.compile(rb"^(model_def_script|model|backend|software|'@variables'):", re.MULTILINE)
_TENSORFLOW_NAMES = (b"model_attr/tmap", b"descrpt_attr/", b"train_attr/training_script", b"ProdEnvMat")
_CHECKPOINT_NAMES = (b"model_params", b"atomic_model.")
_SCRIPT_NAME = b"__torch__.deepmd."


def recognises(path: Path, start: bytes) -> bool:
    """Return whether the file is a model of deepmd-kit, from its content, or from the suffix of an exported program."""
    return _kind(path, start) is not None


def read(path: Path, hints: FileHints) -> tuple[DeepPotSE, dict[str, Any]]:
    """Return the model of a DeePMD file and its origin.

    The model is float64, or float32 if all its weights are. Energies of types (``out_bias``) become E0.

    Args:
        path: The file.
        hints: Elements and units that the user states. If the types of the file are not chemical symbols, the elements are
            those of the user, in the order of the types.

    Raises:
        FormatError: If something is missing, damaged or not supported.
    """
    try:
        with path.open("rb") as file:
            kind = _kind(path, file.read(4096))
    except OSError:  # a folder
        kind = _kind(path, b"")
    with file_errors(path):
        data = _read_data(path, kind)
        elements = _elements(path, data, hints)
        # a few tensors for each of about ten layers of a network
        n_tensors = 100 + sum(4 * len(part.networks) * 10 for part in data.descriptors) + 40 * len(data.fitting)
        with torch.random.fork_rng(devices=[]), limit_work(path.stat().st_size, n_tensors):
            model = build_model(data, elements)
    hints.resolve_units(path, UNITS)
    return model, {"origin": {"format": "DeePMD", "file": path.name, **data.origin}}


def _read_data(path: Path, kind: str | None) -> ModelData:
    """Return the content of a file of a kind that ``_kind`` returns."""
    if kind == "program" or kind is None:
        raise_for_program(path.suffix if path.suffix in (*_PROGRAM_SUFFIXES, ".pt2") else ".hlo")
        raise FormatError(f"the format of the file is not known; {CONVERT}")
    if kind == "archive":
        return checkpoint.read_archive(Archive(path))
    if kind == "graph":
        return tensorflow.model_data(read_graph(path.read_bytes()))
    return portable.model_data(portable.read_hdf5(path) if kind == "hdf5" else portable.read_yaml(path))


def _elements(path: Path, data: ModelData, hints: FileHints) -> list[str]:
    """Return the chemical symbols of the types, from the file or, if its types have other names, from the user."""
    try:
        elements = checked_symbols(data.types)
    except WiringError:
        if hints.elements is None or len(hints.elements) != len(data.types):
            names = ", ".join(name[:20] for name in data.types[:20])
            raise FormatError(
                f"the types of the file are not different chemical symbols: {names}; state {len(data.types)} elements in this "
                "order (elements=[...] or --elements)"
            ) from None
        return hints.elements
    return hints.resolve_elements(path, elements)


def _kind(path: Path, start: bytes) -> str | None:
    """Return ``hdf5``, ``yaml``, ``archive``, ``graph`` or ``program``; None for files of other programs."""
    if path.suffix in _PROGRAM_SUFFIXES:
        return "program"
    if start.startswith(_HDF5):
        return "hdf5" if path.suffix == ".dp" or _has_model(path) else None
    if start.startswith(ZIP_START):
        return _archive_kind(path)
    if start[:1] == b"\n" and _contains(path, _TENSORFLOW_NAMES):  # field 1 of a message
        return "graph"
    if len(_YAML_KEYS.findall(start)) >= 2 and b"@class" in start:
        return "yaml"
    return None


def _has_model(path: Path) -> bool:
    """Return whether an HDF5 file has the JSON text of a portable model; False without h5py."""
    try:
        import h5py

        with h5py.File(path, "r") as file:
            return "json" in file.attrs
    except (ImportError, OSError, RuntimeError, KeyError, ValueError):
        return False


def _archive_kind(path: Path) -> str | None:
    """Return ``archive`` for checkpoints and TorchScript of deepmd-kit, ``program`` for its ``.pt2``; else None."""
    try:
        with zipfile.ZipFile(path) as archive:
            if path.suffix == ".pt2":
                return "program" if any("model_def_script" in name for name in archive.namelist()) else None
            for name in archive.namelist():
                if (
                    name.count("/") == 1
                    and name.endswith("/data.pkl")
                    and archive.getinfo(name).file_size < _PICKLE_SIZE
                ):
                    content = archive.read(name)
                    if _SCRIPT_NAME in content or all(word in content for word in _CHECKPOINT_NAMES):
                        return "archive"
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, MemoryError):
        return None
    return None


def _contains(path: Path, words: tuple[bytes, ...]) -> bool:
    """Return whether a file contains one of the words."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return any(word in content for word in words)
