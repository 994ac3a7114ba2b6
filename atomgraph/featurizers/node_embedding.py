"""Node embedding: what an atom is, and the charge and spin of the structure around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import GraphError, WiringError, nearest
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import Featurizer

FIELDS = {
    "total_charge": "charge",
    "charge": "charge",
    "total_spin": "spin",
    "spin": "spin",
}  # name: field of the graph
KEYS = ("type", "per", "emb_dim", "num_classes", "offset", "in_dim", "use_bias")


class NodeEmbedding(Featurizer):
    r""":math:`h_i = W_{z_i} / \sqrt Z + \mathrm{silu}(P\,[\,s_1, s_2, \dots])`, a vector s for each state of the structure.

    Args:
        elements: Z chemical symbols.
        channels: Width; h is (n_atoms, channels), ``{channels}x0e``.
        global_state: For each of ``total_charge`` (e) and ``total_spin`` (multiplicity) a mapping: ``type:
            categorical`` with ``num_classes`` rows of a table, the row being the value plus ``offset``, or ``type:
            continuous``, a small network with biases (``use_bias``); ``emb_dim``, the width of s.

    Raises:
        WiringError: For what it does not know; forward: GraphError for a charge or spin that has no row.

    Source: Batatia et al., NeurIPS 2022; states: mace-torch 0.3.16, ``GenericJointEmbedding``.
    """

    def __init__(self, elements: Sequence[str], channels: int, global_state: Mapping[str, Any] | None = None):
        super().__init__()
        if channels < 1:
            raise WiringError(f"channels must be at least 1, but is {channels}")
        self.elements = checked_symbols(elements)
        self.irreps_out = o3.Irreps(f"{channels}x0e")
        self.weight = torch.nn.Parameter(torch.randn(len(self.elements), channels))
        self.states = {name: _checked(name, state) for name, state in (global_state or {}).items()}
        self.reads_states = bool(self.states)
        self.embedders = torch.nn.ModuleDict({name: _embedder(state) for name, state in self.states.items()})
        width = sum(state["emb_dim"] for state in self.states.values())
        self.project = torch.nn.Linear(width, channels, bias=False) if self.states else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """The vectors of each element: a linear map of which element an atom is."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The vectors of each element, which are divided by the square root of the number of elements."""
        return {"weight": self.weight[edit.rows] * edit.factor}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, channels)."""
        h = self.weight[edges.element] / len(self.elements) ** 0.5
        if self.project is None:
            return h
        states = torch.cat([self._embedded(name, graph) for name in self.states], dim=1)  # (n_graphs, width)
        return h + torch.nn.functional.silu(self.project(states))[graph.graph_of_atom]

    def _embedded(self, name: str, graph: AtomicGraph) -> Tensor:
        state, value = self.states[name], graph[FIELDS[name]]  # (n_graphs,)
        if state["type"] == "continuous":
            embedded: Tensor = self.embedders[name](value.to(self.weight.dtype)[:, None])
            return embedded
        first, n = -state.get("offset", 0), state["num_classes"]
        row = value.round().long() - first
        strange = (row < 0) | (row >= n) | (value != value.round())
        if bool(strange.any()):
            raise GraphError(
                f"a {FIELDS[name]} of {value[strange][0].item():g} is none that this model knows; "
                f"it knows whole numbers from {first} to {first + n - 1} (info['{FIELDS[name]}'] of the structure)"
            )
        result: Tensor = self.embedders[name](row)
        return result


def _checked(name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    if name not in FIELDS:
        raise WiringError(f"unknown state {name!r}{nearest(name, FIELDS)}; a structure has a charge and a spin")
    for key in state:
        if key not in KEYS:
            raise WiringError(f"global_state.{name}.{key}: unknown key{nearest(str(key), KEYS)}")
    if state.get("per", "graph") != "graph" or state.get("in_dim", 1) != 1:
        raise WiringError(f"global_state.{name} should be one number for a structure, but is {dict(state)}")
    needed = {"categorical": ("emb_dim", "num_classes"), "continuous": ("emb_dim",)}.get(state.get("type", ""))
    if needed is None or any(not isinstance(state.get(key), int) or state[key] < 1 for key in needed):
        raise WiringError(
            f"global_state.{name} should be {{type: categorical, num_classes: n, emb_dim: n}} or "
            f"{{type: continuous, emb_dim: n}}, but is {dict(state)}"
        )
    return dict(state)


def _embedder(state: Mapping[str, Any]) -> torch.nn.Module:
    width = state["emb_dim"]
    if state["type"] == "categorical":
        return torch.nn.Embedding(state["num_classes"], width)
    bias = state.get("use_bias", True)
    return torch.nn.Sequential(
        torch.nn.Linear(1, width, bias=bias), torch.nn.SiLU(), torch.nn.Linear(width, width, bias=bias)
    )
