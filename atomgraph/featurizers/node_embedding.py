"""Node embedding: a description of an atom by its element, and by charge and spin of its structure."""

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

# name of a state, in configurations and in MACE's files: field of the graph
FIELDS = {"total_charge": "charge", "charge": "charge", "total_spin": "spin", "spin": "spin"}
# accepted keys of the settings in ``global_state``
KEYS = ("type", "per", "emb_dim", "num_classes", "offset", "in_dim", "use_bias")


class NodeEmbedding(Featurizer):
    r"""Node embedding :math:`h_i = W_{z_i} / \sqrt{n_{el}} + \mathrm{silu}(P\,[\,s_1, s_2, \dots])`.

    :math:`n_{el}` is the number of elements, and P a trained matrix. The vectors s describe the charge or the spin of the
    structure.

    Args:
        elements: Chemical symbols.
        channels: Number of features.
        global_state: Settings of each vector s, by name: ``{"total_charge": {"type": "categorical", "emb_dim": 16,
            "num_classes": 9, "offset": 4}}``. Names are ``total_charge`` (units of e) and ``total_spin`` (multiplicity).
            ``emb_dim`` is the length of s. ``type: categorical``: s is row number (value + ``offset``) of a trained table
            with ``num_classes`` rows. ``type: continuous``: s is the output of a small network of the value, with biases if
            ``use_bias``. None: no vectors s.

    Raises:
        WiringError: If a key or type is unknown, or a number is missing or below one.

    Source: Batatia et al., NeurIPS 2022; states: mace-torch 0.3.16, ``GenericJointEmbedding``.
    """

    def __init__(self, elements: Sequence[str], channels: int, global_state: Mapping[str, Any] | None = None):
        super().__init__()
        if channels < 1:
            raise WiringError(f"channels must be at least 1, but is {channels}")
        self.elements = checked_symbols(elements)
        self.irreps_out = o3.Irreps(f"{channels}x0e")
        self.weight = torch.nn.Parameter(torch.randn(len(self.elements), channels))
        # settings of the vector of each state (charge or spin), by name
        self.states = {name: _check_settings(name, settings) for name, settings in (global_state or {}).items()}
        self.reads_states = bool(self.states)
        self.embedders = torch.nn.ModuleDict({name: _make_embedder(settings) for name, settings in self.states.items()})
        width = sum(settings["emb_dim"] for settings in self.states.values())
        self.project = torch.nn.Linear(width, channels, bias=False) if self.states else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the table of vectors as a linear map of one-hot elements."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Vectors of the new elements, scaled because they are divided by the square root of the number of elements."""
        return {"weight": self.weight[edit.rows] * edit.factor}

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, channels).

        Raises:
            GraphError: If the table of a charge or spin has no row for the value of a structure.
        """
        h = self.weight[edges.element] / len(self.elements) ** 0.5
        if self.project is None:
            return h
        vectors = torch.cat([self._embed_state(name, graph) for name in self.states], dim=1)  # (n_graphs, width)
        return h + torch.nn.functional.silu(self.project(vectors))[graph.graph_of_atom]

    def _embed_state(self, name: str, graph: AtomicGraph) -> Tensor:
        """Vector s of the charge or the spin, (n_graphs, emb_dim)."""
        settings, value = self.states[name], graph[FIELDS[name]]  # value: (n_graphs,)
        if settings["type"] == "continuous":
            vectors: Tensor = self.embedders[name](value.to(self.weight.dtype)[:, None])
            return vectors
        lowest, n = -settings.get("offset", 0), settings["num_classes"]
        row = value.round().long() - lowest
        invalid = (row < 0) | (row >= n) | (value != value.round())
        if bool(invalid.any()):
            raise GraphError(
                f"a {FIELDS[name]} of {value[invalid][0].item():g} is not one of the values of this model, which are "
                f"whole numbers from {lowest} to {lowest + n - 1} (info['{FIELDS[name]}'] of the structure)"
            )
        result: Tensor = self.embedders[name](row)
        return result


def _check_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the vector of a charge or spin; WiringError if they are invalid."""
    if name not in FIELDS:
        raise WiringError(
            f"unknown state {name!r}{nearest(name, FIELDS)}; the states of a structure are its charge and its spin"
        )
    for key in settings:
        if key not in KEYS:
            raise WiringError(f"global_state.{name}.{key}: unknown key{nearest(str(key), KEYS)}")
    if settings.get("per", "graph") != "graph" or settings.get("in_dim", 1) != 1:
        raise WiringError(
            f"global_state.{name} should be one number per structure (per: graph, in_dim: 1), but is {dict(settings)}"
        )
    required = {"categorical": ("emb_dim", "num_classes"), "continuous": ("emb_dim",)}.get(settings.get("type", ""))
    if required is None or any(not isinstance(settings.get(key), int) or settings[key] < 1 for key in required):
        raise WiringError(
            f"global_state.{name} should be {{type: categorical, num_classes: n, emb_dim: n}} or "
            f"{{type: continuous, emb_dim: n}}, but is {dict(settings)}"
        )
    return dict(settings)


def _make_embedder(settings: Mapping[str, Any]) -> torch.nn.Module:
    """Return the table or network whose outputs are the vectors of a charge or spin."""
    width = settings["emb_dim"]
    if settings["type"] == "categorical":
        return torch.nn.Embedding(settings["num_classes"], width)
    bias = settings.get("use_bias", True)
    return torch.nn.Sequential(
        torch.nn.Linear(1, width, bias=bias), torch.nn.SiLU(), torch.nn.Linear(width, width, bias=bias)
    )
