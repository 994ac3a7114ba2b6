"""Electronic embedding: charge and spin of the structure, distributed over its atoms by attention."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.activation import get_activation
from atomgraph.nn.edges import Edges
from atomgraph.nn.protocols import Featurizer
from atomgraph.ops.scatter import sum_to

STATES = ("charge", "spin")


class ElectronicEmbedding(Featurizer):
    r"""Embedding of the element, plus a term of the charge and a term of the spin of the structure.

    .. math:: h_i \leftarrow h_i + \mathrm{Res}\Big(\frac{a_i}{1 + \epsilon}\, W_v s\Big), \qquad
              a_i = \mathrm{softmax}_i \frac{(W_q h_i + b) \cdot (W_k \hat s)}{\sqrt{n}}

    The terms are added one after the other. The softmax is over the atoms of a structure, n is the number of features, and
    :math:`\hat s = s / \max(s, 1)`. For a charge Q, s is :math:`[\max(Q, 0), \max(-Q, 0)]`; for a spin multiplicity M, s is
    :math:`|M|`. Res is a network of residual blocks without biases.
    The energy of fragments that are far apart in one structure is not additive, because they share one charge.

    Args:
        embedding: Embedding of the element.
        states: Number of residual blocks for ``charge`` and for ``spin``, in the order in which the terms are added.
        activation: Activation function of the residual blocks.
        epsilon: Constant ε, no unit.

    Raises:
        WiringError: If a state is unknown, the number of residual blocks is below one, or the embedding is not a featurizer.

    Source: Unke et al., Nat. Commun. 12, 7273 (2021); the program schnetpack 2.
    """

    reads_states = True

    def __init__(
        self,
        embedding: Featurizer,
        states: Mapping[str, int],
        activation: str = "shifted_softplus",
        epsilon: float = 1e-8,
    ):
        super().__init__()
        if not isinstance(embedding, Featurizer):
            raise WiringError(f"an ElectronicEmbedding needs a Featurizer, but got a {type(embedding).__name__}")
        if not states:
            raise WiringError("an ElectronicEmbedding needs states, such as {'charge': 1}, but has none")
        for name, n_residual in states.items():
            if name not in STATES:
                raise WiringError(f"unknown state {name!r}{nearest(str(name), STATES)}; states are charge and spin")
            if isinstance(n_residual, bool) or not isinstance(n_residual, int) or n_residual < 1:
                raise WiringError(f"states.{name} should be a number of residual blocks, but is {n_residual!r}")
        self.embedding, self.states = embedding, dict(states)
        self.irreps_out = embedding.irreps_out
        n_features = self.irreps_out.dim
        self.terms = torch.nn.ModuleDict(
            {
                name: _StateTerm(n_features, 2 if name == "charge" else 1, n_residual, activation, epsilon)
                for name, n_residual in states.items()
            }
        )

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, irreps_out.dim)."""
        h: Tensor = self.embedding(graph, edges)
        for name, term in self.terms.items():
            value = graph[name].to(h.dtype)
            state = torch.stack([value, -value], dim=1).relu() if name == "charge" else value.abs()[:, None]
            h = h + term(h, state, graph.graph_of_atom)
        return h


class _StateTerm(torch.nn.Module):
    """Term of one state: attention over the atoms of a structure, and residual blocks."""

    def __init__(self, n_features: int, state_width: int, n_residual: int, activation: str, epsilon: float):
        super().__init__()
        self.epsilon, self.activation = epsilon, get_activation(activation)
        self.query = torch.nn.Linear(n_features, n_features)
        self.key = torch.nn.Linear(state_width, n_features, bias=False)
        self.value = torch.nn.Linear(state_width, n_features, bias=False)
        self.blocks = torch.nn.ModuleList(
            torch.nn.ModuleList(torch.nn.Linear(n_features, n_features, bias=False) for _ in range(2))
            for _ in range(n_residual)
        )
        self.last = torch.nn.Linear(n_features, n_features, bias=False)

    def forward(self, h: Tensor, state: Tensor, graph_of_atom: Tensor) -> Tensor:
        """Return the term, (n_atoms, n), of features h, (n_atoms, n), and states s, (n_graphs, state_width)."""
        key = self.key(state / state.clamp(min=1.0))[graph_of_atom]
        logits = (self.query(h) * key).sum(dim=1) / h.shape[1] ** 0.5
        y = (_softmax(logits, graph_of_atom, len(state)) / (1.0 + self.epsilon))[:, None]
        y = y * self.value(state)[graph_of_atom]
        for block in self.blocks:
            first, second = block.children()
            y = y + second(self.activation(first(self.activation(y))))
        result: Tensor = self.last(self.activation(y))
        return result


def _softmax(logits: Tensor, graph_of_atom: Tensor, n_graphs: int) -> Tensor:
    """Softmax over the atoms of each structure, (n_atoms,)."""
    largest = logits.detach().new_full((n_graphs,), -torch.inf)
    largest = largest.scatter_reduce(0, graph_of_atom, logits.detach(), "amax")
    weights = torch.exp(logits - largest[graph_of_atom])
    return weights / sum_to(weights, graph_of_atom, n_graphs)[graph_of_atom]
