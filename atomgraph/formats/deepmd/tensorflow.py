"""Frozen TensorFlow models of deepmd-kit (``.pb``): descriptor and networks from the names of their constants."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.deepmd.description import (
    MAX_LAYERS,
    DescriptorData,
    LayerData,
    ModelData,
    NetworkData,
    energies_of_types,
    exclusions,
    read_entry,
)
from atomgraph.formats.deepmd.graph_def import FrozenGraph
from atomgraph.formats.deepmd.unsupported import COMPRESSED, CONVERT, check_fitting, check_model, descriptor_kind

# operation of a TensorFlow graph: descriptor
_OPERATIONS = {"ProdEnvMatA": "se_e2_a", "ProdEnvMatR": "se_e2_r", "DescrptSeA": "se_e2_a", "DescrptSeR": "se_e2_r"}


def model_data(graph: FrozenGraph) -> ModelData:
    """Return the model of a frozen graph.

    Files without a training script do not contain names of activation functions and the size of the second factor: the
    activation is then tanh, and the size follows from the width of the fitting networks.

    Raises:
        FormatError: If the graph is not one of deepmd-kit, or has unsupported options.
    """
    types = _types(graph)
    config = _config(graph)
    _check_constants(graph)
    fitting = read_entry(config, "fitting_net", dict, default={})
    check_fitting(fitting)
    activation = read_entry(fitting, "activation_function", str, default="tanh")
    networks = [_fitting_network(graph, t, activation) for t in range(len(types))]
    bias = graph.constants.get("fitting_attr/t_bias_atom_e")
    return ModelData(
        types=types,
        descriptors=[_descriptor(graph, read_entry(config, "descriptor", dict, default={}), len(types), networks)],
        fitting=networks,
        energies=energies_of_types(
            _tensor(bias) if isinstance(bias, np.ndarray) else None, len(types), "t_bias_atom_e"
        ),
        shift=torch.zeros(len(types), dtype=torch.float64),
        origin={"backend": "TensorFlow"},
        **exclusions(config, fitting),
    )


def _check_constants(graph: FrozenGraph) -> None:
    """Raise FormatError for compressed models, and for networks that read more than descriptors."""
    for name, noun in (("fitting_attr/dfparam", "fparam"), ("fitting_attr/daparam", "aparam")):
        number = graph.constants.get(name)
        if isinstance(number, np.ndarray) and number.size == 1 and int(number.flat[0]):
            raise FormatError(
                f"the fitting network of the file reads additional parameters ({noun}), which atomgraph does not have"
            )
    if any(kind.startswith("Tabulate") for kind in graph.operations):
        raise FormatError(COMPRESSED)
    kind = _text(graph, "model_attr/model_type") or "ener"
    if kind != "ener":
        raise FormatError(f"the file is a model of the type {kind!r:.40}; atomgraph reads models of energies (ener)")


def _config(graph: FrozenGraph) -> Mapping[str, Any]:
    """Return the options of the model from the training script of newer files; empty for older files."""
    script = _text(graph, "train_attr/training_script")
    if script is None:
        return {}
    try:
        config = read_entry(json.loads(script), "model", dict)
    except (ValueError, RecursionError):
        raise FormatError("the training script of the file is damaged; copy or download it again") from None
    check_model(config)
    return config


def _types(graph: FrozenGraph) -> list[str]:
    """Return the names of the types."""
    names = (_text(graph, "model_attr/tmap") or "").split()
    if not names:
        raise FormatError(
            "the file does not contain the names of its types (model_attr/tmap); is it a model of deepmd-kit?"
        )
    return names


def _text(graph: FrozenGraph, name: str) -> str | None:
    """Return a constant text; None if it is missing."""
    content = graph.constants.get(name)
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], bytes):
        return content[0].decode(errors="replace")
    return None


def _descriptor(
    graph: FrozenGraph, options: Mapping[str, Any], n_types: int, fitting: list[NetworkData]
) -> DescriptorData:
    """Return the descriptor of a graph.

    Args:
        graph: The graph.
        options: Options of the descriptor in the training script, or an empty mapping.
        n_types: Number of types.
        fitting: Fitting networks.
    """
    kind = next((_OPERATIONS[name] for name in _OPERATIONS if name in graph.operations), None)
    if options:
        named = descriptor_kind(options)
        kind = kind if named in ("se_e2_a", "se_e2_r") and kind in (None, named) else named
    if kind not in ("se_e2_a", "se_e2_r"):
        raise FormatError(f"the descriptor {kind} of a TensorFlow file is not read; {CONVERT}")
    attributes = next((graph.operations[name] for name in _OPERATIONS if name in graph.operations), {})
    is_angular = kind == "se_e2_a"
    sel = options.get("sel")
    if not isinstance(sel, list):
        sel = attributes.get("sel_a" if is_angular else "sel")
    result = {
        "rcut": options.get("rcut", attributes.get("rcut_r" if is_angular else "rcut")),
        "rcut_smth": options.get("rcut_smth", attributes.get("rcut_r_smth" if is_angular else "rcut_smth")),
        "sel": sel,
        "exclude_types": options.get("exclude_types", []),
        "env_protection": options.get("env_protection", 0.0),
    }
    activation = read_entry(options, "activation_function", str, default="tanh")
    one_sided, networks = _embeddings(graph, n_types, activation)
    width = int(networks[0].layers[-1].matrix.shape[-1])
    result["type_one_side"] = one_sided
    result["axis_neuron"] = options.get("axis_neuron", int(fitting[0].layers[0].matrix.shape[0]) // max(width, 1))
    tables: list[Any] = [graph.constants.get(f"descrpt_attr/{name}") for name in ("t_avg", "t_std")]
    if any(not isinstance(table, np.ndarray) or table.shape[:1] != (n_types,) for table in tables):
        raise FormatError("the file has no statistics of its environment matrix (descrpt_attr/t_avg and t_std)")
    columns = 4 if is_angular else 1
    if any(table.size % (n_types * columns) for table in tables):
        raise FormatError("the statistics of the environment matrix (descrpt_attr/t_avg and t_std) have a wrong shape")
    mean, std = (_tensor(table).reshape(n_types, -1, columns) for table in tables)
    return DescriptorData(kind, result, mean, std, networks)


def _embeddings(graph: FrozenGraph, n_types: int, activation: str) -> tuple[bool, dict[int, NetworkData]]:
    """Return whether embedding networks depend on the neighbour only, and the networks by their index."""
    names = [name for name in graph.constants if re.fullmatch(r"filter_type_(all|\d+)/matrix_\d+_\d+", name)]
    if not names:
        raise FormatError(f"the file has no embedding networks with known names (filter_type_...); {CONVERT}")
    one_sided = any(name.startswith("filter_type_all/") for name in names)
    networks = {}
    for neighbour in range(n_types):
        for centre in [None] if one_sided else range(n_types):
            folder = "filter_type_all" if centre is None else f"filter_type_{centre}"
            index = neighbour if centre is None else centre + neighbour * n_types
            layers: list[LayerData] = []
            while len(layers) < MAX_LAYERS and f"{folder}/matrix_{len(layers) + 1}_{neighbour}" in graph.constants:
                ending = f"_{len(layers) + 1}_{neighbour}"
                layers.append(_layer(graph, f"{folder}/", ending))
            if layers:
                networks[index] = NetworkData(layers, activation)
    if 0 not in networks:
        raise FormatError("the file has no embedding network of the first type; copy or download it again")
    return one_sided, networks


def _fitting_network(graph: FrozenGraph, t: int, activation: str) -> NetworkData:
    """Return the fitting network of a type."""
    layers: list[LayerData] = []
    while len(layers) < MAX_LAYERS and f"layer_{len(layers)}_type_{t}/matrix" in graph.constants:
        layers.append(_layer(graph, f"layer_{len(layers)}_type_{t}/", ""))
    if not layers or f"final_layer_type_{t}/matrix" not in graph.constants:
        raise FormatError(f"the file has no fitting network of the type {t} (layer_0_type_{t}); {CONVERT}")
    return NetworkData([*layers, _layer(graph, f"final_layer_type_{t}/", "")], activation)


def _layer(graph: FrozenGraph, prefix: str, ending: str) -> LayerData:
    """Return the layer whose constants are named ``<prefix>matrix<ending>``, ``bias`` and ``idt``."""
    arrays = [graph.constants.get(f"{prefix}{name}{ending}") for name in ("matrix", "bias", "idt")]
    if not isinstance(arrays[0], np.ndarray) or arrays[0].ndim != 2:
        raise FormatError(f"the constant {prefix}matrix{ending} of the file is not a matrix; copy the file again")
    matrix, bias, timestep = (_tensor(array) if isinstance(array, np.ndarray) else None for array in arrays)
    if matrix is None:
        raise FormatError(f"the file has no constant {prefix}matrix{ending}")
    return LayerData(matrix, None if bias is None else bias.flatten(), None if timestep is None else timestep.flatten())


def _tensor(array: np.ndarray) -> Tensor:
    """Return an array as a tensor of its own memory."""
    return torch.from_numpy(np.array(array))
