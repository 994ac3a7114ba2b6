"""Copies the weights of a MACE file into the state dict of our model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.mace.architecture import contractions, dtype_of, heads_of
from atomgraph.formats.mace.decode import irreps_text
from atomgraph.formats.mace.module_tree import Tree
from atomgraph.formats.mace.weight_map import TensorSlice, element_linear, linear, to_ours, whole
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.attention import AttentionResidualInteraction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.models.mace import MACE
from atomgraph.nn.equivariant.radial_network import NormalisedMLP
from atomgraph.readouts import MultiHeadMLP, ScaledLinear

BRANCH = "branches.0"


def pieces_of(model: MACE) -> list[TensorSlice]:
    """Where every learned number of the model lies in a file of mace-torch."""
    return [*_embedding(model), *_layers(model), *_readouts(model)]


def load_weights(model: MACE, tree: Tree) -> None:
    """Fill the model with a file's numbers, in the file's dtype; in float64 where adapters were merged.

    Raises:
        FormatError: Where paths or numbers are other than the model's, or a learned number has no place in it.
    """
    dtype = torch.float64 if tree.adapters else dtype_of(tree)
    for t in range(int(tree.tensor("num_interactions"))):
        _check_paths(tree[f"interactions.{t}"], model.branches[0].layers[t])
    pieces = pieces_of(model)
    _check_all_are_used(tree, {piece.theirs for piece in pieces})
    state = model.state_dict()
    result = to_ours(pieces, tree.tensor, state, dtype)
    model.to(dtype)
    for name, tensor in result.items():
        if state[name].shape != tensor.shape:
            raise FormatError(f"its numbers for {name} have the shape {tuple(tensor.shape)}")
    result |= _couplings(model, tree)
    missing = model.load_state_dict(result, strict=False).missing_keys
    left = [name for name in missing if not name.endswith(("places", *_BASELINE))]
    if left:
        raise FormatError(f"it has no numbers for {', '.join(left[:3])}")
    with torch.no_grad():
        _set_baseline(model, tree)
        _set_neighbours(model, tree)


_BASELINE = ("baseline.e0", "baseline.scale", "baseline.shift", "neighbours.number")


def _embedding(model: MACE) -> Iterator[TensorSlice]:
    embedding, place = model.branches[0].featurizer, f"{BRANCH}.featurizer"
    yield whole("node_embedding.linear.weight", f"{place}.weight", embedding.weight.shape)
    for name, module in embedding.embedders.items():
        for key, parameter in module.named_parameters():
            yield whole(f"joint_embedding.embedders.{name}.{key}", f"{place}.embedders.{name}.{key}", parameter.shape)
    if embedding.project is not None:
        yield whole("joint_embedding.project.0.weight", f"{place}.project.weight", embedding.project.weight.shape)
    if model.state_readout is not None:
        shape = model.state_readout.weight.shape
        yield whole("embedding_readout.linear.weight", "state_readout.weight", shape)


def _layers(model: MACE) -> Iterator[TensorSlice]:
    radial = model.branches[0].layers[0].radial
    if radial.basis != "chebyshev":
        name = {"bessel": "bessel_weights", "gaussian": "gaussian_weights"}[radial.basis]
        for t in range(len(model.branches[0].layers)):
            for ours in (f"{BRANCH}.layers.{t}.radial.places", f"{BRANCH}.layers.{t}.interaction.radial.places"):
                yield whole(f"radial_embedding.bessel_fn.{name}", ours, radial.places.shape)
    for t, layer in enumerate(model.branches[0].layers):
        yield from _interaction(layer.interaction, f"interactions.{t}", f"{BRANCH}.layers.{t}.interaction")
        theirs, ours = f"products.{t}", f"{BRANCH}.layers.{t}"
        for k, (_, irrep) in enumerate(layer.irreps_out):
            order = layer.product.order
            for nu in range(1, order + 1):
                key = f"{irrep}_{nu}"
                if key in layer.product.weights:
                    name = "weights_max" if nu == order else f"weights.{order - 1 - nu}"
                    shape = layer.product.weights[key].shape
                    place = f"{theirs}.symmetric_contractions.contractions.{k}.{name}"
                    yield whole(place, f"{ours}.product.weights.{key}", shape)
        yield from linear(f"{theirs}.linear", f"{ours}.mix", layer.irreps_out, layer.irreps_out)


def _interaction(part: Any, theirs: str, ours: str) -> Iterator[TensorSlice]:
    conv = o3.Irreps(part.convolution.irreps_out)
    message, n_elements = part.irreps_message, len(part.elements)
    yield from linear(f"{theirs}.linear_up", f"{ours}.up", part.irreps_in, part.irreps_up)
    yield from _network(part.network, f"{theirs}.conv_tp_weights", f"{ours}.network")
    if isinstance(part, NonlinearResidualInteraction):
        gated = part.gate.irreps_in
        yield from linear(f"{theirs}.linear_1", f"{ours}.mix", conv, gated)
        yield from linear(f"{theirs}.linear_res", f"{ours}.past", part.irreps_up, gated)
        yield from linear(f"{theirs}.linear_2", f"{ours}.last", message, message)
        yield from linear(f"{theirs}.skip_tp", f"{ours}.skip", part.irreps_in, part.irreps_residual)
        for name in ("source", "target"):
            yield whole(f"{theirs}.{name}_embedding.weight", f"{ours}.{name}", part.source.shape)
        for name in ("alpha", "beta"):
            yield whole(f"{theirs}.{name}", f"{ours}.{name}", ())
        yield from _network(part.density, f"{theirs}.density_fn", f"{ours}.density")
        return
    yield from linear(f"{theirs}.linear", f"{ours}.mix", conv, message)
    if isinstance(part, AttentionResidualInteraction):
        yield from linear(f"{theirs}.linear_down", f"{ours}.down", part.irreps_in, part.down.irreps_out)
        yield from linear(f"{theirs}.skip_linear", f"{ours}.skip", part.irreps_in, part.irreps_residual)
    if isinstance(part, AgnosticInteraction):
        if part.residual:
            ends = part.irreps_in, part.irreps_residual
            yield from element_linear(f"{theirs}.skip_tp", f"{ours}.skip", n_elements, *ends)
        else:
            yield from element_linear(f"{theirs}.skip_tp", f"{ours}.select", n_elements, message, message)
        if part.by_density:
            yield from _network(part.density, f"{theirs}.density_fn", f"{ours}.density")


def _network(network: Any, theirs: str, ours: str) -> Iterator[TensorSlice]:
    if isinstance(network, NormalisedMLP):
        for k, part in enumerate(network.maps):
            for name in ("weight", "bias"):
                yield whole(f"{theirs}.net.{3 * k}.{name}", f"{ours}.maps.{k}.{name}", getattr(part, name).shape)
        for k, part in enumerate(network.norms):
            for name in ("weight", "bias"):
                yield whole(f"{theirs}.net.{3 * k + 1}.{name}", f"{ours}.norms.{k}.{name}", getattr(part, name).shape)
    else:
        for k, weight in enumerate(network.weights):
            yield whole(f"{theirs}.layer{k}.weight", f"{ours}.weights.{k}", weight.shape)


def _readouts(model: MACE) -> Iterator[TensorSlice]:
    place = 0
    for t, readout in enumerate(model.branches[0].readouts):
        ours = f"{BRANCH}.readouts.{t}"
        if isinstance(readout, ScaledLinear):
            yield whole(f"readouts.{place}.linear.weight", f"{ours}.weight", readout.weight.shape)
        elif isinstance(readout, MultiHeadMLP):
            yield from _grouped(readout, f"readouts.{place}", ours)
        else:
            continue
        place += 1


def _grouped(readout: MultiHeadMLP, theirs: str, ours: str) -> Iterator[TensorSlice]:
    """Their maps between hidden units of different heads are masked out; only the blocks of one head count."""
    heads, n = readout.n_outputs, readout.hidden
    yield whole(f"{theirs}.linear_1.weight", f"{ours}.first", readout.first.shape)
    for head in range(heads):
        first = head * n
        yield TensorSlice(
            f"{theirs}.linear_2.weight", f"{ours}.last", (n,), first * heads + head, place=(head,), step=heads
        )
        if readout.middle is not None:
            for k in range(n):
                start = (first + k) * heads * n + first
                yield TensorSlice(f"{theirs}.linear_mid.weight", f"{ours}.middle", (n,), start, place=(head, k))
    if readout.middle_bias is not None:
        yield whole(f"{theirs}.linear_mid.bias", f"{ours}.middle_bias", (heads, n))
        yield whole(f"{theirs}.linear_2.bias", f"{ours}.last_bias", (heads,))


def _check_paths(theirs: Tree, ours: Any) -> None:
    """The couplings of the file's convolution, one by one, against ours: weights go by their order."""
    known = theirs["conv_tp"].attributes
    first, second, out = (o3.Irreps(irreps_text(known[name])) for name in ("irreps_in1", "irreps_in2", "irreps_out"))
    paths = [(first[i].ir, second[j].ir, out[k].ir) for i, j, k, *_ in known["instructions"]]
    if paths != [tuple(path) for path in ours.interaction.convolution.paths]:
        raise FormatError("its convolution couples irreps in an order that atomgraph does not know")


