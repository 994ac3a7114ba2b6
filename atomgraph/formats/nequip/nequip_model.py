"""NequIP from the arguments of nequip's builder and its state dict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.e3nn_weights import (
    path_sign,
    paths_in_input_order,
    reorder_path_weights,
    split_element_linear,
    split_linear,
)
from atomgraph.formats.nequip.settings import Settings, load_weights, require_keys
from atomgraph.layers.embedding_linear import EmbeddingLinear
from atomgraph.layers.nequip_layer import NequIPLayer
from atomgraph.models.nequip import NequIP

PRESETS = {  # size of nequip's PresetNequIPGNNModel: number of layers, l_max, features per l
    "S": (2, 1, [128, 64]),
    "M": (4, 2, [128, 64, 32]),
    "L": (6, 3, [128, 64, 32, 32]),
    "XL": (6, 4, [320, 96, 64, 32, 32]),
}
# defaults of the other arguments of PresetNequIPGNNModel
_PRESET_DEFAULTS = {"type_embed_num_features": 32, "radial_mlp_depth": 1, "radial_mlp_width": 128, "parity": False}
# arguments of the builder that are read, or have no effect on the model; others raise an error
_KEYS = (
    *("seed", "model_dtype", "type_names", "chemical_species", "r_max", "num_bessels", "bessel_trainable"),
    *("polynomial_cutoff_p", "num_layers", "l_max", "parity", "num_features", "radial_mlp_depth", "radial_mlp_width"),
    *("type_embed_num_features", "avg_num_neighbors", "per_type_energy_scales", "per_type_energy_shifts"),
    *("per_type_energy_scales_trainable", "per_type_energy_shifts_trainable", "per_edge_type_cutoff", "pair_potential"),
    *("readout_mlp_hidden_layers_depth", "readout_mlp_hidden_layers_width", "readout_mlp_nonlinearity"),
    *("learnable_shift", "convnet_resnet", "convnet_sc", "cls", "do_derivatives"),
)


def build_nequip(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> NequIP:
    """Return the model with the weights of a file.

    Args:
        config: Arguments of the builder.
        tensors: State dict, without the prefix of the model.

    Raises:
        FormatError: If an argument is not supported, or a tensor is missing or has a wrong size.
    """
    config = _with_preset(config)
    require_keys(config, _KEYS)
    settings = Settings(config, tensors)
    model = NequIP(**_arguments(settings)).to(getattr(torch, settings.coupling_dtype))
    load_weights(model, lambda: _weights(model, settings))
    return model


def _with_preset(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of ``NequIPGNNModel`` for those of ``PresetNequIPGNNModel``."""
    size = config.get("preset", config.get("model_size"))
    if size is None:
        return config
    if size not in PRESETS:
        raise FormatError(f"the preset of the model should be one of {', '.join(PRESETS)}, but is {str(size)[:20]!r}")
    n_layers, l_max, features = PRESETS[size]
    explicit = {name: value for name, value in config.items() if name not in ("preset", "model_size")}
    return {**_PRESET_DEFAULTS, "num_layers": n_layers, "l_max": l_max, "num_features": features, **explicit}


def _arguments(settings: Settings) -> dict[str, Any]:
    """Return the constructor arguments of ``NequIP``."""
    l_max = settings.integer("l_max", 1, lowest=0)
    features: Any = settings.get("num_features", 32)
    n_scalars = features if isinstance(features, int) else features[0]
    readout_hidden = settings.hidden("readout_mlp_hidden_layers", n_scalars, 0)
    layer = {
        "radial_hidden": settings.hidden("radial_mlp", 128, 1),
        "neighbours_by_element": settings.is_mean_by_element,
        "coupling_dtype": settings.coupling_dtype,
        "residual": bool(settings.get("convnet_resnet", False)),
    }
    radial = {
        "n_radial": settings.integer("num_bessels", 8),
        "p": settings.number("polynomial_cutoff_p", 6.0),
        "trainable": bool(settings.get("bessel_trainable", False)),
        "pair_cutoffs": settings.pair_cutoffs,
    }
    readout = {
        "readout_hidden": readout_hidden,
        "activation": settings.activation("readout_mlp_nonlinearity"),
        "activation_gain": 2**0.5,
    }
    if readout["activation"] == "identity":
        readout["activation_gain"] = 1.0
    return {
        "elements": settings.elements,
        "cutoff": settings.cutoff,
        "channels": features,
        "n_layers": settings.integer("num_layers", 4),
        "l_max": l_max,
        "parity": "both" if settings.get("parity", True) else "natural",
        "embedding_channels": settings.get("type_embed_num_features"),
        "self_connection": "embedding" if settings.get("convnet_sc", True) else "none",
        "first_self_connection": bool(settings.get("learnable_shift", False)),
        "radial": radial,
        "layer": layer,
        "readout": readout,
        "element_scale": settings.has_element_scale,
        "baseline": settings.baseline(),
    }


def _weights(model: NequIP, settings: Settings) -> dict[str, Tensor]:
    """Return the entries of the state dict that the file determines."""
    embedding = settings.tensor("type_embed.embed_module.weight")
    state = {"featurizer.weight": embedding}
    for t, layer in enumerate(model.branches[0].layers):
        weights = _layer_weights(layer, t, settings)
        if isinstance(layer.self_connection, EmbeddingLinear):
            weights["self_connection.embedding.weight"] = embedding
        state |= {f"layers.{t}.{name}": tensor for name, tensor in weights.items()}
    readout = "readouts.0.readout" if settings.has_element_scale else "readouts.0"
    for k, matrix in enumerate(settings.perceptron("per_atom_energy_readout.mlp_module")):
        state[f"{readout}.network.weights.{k}"] = matrix
    if settings.has_element_scale:
        state["readouts.0.scale"] = settings.element_scale()
    return {f"branches.0.{name}": tensor for name, tensor in state.items()} | settings.baseline_weights()


def _layer_weights(layer: NequIPLayer, t: int, settings: Settings) -> dict[str, Tensor]:
    """Return the entries of the state dict of layer t that the file determines."""
    prefix = f"layer{t}_convnet.conv"
    frequencies = settings.tensor("bessel_encode.bessel_weights").flatten().double() * (math.pi / settings.cutoff)
    state = {"radial.places": frequencies, "neighbours.number": settings.mean_neighbours}
    gate_irreps = sorted(layer.gate.irreps_in, key=lambda entry: (entry[1].l, entry[1].p))
    sum_irreps = o3.Irreps(layer.convolution.irreps_out).simplify()
    linear_1, linear_2 = (settings.tensor(f"{prefix}.linear_{k}.weight") for k in (1, 2))
    for name, matrices in (
        ("up", split_linear(linear_1, layer.irreps_in, layer.irreps_in)),
        ("mix", split_linear(linear_2, sum_irreps, gate_irreps)),
    ):
        state |= {f"{name}.weights.{irrep}": matrix for irrep, matrix in matrices.items()}
    if isinstance(layer.self_connection, EmbeddingLinear):
        flat = settings.tensor(f"{prefix}.sc.weight")
        matrices = split_element_linear(flat, layer.self_connection.n_embedding, layer.irreps_in, gate_irreps)
        state |= {f"self_connection.weights.{irrep}": matrix for irrep, matrix in matrices.items()}
    *hidden, last = settings.perceptron(f"{prefix}.edge_mlp")
    paths = paths_in_input_order(layer)
    last = reorder_path_weights(last, layer, paths, {path: path_sign(path) for path in paths})
    return state | {f"network.weights.{k}": matrix for k, matrix in enumerate([*hidden, last])}
