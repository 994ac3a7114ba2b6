"""Weights of a SevenNet checkpoint, translated to the state dict of ``NequIP``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.e3nn_weights import (
    coupling_sign,
    paths_in_input_order,
    reorder_path_weights,
    sorted_by_message,
    split_element_linear,
    split_linear,
)
from atomgraph.formats.sevennet.architecture import is_path_order_sorted
from atomgraph.layers.nequip_layer import NequIPLayer
from atomgraph.models.nequip import NequIP
from atomgraph.nn.equivariant.convolution import Path
from atomgraph.nn.equivariant.linear import EquivariantLinear
from atomgraph.ops.coupling import wigner_3j

_MAX_3J_ERROR = 1e-6  # largest accepted error of Wigner 3j symbols in a file, which are rounded to float32


def translate_weights(model: NequIP, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of the model with the weights of a checkpoint.

    Args:
        model: Model with the architecture of the checkpoint.
        config: Configuration of the checkpoint.
        tensors: State dict of the checkpoint, by the names of version 0.11.

    Raises:
        FormatError: If a tensor is missing or has a wrong size.
    """
    branch = model.branches[0]
    n_elements, channels = len(model.elements), branch.featurizer.irreps_out.dim
    state: dict[str, Tensor] = {}
    embedding = _tensor(tensors, "onehot_to_feature_x.linear.weight").reshape(n_elements, channels)
    # the embedding of ``NequIP`` is divided by the square root of the number of elements
    state["featurizer.weight"] = embedding + _bias(tensors, "onehot_to_feature_x.linear") * n_elements**0.5
    for t, layer in enumerate(branch.layers):
        weights = _layer_weights(layer, t, config, tensors)
        state |= {f"layers.{t}.{name}": tensor for name, tensor in weights.items()}
    hidden = _tensor(tensors, "reduce_input_to_hidden.linear.weight").reshape(-1, layer.irreps_out.dim // 2)
    last = _tensor(tensors, "reduce_hidden_to_energy.linear.weight").reshape(-1, 1)
    scale, shift = (_tensor(tensors, f"rescale_atomic_energy.{name}").double() for name in ("scale", "shift"))
    readout = "readouts.0.readout" if scale.numel() > 1 else "readouts.0"
    state |= {f"{readout}.network.weights.0": hidden, f"{readout}.network.weights.1": last}
    # the biases of the linear readout add a constant to the energy of each atom, which becomes a part of E0
    constant = (_bias(tensors, "reduce_input_to_hidden.linear").double() * (last[:, 0] / len(last) ** 0.5)).sum()
    constant = constant + _bias(tensors, "reduce_hidden_to_energy.linear").double()
    result = {f"branches.0.{name}": tensor for name, tensor in state.items()}
    if scale.numel() > 1:
        result["branches.0.readouts.0.scale"] = scale
    else:
        result["baseline.scale"] = scale.reshape(1)
    result["baseline.e0"] = (shift + scale * constant).expand(n_elements)[None].clone()
    return model.state_dict() | result


def _layer_weights(
    layer: NequIPLayer, t: int, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the entries of the state dict of layer t."""
    gate_irreps = sorted(layer.gate.irreps_in, key=lambda entry: (entry[1].l, entry[1].p))
    state = {"radial.places": _tensor(tensors, "edge_embedding.basis_function.coeffs")}
    linear_1 = _tensor(tensors, f"{t}_self_interaction_1.linear.weight")
    state |= _with_prefix("up.weights", split_linear(linear_1, layer.irreps_in, layer.irreps_in))
    file_paths = _paths(layer, config)
    n_messages: dict[o3.Irrep, int] = {}  # channels of the messages of each irrep
    channels = {irrep: n for n, irrep in layer.irreps_in}
    for path in file_paths:
        n_messages[path.message] = n_messages.get(path.message, 0) + channels[path.feature]
    sum_irreps = sorted(((n, irrep) for irrep, n in n_messages.items()), key=lambda entry: (entry[1].l, entry[1].p))
    linear_2 = _tensor(tensors, f"{t}_self_interaction_2.linear.weight")
    state |= _with_prefix("mix.weights", split_linear(linear_2, sum_irreps, gate_irreps))
    if layer.up.bias is not None:
        state["up.bias"] = _tensor(tensors, f"{t}_self_interaction_1.linear.bias")
    if layer.mix.bias is not None:
        state["mix.bias"] = _tensor(tensors, f"{t}_self_interaction_2.linear.bias")
    if isinstance(layer.self_connection, EquivariantLinear):
        flat = _tensor(tensors, f"{t}_self_connection_intro.linear.weight")
        state |= _with_prefix("self_connection.weights", split_linear(flat, layer.irreps_in, gate_irreps))
    else:
        flat = _tensor(tensors, f"{t}_self_connection_intro.fc_tensor_product.weight")
        matrices = split_element_linear(flat, len(layer.elements), layer.irreps_in, gate_irreps)
        state |= _with_prefix("self_connection.weights", matrices)
    last = len(layer.network.weights) - 1
    for depth in range(last + 1):
        weight = _tensor(tensors, f"{t}_convolution.weight_nn.layer{depth}.weight")
        if depth == last:
            signs = {path: _sign(path, t, tensors) for path in file_paths}
            weight = reorder_path_weights(weight, layer, file_paths, signs)
        state[f"network.weights.{depth}"] = weight
    state["neighbours.number"] = _tensor(tensors, f"{t}_convolution.denominator").double().reshape(()).square()
    return state


def _paths(layer: NequIPLayer, config: Mapping[str, Any]) -> list[Path]:
    """Return the paths of the convolution in the order of the file.

    Their messages have all irreps up to the largest degree of the output.
    """
    l_max = max(irrep.l for _, irrep in layer.irreps_out)
    targets = {o3.Irrep(l, p) for l in range(l_max + 1) for p in (-1, 1)}
    if all(irrep.p == 1 for _, irrep in layer.irreps_out) and l_max == 0:
        targets = {o3.Irrep(0, 1)}
    paths = paths_in_input_order(layer, targets)
    return sorted_by_message(paths) if is_path_order_sorted(config) else paths


def _sign(path: Path, t: int, tensors: Mapping[str, Tensor]) -> int:
    """Return the sign by which the weights of a path are multiplied.

    It is the product of the sign of the harmonics, as edges of SevenNet have the opposite direction, and the sign of the Wigner
    3j symbol in the file.
    """
    l1, l2, l3 = path.feature.l, path.harmonics.l, path.message.l
    symbol = tensors.get(f"{t}_convolution.convolution._compiled_main_left_right._w3j_{l1}_{l2}_{l3}")
    sign = 1
    if symbol is not None:
        noun = f"Wigner 3j symbol of degrees {l1}, {l2}, {l3}"
        sign = coupling_sign(symbol.double(), wigner_3j(l1, l2, l3), _MAX_3J_ERROR, noun)
    return sign * (-1) ** l2


def _with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a prefix and a dot before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _tensor(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """Return a tensor by name; FormatError if it is missing."""
    if name not in tensors:
        raise FormatError(f"the checkpoint has no tensor {name}")
    return tensors[name]


def _bias(tensors: Mapping[str, Tensor], module: str) -> Tensor:
    """Return the bias of a linear map, or 0."""
    bias = tensors.get(f"{module}.bias")
    return torch.zeros(1) if bias is None or not bias.numel() else bias
