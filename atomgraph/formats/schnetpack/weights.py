"""Weights of a schnetpack model, translated to the state dict of ``SchNet`` and ``PaiNN``."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.formats.schnetpack.dense import read_perceptron
from atomgraph.formats.schnetpack.energy_terms import EnergyTerms, FileUnits
from atomgraph.models.energy import EnergyModel

# name in schnetpack: name in atomgraph
_SCHNET = {"filter_network": "filter_network", "f2out": "output_network"}
_ZBL = {"a_pow": "power", "a_div": "inverse_length", "coefficients": "coefficients", "exponents": "exponents"}


def translate_weights(model: EnergyModel, tree: Tree, terms: EnergyTerms, units: FileUnits) -> dict[str, Tensor]:
    """Return the complete state dict of the model with the weights of a file.

    Args:
        model: Model with the architecture of the file.
        tree: The modules of the file.
        terms: Terms of the energy.
        units: Units of the file.

    Raises:
        FormatError: If a tensor is missing, or an element has no row in the table of the file.
    """
    representation = tree["representation"]
    branch = _embedding(representation, model.elements)
    read_layers = {"SchNet": _schnet_layers, "PaiNN": _painn_layers}[representation.kind]
    branch |= read_layers(representation, _radial(representation, units.length))
    is_mean = terms.aggregation == "mean"
    inner = "readouts.0.readout" if is_mean else "readouts.0"
    branch |= read_perceptron(tree, f"{terms.readout}.outnet").state(f"{inner}.mlp")
    constants = torch.tensor([terms.offsets.get(symbol, 0.0) for symbol in model.elements], dtype=torch.float64)
    e0 = torch.zeros_like(constants)
    if is_mean and not terms.extensive:
        branch["readouts.0.shift"] = constants + terms.mean
    else:
        e0 = constants + terms.mean
        if is_mean:
            branch["readouts.0.shift"] = torch.zeros_like(constants)
    state = {f"branches.0.{name}": tensor for name, tensor in branch.items()}
    state |= {f"baseline.repulsion.{name}": tensor for name, tensor in _repulsion(tree, terms, units.length).items()}
    state["baseline.e0"] = e0[None] * units.energy
    state["baseline.scale"] = torch.full((1,), units.energy, dtype=torch.float64)
    state["baseline.shift"] = torch.zeros(1, dtype=torch.float64)
    missing = sorted(model.state_dict().keys() - state.keys())
    if missing:
        raise FormatError(f"the file has no weights for {', '.join(missing[:3])}")
    return state


def _embedding(representation: Tree, elements: list[str]) -> dict[str, Tensor]:
    """Return the table of elements, and the weights of the terms of charge and spin."""
    module = representation["embedding"]
    if module.kind == "NuclearEmbedding":
        configuration = module.tensor("electron_config").to(module.tensor("element_embedding").dtype)
        table = module.tensor("element_embedding") + configuration @ module.tensor("config_linear.weight").T
    elif module.kind == "Embedding":
        table = module.tensor("weight")
    else:
        raise FormatError(f"the model has the embedding {module.kind}, which is not read")
    rows = [atomic_numbers[symbol] for symbol in elements]
    if max(rows) >= len(table):
        raise FormatError(
            f"the model has embeddings up to the atomic number {len(table) - 1}, but is used up to {max(rows)}"
        )
    states = representation.get("electronic_embeddings")
    if states is None or not states.children:
        return {"featurizer.weight": table[rows]}
    weights = {"featurizer.embedding.weight": table[rows]}
    for term in states.children.values():
        name = "charge" if term.attributes.get("is_charged") else "spin"
        prefix = f"featurizer.terms.{name}"
        weights |= {
            f"{prefix}.query.weight": term.tensor("linear_q.weight"),
            f"{prefix}.query.bias": term.tensor("linear_q.bias"),
            f"{prefix}.key.weight": term.tensor("linear_k.weight"),
            f"{prefix}.value.weight": term.tensor("linear_v.weight"),
            f"{prefix}.last.weight": term.tensor("resblock.linear.weight"),
        }
        for block, residual in term["resblock.residual.stack"].children.items():
            for k in range(2):
                weights[f"{prefix}.blocks.{block}.{k}.weight"] = residual.tensor(f"linear{k + 1}.weight")
    return weights


def _radial(representation: Tree, length: float) -> dict[str, Tensor]:
    """Return the numbers of the radial embedding; ``length`` is the unit of length, Å."""
    basis = representation["radial_basis"]
    if basis.kind == "BesselRBF":
        return {"radial.places": basis.tensor("freqs").double() / length}
    numbers = {"radial.places": basis.tensor("offsets").double() * length}
    widths = basis.tensor("widths").double() * length
    if basis.kind == "GaussianRBFCentered" or "widths" in basis.parameters or not bool((widths == widths[0]).all()):
        numbers["radial.widths"] = widths
    return numbers


def _schnet_layers(representation: Tree, radial: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the convolutions; each contains the numbers ``radial`` of the shared radial embedding."""
    weights: dict[str, Tensor] = {}
    for t, interaction in enumerate(representation["interactions"].children.values()):
        layer = {**radial, "input_map": interaction.tensor("in2f.weight").T}
        for source, name in _SCHNET.items():
            layer |= read_perceptron(interaction, source).state(name)
        weights |= {f"layers.{t}.layer.{name}": tensor for name, tensor in layer.items()}
    return weights


def _painn_layers(representation: Tree, radial: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of message and update blocks; each message block contains the numbers ``radial``."""
    weights: dict[str, Tensor] = {}
    filters = read_perceptron(representation, "filter_net").state("filters")
    width = 3 * representation["mixing.0"].tensor("mu_channel_mix.weight").shape[1]
    blocks = zip(
        representation["interactions"].children.values(), representation["mixing"].children.values(), strict=True
    )
    for t, (interaction, mixing) in enumerate(blocks):
        # the filters of all layers are the columns of one matrix
        start = 0 if representation.attributes.get("share_filters") else t * width
        message = dict(radial) | {name: tensor[..., start : start + width] for name, tensor in filters.items()}
        message |= read_perceptron(interaction, "interatomic_context_net").state("network")
        update = {"mix.weight": mixing.tensor("mu_channel_mix.weight")}
        update |= read_perceptron(mixing, "intraatomic_context_net").state("network")
        weights |= {f"layers.{2 * t}.{name}": tensor for name, tensor in message.items()}
        weights |= {f"layers.{2 * t + 1}.{name}": tensor for name, tensor in update.items()}
    return weights


def _repulsion(tree: Tree, terms: EnergyTerms, length: float) -> dict[str, Tensor]:
    """Return the parameters of the repulsion; ``length`` is the unit of length, Å."""
    if terms.repulsion is None:
        return {}
    weights = {name: tree[terms.repulsion].tensor(source).double().flatten() for source, name in _ZBL.items()}
    if length != 1.0:  # the stored number is the inverse function of softplus of the inverse length
        inverse_length = torch.nn.functional.softplus(weights["inverse_length"]) / length
        weights["inverse_length"] = torch.log(torch.expm1(inverse_length))
    return weights
