"""Concatenation: several descriptions of an atom, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, a_kind
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, FeatureColumns
from atomgraph.nn.protocols import Featurizer


class Concatenation(Featurizer):
    r"""Featurizers side by side, :math:`h_i = h_i^{(1)} \oplus h_i^{(2)} \oplus \dots`, each with a reach of its own.

    Args:
        featurizers: One or more. h is (n_atoms, sum of their widths); ``irreps_out`` is the sum of theirs, in order.

    Raises:
        WiringError: If there is none, or a part is no featurizer.
    """

    featurizers: Any  # ModuleList of Featurizer

    def __init__(self, featurizers: Sequence[Featurizer]):
        super().__init__()
        if not featurizers:
            raise WiringError("a concatenation needs at least one featurizer")
        for i, featurizer in enumerate(featurizers):
            if not isinstance(featurizer, Featurizer):
                raise WiringError(f"featurizers[{i}] should be a Featurizer, but is {a_kind(featurizer)}")
        self.featurizers = torch.nn.ModuleList(featurizers)
        self.irreps_out = sum((o3.Irreps(featurizer.irreps_out) for featurizer in featurizers), o3.Irreps())
        reaches: list[Any] = [featurizer.cutoff for featurizer in featurizers if hasattr(featurizer, "cutoff")]
        if reaches:
            self.cutoff = float(max(reaches))

    def element_columns(self, new: Any, edit: ElementEdit) -> FeatureColumns | None:
        """The columns of all featurizers, side by side."""
        pairs = list(zip(self.featurizers, new.featurizers, strict=True))
        parts = [old.element_columns(built, edit) for old, built in pairs]
        if all(part is None for part in parts):
            return None
        origins: list[list[tuple[int, float]]] = [[] for _ in edit.rows]
        constants, before = [], 0
        for (old, _), part in zip(pairs, parts, strict=True):
            width = old.irreps_out.dim
            for z, row in enumerate(origins):
                columns = [(column, 1.0) for column in range(width)] if part is None else part.origins[z]
                row += [(column + before if column >= 0 else -1, count) for column, count in columns]
            zeros = torch.zeros(len(origins), width, dtype=torch.float64)
            constants.append(zeros if part is None else part.constants)
            before += width
        return FeatureColumns(origins, torch.cat(constants, dim=1))

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_out.dim)."""
        return torch.cat([featurizer(graph, edges) for featurizer in self.featurizers], dim=1)
