"""Radial weights and neighbour densities of frozen interactions, as functions of the distance for pairs of elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.radial_tables import Pair, RadialFunctions
from atomgraph.compiled.radial_weights import RadialWeights, pair_edges
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.equivariant.radial_network import NormalisedMLP


class InteractionWeights(RadialWeights):
    """Radial weights of the convolution of an interaction.

    Args:
        interaction: The interaction, in float64.
    """

    def __init__(self, interaction: Interaction):
        self._interaction, self.is_pairwise = interaction, is_pairwise(interaction)

    def pairs(self, element_rows: Sequence[int]) -> list[Pair]:
        """Return the pairs of elements whose weights edges use, see ``element_pairs``."""
        return element_pairs(self._interaction, list(element_rows))

    def functions(self, pairs: Sequence[Pair]) -> RadialFunctions:
        """Return the weights of pairs of elements as functions of the distance."""
        return weight_functions(self._interaction, pairs)


def is_pairwise(interaction: Interaction) -> bool:
    """Return whether the radial weights depend on the elements of both atoms."""
    return interaction.radial.transform is not None or isinstance(interaction, NonlinearResidualInteraction)


def element_pairs(interaction: Interaction, element_rows: list[int]) -> list[Pair]:
    """Return the pair of elements whose radial weights an edge uses, for every element of its centre and of its neighbour.

    If weights do not depend on elements, there is one pair, (0, 0). Otherwise, the entry of centre k and neighbour l has the
    index k · n_elements + l. If weights are symmetric in the two elements, both orders use the pair (i, j) with i ≤ j.

    Args:
        interaction: The interaction with the weights.
        element_rows: Rows, in the model's table, of the elements that occur.
    """
    if not is_pairwise(interaction):
        return [(0, 0)]
    is_ordered = isinstance(interaction, NonlinearResidualInteraction)
    return [(i, j) if is_ordered else (min(i, j), max(i, j)) for i in element_rows for j in element_rows]


def weight_functions(interaction: Interaction, pairs: Sequence[Pair]) -> RadialFunctions:
    """Return the weights of the convolution as functions of the distance, for pairs of elements of centre and neighbour."""

    def hidden(r: Tensor) -> Tensor:
        features, envelope = _network_inputs(interaction, r, pairs)
        h = _evaluate_hidden(interaction.network, features)
        return (h if envelope is None else h * envelope[:, None]).view(len(r), -1)

    return RadialFunctions(hidden, _last_matrix(interaction.network))


def density_function(interaction: Interaction, pairs: Sequence[Pair]) -> RadialFunctions:
    """Return the contribution of an edge to the density of its centre, one function of the distance for each pair."""

    def density(r: Tensor) -> Tensor:
        features, envelope = _network_inputs(interaction, r, pairs)
        density = torch.tanh(
            (_evaluate_hidden(interaction.density, features) @ _last_matrix(interaction.density)).square()
        )
        return (density if envelope is None else density * envelope[:, None]).view(len(r), -1)

    return RadialFunctions(density, torch.ones(1, 1, dtype=torch.float64))


def _network_inputs(interaction: Interaction, r: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor | None]:
    """Compute the inputs of the networks, for an edge of each distance and each pair of elements.

    Returns:
        The inputs, (n · n_pairs, n_inputs), and the envelope of the messages, (n · n_pairs,); None for messages without
        envelope. The row is distance · n_pairs + pair, for n distances.
    """
    element = torch.tensor(pairs)
    edges = pair_edges(r, pairs, len(interaction.elements))
    features, envelope = interaction.radial(edges)
    if isinstance(interaction, NonlinearResidualInteraction):
        scale = len(interaction.elements) ** -0.5
        embeddings = torch.cat([interaction.source[element[:, 1]], interaction.target[element[:, 0]]], dim=1) * scale
        features = torch.cat([features, embeddings.repeat(len(r), 1)], dim=1)
    return features, envelope


def _evaluate_hidden(network: Any, x: Tensor) -> Tensor:
    """Return the values of the last hidden layer of a network; the output is their product with ``_last_matrix``."""
    if not isinstance(network, NormalisedMLP):
        hidden: Tensor = network.hidden(x)
        return hidden
    for linear, norm in zip(network.maps, network.norms, strict=False):
        x = torch.nn.functional.silu(norm(linear(x)))
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # the last column is for the bias


def _last_matrix(network: Any) -> Tensor:
    """Return the matrix of the last layer of a network, with the bias as its last row if there is a bias."""
    if isinstance(network, NormalisedMLP):
        linear: Any = network.maps[-1]
        return torch.cat([linear.weight.T, linear.bias[None]]).detach()
    last: Tensor = network.last.detach()
    return last


def has_density(interaction: Interaction) -> bool:
    """Return whether an interaction divides its sums over neighbours by a density of neighbours."""
    return isinstance(interaction, NonlinearResidualInteraction) or (
        isinstance(interaction, AgnosticInteraction) and interaction.by_density
    )
