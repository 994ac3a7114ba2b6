"""Concatenation of the features of several featurizers."""

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
    r"""Concatenated features of several featurizers, :math:`h_i = h_i^{(1)} \oplus h_i^{(2)} \oplus \dots`.

    The featurizers can have different cutoffs; the attribute ``cutoff`` is the largest. The irreps of h are the
    irreps of all featurizers, one after another.

    Args:
        featurizers: Featurizers, at least one.

    Raises:
        WiringError: If there is no featurizer, or a part is not a featurizer.
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
        cutoffs: list[Any] = [featurizer.cutoff for featurizer in featurizers if hasattr(featurizer, "cutoff")]
        if cutoffs:
            self.cutoff = float(max(cutoffs))

    def element_columns(self, new_part: Any, edit: ElementEdit) -> FeatureColumns | None:
        """Relation of the old to the new columns of all featurizers, one after another; None if no column changes."""
        pairs = list(zip(self.featurizers, new_part.featurizers, strict=True))
        changes = [old_featurizer.element_columns(new_featurizer, edit) for old_featurizer, new_featurizer in pairs]
        if all(change is None for change in changes):
            return None
        origins: list[list[tuple[int, float]]] = [[] for _ in edit.rows]
        constants, offset = [], 0
        for (old_featurizer, _), change in zip(pairs, changes, strict=True):
            width = old_featurizer.irreps_out.dim
            for z, row in enumerate(origins):
                columns = [(column, 1.0) for column in range(width)] if change is None else change.origins[z]
                # −1: a new column that is not part of an old column
                row += [(column + offset if column >= 0 else -1, factor) for column, factor in columns]
            zeros = torch.zeros(len(origins), width, dtype=torch.float64)
            constants.append(zeros if change is None else change.constants)
            offset += width
        return FeatureColumns(origins, torch.cat(constants, dim=1))

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Features, (n_atoms, irreps_out.dim)."""
        return torch.cat([featurizer(graph, edges) for featurizer in self.featurizers], dim=1)
