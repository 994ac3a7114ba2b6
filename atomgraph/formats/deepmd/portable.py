"""Reader of deepmd-kit's portable models: ``.dp`` (HDF5 with a JSON text) and ``.yaml``, one nested mapping."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from atomgraph import safe_yaml
from atomgraph.errors import FormatError
from atomgraph.formats.deepmd.description import (
    DescriptorData,
    LayerData,
    ModelData,
    NetworkData,
    energies_of_types,
    exclusions,
    read_entry,
    type_names,
)
from atomgraph.formats.deepmd.global_heap import check_heaps
from atomgraph.formats.deepmd.unsupported import check_fitting, check_model, descriptor_kind, raise_for_program

_MAX_DEPTH, _MAX_ARRAYS = 60, 200_000
_EXTRA_BYTES, _FILE_FACTOR = 16 * 2**20, 200  # limit on the size of a compressed array, relative to the file


def read_hdf5(path: Path) -> Mapping[str, Any]:
    """Return the mapping of a ``.dp`` file, with arrays in place of the names of data sets.

    Raises:
        FormatError: If h5py is missing, or the file is damaged.
    """
    try:
        import h5py
    except ImportError:
        raise FormatError("the file is HDF5, which needs h5py: pip install 'atomgraph[hdf5]'") from None
    check_heaps(path.read_bytes())
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs["json"]
            return _with_arrays(json.loads(text), _DataSets(file, path.stat().st_size), 0, False)
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FormatError(f"the file is damaged ({reason}); copy or download it again") from None


class _DataSets:
    """Arrays of an HDF5 file by name, with a limit on their size; links to other files are not followed."""

    def __init__(self, file: Any, n_bytes: int):
        self._file, self._bytes_left, self._arrays_left = file, _EXTRA_BYTES + _FILE_FACTOR * n_bytes, _MAX_ARRAYS

    def __call__(self, name: str) -> Tensor:
        self._arrays_left -= 1
        if self._file.get(name, getlink=True).__class__.__name__ != "HardLink":
            raise FormatError(f"the file has no array {name[:60]!r}; copy or download it again")
        data = self._file[name]
        if not hasattr(data, "dtype") or data.dtype.kind not in "fiu" or data.is_virtual or data.external:
            raise FormatError(f"the array {name[:60]!r} of the file does not consist of numbers in the file")
        self._bytes_left -= data.size * data.dtype.itemsize
        if self._bytes_left < 0 or self._arrays_left < 0:
            raise FormatError("the arrays of the file are larger than those of any model of this file size")
        return _tensor(data[()])


def _with_arrays(node: Any, arrays: Any, depth: int, is_variable: bool) -> Any:
    """Return a JSON value with arrays in place of their names, which are below the keys ``@variables``."""
    if depth > _MAX_DEPTH:
        raise FormatError("the mapping of the file is nested deeper than in any model")
    if isinstance(node, dict):
        return {
            key: _with_arrays(item, arrays, depth + 1, is_variable or key == "@variables") for key, item in node.items()
        }
    if isinstance(node, list):
        return [_with_arrays(item, arrays, depth + 1, is_variable) for item in node]
    return arrays(node) if is_variable and isinstance(node, str) else node


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Return the mapping of a ``.yaml`` file, with its arrays as tensors.

    Raises:
        FormatError: If the file is damaged.
    """
    try:
        content = path.read_bytes()
        if b"<<" in content:
            raise FormatError("the file merges mappings (<<), which deepmd-kit does not write")
        return _from_yaml(safe_yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), 0)
    except safe_yaml.YamlBoundError as error:
        raise FormatError(f"the file {error}; copy it again") from None
    except FormatError:
        raise
    except Exception as error:  # PyYAML raises many types of errors for damaged numbers and dates
        raise FormatError(
            f"the file is not complete YAML ({' '.join(str(error).split())[:200]}); copy it again"
        ) from None


