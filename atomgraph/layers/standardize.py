"""Standardize: features brought to mean zero and width one, as the training data have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, FeatureColumns
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.protocols import Layer
from atomgraph.ops.scatter import sum_to


class Standardize(Layer):
    r""":math:`h'_{ic} = (h_{ic} - \mu_{zc}) / s_{zc}`, z the element of atom i; the identity until it is calibrated.

    ``mean`` and ``width`` (n_elements, channels) come from the training data once (``nn.protocols.Calibrated``) and are not
    trained. A width is never below a tenth of the feature's width over all elements, nor below a hundredth of its
    root mean square, so that a feature that hardly varies in training is not blown up. A feature that is constant on each
    element (the column that says which element an atom is) is left alone. An element with fewer than two atoms takes the
    numbers of all elements together.

    Args:
        elements: Chemical symbols, in the model's order.
        irreps_in: Scalars per atom, their number or irreps (``0e``).
        min_width: The smallest width, in the unit of the feature: a feature that is nearly zero in the training data is
            not scaled up.
    """

    follows_columns = True
    mean: Tensor
    width: Tensor

    def __init__(self, elements: Sequence[str], irreps_in: o3.Irreps | str | int, min_width: float = 0.0):
        super().__init__()
        self.min_width = min_width
        self.elements = checked_symbols(elements)
        self.irreps_in = self.irreps_out = as_scalars(irreps_in, "Standardize")
        channels = self.irreps_in.dim
        self.register_buffer("mean", torch.zeros(len(self.elements), channels))
        self.register_buffer("width", torch.ones(len(self.elements), channels))
        self._seen: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, channels), before and after."""
        mean, width = self.mean, self.width
        if len(self.elements) == 1:
            return (h - mean) / width
        return (h - mean.index_select(0, edges.element)) / width.index_select(0, edges.element)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Mean and width of each element; the first column of several that belong to an old one gets its mean."""
        mean, width = self.mean[edit.rows], self.width[edit.rows]
        if edit.columns is not None:
            columns, counts = edit.columns.tables()
            taken = columns.clamp(min=0).to(mean.device)
            first = torch.tensor([[row.index(entry) == t for t, entry in enumerate(row)] for row in columns.tolist()])
            shares = torch.where(first & (columns >= 0), 1.0 / counts.clamp(min=1.0), 0.0).to(mean)
            mean = mean.gather(1, taken) * shares
            width = torch.where((columns >= 0).to(mean.device), width.gather(1, taken), 1.0)
        return {"mean": mean, "width": width}

    def element_columns(self, new: Any, edit: ElementEdit) -> FeatureColumns | None:
        r"""The columns that come in; an old column without a new one becomes constant, :math:`(h^0 - \mu) / s`."""
        if edit.columns is None:
            return None
        mean, width = (table[edit.rows].detach().double().cpu() for table in (self.mean, self.width))
        constants = torch.where(edit.columns.lost(), (edit.columns.constants - mean) / width, 0.0)
        return FeatureColumns(edit.columns.origins, constants)

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Take a batch of the training data into the statistics: counts, means, and squares about the means."""
        h = h.detach().double()
        count = torch.bincount(edges.element, minlength=len(self.elements)).to(h)[:, None]
        mean = sum_to(h, edges.element, len(self.elements)) / count.clamp(min=1)
        squares = sum_to((h - mean[edges.element]).square(), edges.element, len(self.elements))
        self._seen = (count, mean, squares) if self._seen is None else _merged(self._seen, (count, mean, squares))

    def finalize(self) -> None:
        """Set mean and width from what was observed; nothing observed leaves them as they are."""
        if self._seen is None:
            return
        count, mean, squares = self._seen
        self._seen = None
        pooled = tuple(part[:1] for part in (count, mean, squares))
        for row in range(1, len(count)):
            pooled = _merged(pooled, tuple(part[row : row + 1] for part in (count, mean, squares)))
        of_all_count, of_all_mean, of_all_squares = pooled
        of_all_width = (of_all_squares / of_all_count.clamp(min=1)).sqrt()
        known = count >= 2
        mean = torch.where(known, mean, of_all_mean)
        width = torch.where(known, (squares / count.clamp(min=1)).sqrt(), of_all_width)
        width = torch.maximum(width, 0.1 * of_all_width)
        width = torch.maximum(width, 0.01 * (mean.square() + width.square()).sqrt()).clamp(min=self.min_width)
        size = (mean.square() + width.square()).sqrt().amax(dim=0)
        varies = squares.sum(dim=0).sqrt() > 1e-6 * size * of_all_count[0].sqrt()
        self.mean.copy_(torch.where(varies, mean, 0.0))
        self.width.copy_(torch.where(varies, width, 1.0))


def _merged(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Counts, means and squares about the means of two samples together (Chan, Golub and LeVeque, 1983)."""
    count = a[0] + b[0]
    share = b[0] / count.clamp(min=1)
    apart = b[1] - a[1]
    return count, a[1] + share * apart, a[2] + b[2] + share * a[0] * apart.square()