def _check_all_are_used(tree: Tree, used: set[str]) -> None:
    known = ("pair_repulsion_fn.", "radial_embedding.distance_transform.", "atomic_energies_fn.")
    for name, part in tree.walk():
        for key, tensor in part.parameters.items():
            path = f"{name}.{key}" if name else key
            unused = path not in used and not path.startswith(known)
            if unused and tensor.numel() and not (".weights" in path and not bool(tensor.any())):
                raise FormatError(f"it has learned numbers {path}, which atomgraph has no place for")


def _couplings(model: MACE, tree: Tree) -> dict[str, Tensor]:
    """U tensors of products whose couplings came with the file."""
    result = {}
    for t, layer in enumerate(model.branches[0].layers):
        for (_, irrep), theirs in zip(layer.irreps_out, contractions(tree[f"products.{t}"]), strict=True):
            for nu in range(1, layer.product.order + 1):
                name = f"coupling_{irrep}_{nu}"
                if name in dict(layer.product.named_buffers()):
                    result[f"{BRANCH}.layers.{t}.product.{name}"] = theirs.tensor(f"U_matrix_{nu}")
    return result


def _set_baseline(model: MACE, tree: Tree) -> None:
    heads = len(heads_of(tree))
    e0 = torch.atleast_2d(tree.tensor("atomic_energies_fn.atomic_energies")).double()
    if e0.shape != model.baseline.e0.shape:
        raise FormatError(
            f"its E0 have the shape {tuple(e0.shape)} for {heads} heads and {len(model.elements)} elements"
        )
    model.baseline.e0.copy_(e0)
    for name in ("scale", "shift"):
        if (value := tree.find_tensor(f"scale_shift.{name}")) is not None:
            if value.numel() not in (1, heads):
                raise FormatError(f"its {name} has {value.numel()} numbers for {heads} heads")
            getattr(model.baseline, name).copy_(value.double().reshape(-1))


def _set_neighbours(model: MACE, tree: Tree) -> None:
    for t, layer in enumerate(model.branches[0].layers):
        if hasattr(layer.interaction, "neighbours"):
            number = tree[f"interactions.{t}"].attributes.get("avg_num_neighbors")
            layer.interaction.neighbours.number.fill_(_number(number))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise FormatError(f"its mean number of neighbours is {value!r}") from None
