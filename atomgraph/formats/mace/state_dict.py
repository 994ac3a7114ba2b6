"""Loads the weights of a MACE file into atomgraph's model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.mace.architecture import contractions, read_heads, weight_dtype
from atomgraph.formats.mace.weight_map import (
    TensorSlice,
    convert_from_mace,
    element_linear_slices,
    linear_slices,
    whole_tensor,
)
from atomgraph.formats.pickled.decode import irreps_text
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.attention import AttentionResidualInteraction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.models.mace import MACE
from atomgraph.nn.equivariant.radial_network import NormalisedMLP
from atomgraph.old_names import old_names_of
from atomgraph.readouts import MultiHeadMLP, ScaledLinear

BRANCH = "branches.0"  # path of the only branch in the state dict of the model


def tensor_slices(model: MACE) -> list[TensorSlice]:
    """Return slices that relate all learned tensors of the model to tensors of mace-torch."""
    return [*_embedding(model), *_layers(model), *_readouts(model)]


def load_weights(model: MACE, tree: Tree) -> None:
    """Load the weights of a file into the model, in the dtype of the file; in float64 if adapters were merged.

    Args:
        model: The model; changed in place.
        tree: The root module of the file.

    Raises:
        FormatError: If the model and the file differ in paths, names or shapes of tensors.
    """
    dtype = torch.float64 if tree.adapters else weight_dtype(tree)
    for t in range(int(tree.tensor("num_interactions"))):
        _check_paths(tree[f"interactions.{t}"], model.branches[0].layers[t])
    slices = tensor_slices(model)
    _check_all_are_used(tree, {tensor_slice.mace_name for tensor_slice in slices})
    state = model.state_dict()
    result = convert_from_mace(slices, tree.tensor, state, dtype)
    model.to(dtype)
    for name, tensor in result.items():
        if state[name].shape != tensor.shape:
            raise FormatError(
                f"the tensor for {name} has the shape {tuple(tensor.shape)}, but the model has {tuple(state[name].shape)}"
            )
    result |= _couplings(model, tree)
    missing_names = model.load_state_dict(result, strict=False).missing_keys
    # ``places`` (frequencies or centres of radial functions) keep the values of the constructor if the file has none
    unset = [name for name in missing_names if not name.endswith(("places", *_SEPARATE_TENSORS))]
    if unset:
        raise FormatError(f"the file has no numbers for {', '.join(unset[:3])}")
    with torch.no_grad():
        _set_baseline(model, tree)
        _set_neighbours(model, tree)


#: Tensors that are set after the others, by ``_set_baseline`` and ``_set_neighbours``
_SEPARATE_TENSORS = ("baseline.e0", "baseline.scale", "baseline.shift", "neighbours.number")


def _embedding(model: MACE) -> Iterator[TensorSlice]:
    """Yield the slices of the embedding of elements, charge and spin."""
    embedding, path = model.branches[0].featurizer, f"{BRANCH}.featurizer"
    yield whole_tensor("node_embedding.linear.weight", f"{path}.weight", embedding.weight.shape)
    for name, module in embedding.embedders.items():
        for key, parameter in module.named_parameters():
            yield whole_tensor(
                f"joint_embedding.embedders.{name}.{key}", f"{path}.embedders.{name}.{key}", parameter.shape
            )
    if embedding.project is not None:
        yield whole_tensor("joint_embedding.project.0.weight", f"{path}.project.weight", embedding.project.weight.shape)
    if model.state_readout is not None:
        shape = model.state_readout.weight.shape
        yield whole_tensor("embedding_readout.linear.weight", "state_readout.weight", shape)


def _layers(model: MACE) -> Iterator[TensorSlice]:
    """Yield the slices of all layers."""
    radial = model.branches[0].layers[0].radial
    if radial.basis != "chebyshev":
        name = {"bessel": "bessel_weights", "gaussian": "gaussian_weights"}[radial.basis]
        # mace-torch has one set of frequencies or centres; the state dict of atomgraph has them twice per layer
        for t in range(len(model.branches[0].layers)):
            for path in (f"{BRANCH}.layers.{t}.radial.places", f"{BRANCH}.layers.{t}.interaction.radial.places"):
                yield whole_tensor(f"radial_embedding.bessel_fn.{name}", path, radial.places.shape)
    for t, layer in enumerate(model.branches[0].layers):
        yield from _interaction(layer.interaction, f"interactions.{t}", f"{BRANCH}.layers.{t}.interaction")
        mace_path, path = f"products.{t}", f"{BRANCH}.layers.{t}"
        for k, (_, irrep) in enumerate(layer.irreps_out):
            order = layer.product.order
            for nu in range(1, order + 1):
                key = f"{irrep}_{nu}"
                if key in layer.product.weights:
                    # mace-torch: weights_max for the highest order, weights.0 for the next lower order, and so on
                    name = "weights_max" if nu == order else f"weights.{order - 1 - nu}"
                    shape = layer.product.weights[key].shape
                    mace_name = f"{mace_path}.symmetric_contractions.contractions.{k}.{name}"
                    yield whole_tensor(mace_name, f"{path}.product.weights.{key}", shape)
        yield from linear_slices(f"{mace_path}.linear", f"{path}.mix", layer.irreps_out, layer.irreps_out)


def _interaction(part: Any, mace_path: str, path: str) -> Iterator[TensorSlice]:
    """Yield the slices of an interaction.

    Names of linear maps in atomgraph's state dict: ``up`` before the convolution, ``mix`` after the convolution, ``past`` for
    the residual, ``last`` after the gate, ``select`` by element of the message, ``skip`` for the output of the layer,
    ``down`` for the radial weights of attention.

    Args:
        part: The interaction of atomgraph.
        mace_path: Dotted path of the interaction in mace-torch.
        path: Dotted path of the interaction in atomgraph.
    """
    convolution = o3.Irreps(part.convolution.irreps_out)
    message, n_elements = part.irreps_message, len(part.elements)
    yield from linear_slices(f"{mace_path}.linear_up", f"{path}.up", part.irreps_in, part.irreps_up)
    yield from _network(part.network, f"{mace_path}.conv_tp_weights", f"{path}.network")
    if isinstance(part, NonlinearResidualInteraction):
        gated = part.gate.irreps_in
        yield from linear_slices(f"{mace_path}.linear_1", f"{path}.mix", convolution, gated)
        yield from linear_slices(f"{mace_path}.linear_res", f"{path}.past", part.irreps_up, gated)
        yield from linear_slices(f"{mace_path}.linear_2", f"{path}.last", message, message)
        yield from linear_slices(f"{mace_path}.skip_tp", f"{path}.skip", part.irreps_in, part.irreps_residual)
        for name in ("source", "target"):
            yield whole_tensor(f"{mace_path}.{name}_embedding.weight", f"{path}.{name}", part.source.shape)
        for name in ("alpha", "beta"):
            yield whole_tensor(f"{mace_path}.{name}", f"{path}.{name}", ())
        yield from _network(part.density, f"{mace_path}.density_fn", f"{path}.density")
        return
    yield from linear_slices(f"{mace_path}.linear", f"{path}.mix", convolution, message)
    if isinstance(part, AttentionResidualInteraction):
        yield from linear_slices(f"{mace_path}.linear_down", f"{path}.down", part.irreps_in, part.down.irreps_out)
        yield from linear_slices(f"{mace_path}.skip_linear", f"{path}.skip", part.irreps_in, part.irreps_residual)
    if isinstance(part, AgnosticInteraction):
        if part.residual:
            skip_irreps = part.irreps_in, part.irreps_residual
            yield from element_linear_slices(f"{mace_path}.skip_tp", f"{path}.skip", n_elements, *skip_irreps)
        else:
            yield from element_linear_slices(f"{mace_path}.skip_tp", f"{path}.select", n_elements, message, message)
        if part.by_density:
            yield from _network(part.density, f"{mace_path}.density_fn", f"{path}.density")


def _network(network: Any, mace_path: str, path: str) -> Iterator[TensorSlice]:
    """Yield the slices of a radial network; ``net`` of mace-torch repeats linear map, layer norm, activation."""
    if isinstance(network, NormalisedMLP):
        for k, part in enumerate(network.maps):
            for name in ("weight", "bias"):
                yield whole_tensor(
                    f"{mace_path}.net.{3 * k}.{name}", f"{path}.maps.{k}.{name}", getattr(part, name).shape
                )
        for k, part in enumerate(network.norms):
            for name in ("weight", "bias"):
                yield whole_tensor(
                    f"{mace_path}.net.{3 * k + 1}.{name}", f"{path}.norms.{k}.{name}", getattr(part, name).shape
                )
    else:
        for k, weight in enumerate(network.weights):
            yield whole_tensor(f"{mace_path}.layer{k}.weight", f"{path}.weights.{k}", weight.shape)


def _readouts(model: MACE) -> Iterator[TensorSlice]:
    """Yield the slices of all readouts."""
    mace_index = 0  # index of the readout in mace-torch, which has no readouts without weights
    for t, readout in enumerate(model.branches[0].readouts):
        path = f"{BRANCH}.readouts.{t}"
        if isinstance(readout, ScaledLinear):
            yield whole_tensor(f"readouts.{mace_index}.linear.weight", f"{path}.weight", readout.weight.shape)
        elif isinstance(readout, MultiHeadMLP):
            yield from _multi_head_readout(readout, f"readouts.{mace_index}", path)
        else:
            continue
        mace_index += 1


def _multi_head_readout(readout: MultiHeadMLP, mace_path: str, path: str) -> Iterator[TensorSlice]:
    """Yield the slices of a readout with hidden units.

    Each head has its own hidden units. Weights of mace-torch connect all heads; those between different heads are masked.
    They are flat from ``linear_mid`` (n_heads · n_hidden, n_heads · n_hidden) and ``linear_2`` (n_heads · n_hidden, n_heads).
    """
    n_heads, n_hidden = readout.n_outputs, readout.hidden
    yield whole_tensor(f"{mace_path}.linear_1.weight", f"{path}.first", readout.first.shape)
    for head in range(n_heads):
        first_unit = head * n_hidden  # first hidden unit of the head
        yield TensorSlice(
            f"{mace_path}.linear_2.weight",
            f"{path}.last",
            (n_hidden,),
            first_unit * n_heads + head,
            index=(head,),
            step=n_heads,
        )
        if readout.middle is not None:
            for k in range(n_hidden):
                start = (first_unit + k) * n_heads * n_hidden + first_unit
                yield TensorSlice(
                    f"{mace_path}.linear_mid.weight", f"{path}.middle", (n_hidden,), start, index=(head, k)
                )
    if readout.middle_bias is not None:
        yield whole_tensor(f"{mace_path}.linear_mid.bias", f"{path}.middle_bias", (n_heads, n_hidden))
        yield whole_tensor(f"{mace_path}.linear_2.bias", f"{path}.last_bias", (n_heads,))


def _check_paths(interaction: Tree, layer: Any) -> None:
    """Raise FormatError if the convolution of the file has other couplings than the layer, or another order of them."""
    attributes = interaction["conv_tp"].attributes
    irreps_in1, irreps_in2, irreps_out = (
        o3.Irreps(irreps_text(attributes[name])) for name in ("irreps_in1", "irreps_in2", "irreps_out")
    )
    paths = [(irreps_in1[i].ir, irreps_in2[j].ir, irreps_out[k].ir) for i, j, k, *_ in attributes["instructions"]]
    if paths != [tuple(path) for path in layer.interaction.convolution.paths]:
        raise FormatError("the convolution of a layer couples other irreps than atomgraph does, or in another order")


def _check_all_are_used(tree: Tree, used_names: set[str]) -> None:
    """Raise FormatError if the file has parameters that the model does not use."""
    constant_prefixes = ("pair_repulsion_fn.", "radial_embedding.distance_transform.", "atomic_energies_fn.")
    for name, part in tree.walk():
        for key, tensor in part.parameters.items():
            path = f"{name}.{key}" if name else key
            is_unused = path not in used_names and not path.startswith(constant_prefixes)
            # weights of contractions that are all zero have no effect
            if is_unused and tensor.numel() and not (".weights" in path and not bool(tensor.any())):
                raise FormatError(f"the file has the parameter {path}, which atomgraph does not support")


def _couplings(model: MACE, tree: Tree) -> dict[str, Tensor]:
    """Return the coupling tensors (U matrices of mace-torch) of products that store them."""
    result = {}
    for t, layer in enumerate(model.branches[0].layers):
        for (_, irrep), contraction in zip(layer.irreps_out, contractions(tree[f"products.{t}"]), strict=True):
            for nu in range(1, layer.product.order + 1):
                name = f"coupling_{irrep}_{nu}"
                if name in dict(layer.product.named_buffers()):
                    result[f"{BRANCH}.layers.{t}.product.{name}"] = contraction.tensor(f"U_matrix_{nu}")
    return result


def _set_baseline(model: MACE, tree: Tree) -> None:
    """Set E0, scale and shift of the model from the file."""
    n_heads = len(read_heads(tree))
    e0 = torch.atleast_2d(tree.tensor("atomic_energies_fn.atomic_energies")).double()
    if e0.shape != model.baseline.e0.shape:
        raise FormatError(
            f"the E0 of the file have the shape {tuple(e0.shape)} for {n_heads} heads and {len(model.elements)} elements"
        )
    model.baseline.e0.copy_(e0)
    for name in ("scale", "shift"):
        if (value := tree.find_tensor(f"scale_shift.{name}")) is not None:
            if value.numel() not in (1, n_heads):
                raise FormatError(f"the {name} of energies has {value.numel()} numbers for {n_heads} heads")
            getattr(model.baseline, name).copy_(value.double().reshape(-1))


def _set_neighbours(model: MACE, tree: Tree) -> None:
    """Set the number of neighbours of each layer, which divides messages, from the file."""
    for t, layer in enumerate(model.branches[0].layers):
        if hasattr(layer.interaction, "neighbours"):
            number = tree[f"interactions.{t}"].attributes.get("avg_num_neighbors")
            layer.interaction.neighbours.number.fill_(_number(number))


def _number(value: Any) -> float:
    """Return the mean number of neighbours as a float; FormatError if the value is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise FormatError(f"the mean number of neighbours should be a number, but is {value!r}") from None


__getattr__ = old_names_of(__name__)