def _from_yaml(node: Any, depth: int) -> Any:
    """Return a YAML value with arrays in place of their descriptions."""
    if depth > _MAX_DEPTH:
        raise FormatError("the mapping of the file is nested deeper than in any model")
    if isinstance(node, dict):
        if node.get("@class") == "np.ndarray":
            return _tensor(np.array(node.get("value"), dtype=np.dtype(read_entry(node, "dtype", str))))
        return {str(key): _from_yaml(item, depth + 1) for key, item in node.items()}
    return [_from_yaml(item, depth + 1) for item in node] if isinstance(node, list) else node


def _tensor(array: Any) -> Tensor:
    """Return an array as a tensor of float64, or of float32 for arrays of single or half precision."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise FormatError(f"an array of the file should consist of numbers, but has the type {array.dtype}")
    return torch.from_numpy(
        array.astype(np.float32 if array.dtype.itemsize < 8 and array.dtype.kind == "f" else np.float64)
    )


def model_data(content: Mapping[str, Any]) -> ModelData:
    """Return the model of the mapping of a file; FormatError if it is incomplete or has unsupported options."""
    if "@variables" in content and "stablehlo" in read_entry(content, "@variables", dict, default={}):
        raise_for_program(".hlo")
    model = read_entry(content, "model", dict)
    check_model(model)
    types = type_names(model)
    fitting = read_entry(model, "fitting", dict)
    check_fitting(fitting)
    descriptor = read_entry(model, "descriptor", dict)
    parts = read_entry(descriptor, "list", list) if descriptor_kind(descriptor) == "hybrid" else [descriptor]
    variables = read_entry(fitting, "@variables", dict, default={})
    shift = read_entry(read_entry(model, "@variables", dict, default={}), "out_bias", Tensor, default=None)
    origin = {key: str(content[key])[:100] for key in ("software", "version", "backend") if key in content}
    return ModelData(
        types=types,
        descriptors=[_descriptor(part) for part in parts],
        fitting=list(_networks(read_entry(fitting, "nets", dict)).values()),
        energies=energies_of_types(
            read_entry(variables, "bias_atom_e", Tensor, default=None), len(types), "bias_atom_e"
        ),
        shift=energies_of_types(shift, len(types), "out_bias"),
        origin=origin,
        **exclusions(model, fitting),
    )


def _descriptor(options: Mapping[str, Any]) -> DescriptorData:
    """Return one descriptor of a file."""
    kind = descriptor_kind(options)
    if kind == "hybrid":
        raise FormatError("the file has a hybrid descriptor inside a hybrid descriptor")
    variables = read_entry(options, "@variables", dict)
    types = None
    if kind == "se_atten":
        embedding = read_entry(options, "type_embedding", dict)
        types = _network(embedding["embedding"] if isinstance(embedding.get("embedding"), dict) else embedding)
    return DescriptorData(
        kind=kind,
        options=options,
        mean=read_entry(variables, "davg", Tensor),
        width=read_entry(variables, "dstd", Tensor),
        networks=_networks(read_entry(options, "embeddings", dict)),
        type_network=types,
    )


def _networks(collection: Mapping[str, Any]) -> dict[int, NetworkData]:
    """Return the networks of a collection by their index; missing networks are skipped."""
    entries = read_entry(collection, "networks", list)
    networks = {index: _network(entry) for index, entry in enumerate(entries) if isinstance(entry, dict)}
    if not networks:
        raise FormatError("a collection of networks of the file is empty")
    return networks


def _network(entry: Mapping[str, Any]) -> NetworkData:
    """Return one network."""
    layers = read_entry(entry, "layers", list)
    if not layers:
        raise FormatError("a network of the file has no layers")
    activation = read_entry(layers[0], "activation_function", str, default="linear")
    result = []
    for layer in layers:
        variables = read_entry(layer, "@variables", dict)
        result.append(
            LayerData(
                read_entry(variables, "w", Tensor),
                read_entry(variables, "b", Tensor, default=None),
                read_entry(variables, "idt", Tensor, default=None),
            )
        )
    return NetworkData(result, activation)
