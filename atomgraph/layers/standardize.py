"""Standardize: features are scaled to mean zero and standard deviation one over the training data."""

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
from atomgraph.old_names import OldAttribute
from atomgraph.ops.scatter import sum_to


class Standardize(Layer):
    r"""Standardisation of features, :math:`h'_{ic} = (h_{ic} - \mu_{zc}) / s_{zc}`, with z the element of atom i.

    The mean :math:`\mu` and the standard deviation s are set once from the training data (``nn.protocols.Calibrated``) and
    are not trained. Before calibration, they are 0 and 1. Their buffers are ``mean`` and ``width``, both (n_elements,
    channels).

    - The standard deviation is at least 10 % of the standard deviation over all elements, and at least 1 % of the root mean
      square of the feature. Features that hardly vary in the training data are therefore not scaled up.
    - A feature that is constant for each element, such as a one-hot column of elements, is not changed.
    - An element with fewer than two atoms has the mean and the standard deviation over all elements.

    Args:
        elements: Chemical symbols, in the order of the model.
        irreps_in: Scalar features per atom, as a number or irreps (``0e``).
        min_std: Lower limit of the standard deviation, in the unit of the features.
    """

    follows_columns = True  # element_weights can adapt to changed feature columns (edit.columns)
    mean: Tensor
    width: Tensor  # standard deviation; saved files have this name

    def __init__(self, elements: Sequence[str], irreps_in: o3.Irreps | str | int, min_std: float = 0.0):
        super().__init__()
        self.min_std = min_std
        self.elements = checked_symbols(elements)
        self.irreps_in = self.irreps_out = as_scalars(irreps_in, "Standardize")
        channels = self.irreps_in.dim
        self.register_buffer("mean", torch.zeros(len(self.elements), channels))
        self.register_buffer("width", torch.ones(len(self.elements), channels))
        self._statistics: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return standardised features, (n_atoms, channels), of features h, (n_atoms, channels)."""
        mean, std = self.mean, self.width
        if len(self.elements) == 1:
            return (h - mean) / std
        return (h - mean.index_select(0, edges.element)) / std.index_select(0, edges.element)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return mean and standard deviation for the elements of the new model.

        A change of elements can replace a feature column by several new columns: the old column is the sum of the new ones,
        each multiplied by a factor (``FeatureColumns``). The first of these new columns gets the mean of the old column,
        divided by its factor. The means of the others are zero, so that the sum is standardised as before.
        """
        mean, std = self.mean[edit.rows], self.width[edit.rows]
        if edit.columns is not None:
            columns, factors = edit.columns.tables()
            old_columns = columns.clamp(min=0).to(mean.device)
            is_first = torch.tensor(
                [[row.index(old_column) == k for k, old_column in enumerate(row)] for row in columns.tolist()]
            )
            shares = torch.where(is_first & (columns >= 0), 1.0 / factors.clamp(min=1.0), 0.0).to(mean)
            mean = mean.gather(1, old_columns) * shares
            std = torch.where((columns >= 0).to(mean.device), std.gather(1, old_columns), 1.0)
        return {"mean": mean, "width": std}

    def element_columns(self, new_part: Any, edit: ElementEdit) -> FeatureColumns | None:
        r"""Return the relation of old to new columns after standardisation; None if the columns are unchanged.

        The origin of a new column is the old column that contains it, with a factor. An old column without a new column has
        a constant value, :math:`h^0` (``edit.columns.constants``), which becomes :math:`(h^0 - \mu) / s`.
        """
        if edit.columns is None:
            return None
        mean, std = (table[edit.rows].detach().double().cpu() for table in (self.mean, self.width))
        constants = torch.where(edit.columns.unused_columns(), (edit.columns.constants - mean) / std, 0.0)
        return FeatureColumns(edit.columns.origins, constants)

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Add a batch of the training data to the statistics: counts, means, and sums of squared deviations."""
        h = h.detach().double()
        count = torch.bincount(edges.element, minlength=len(self.elements)).to(h)[:, None]
        mean = sum_to(h, edges.element, len(self.elements)) / count.clamp(min=1)
        squares = sum_to((h - mean[edges.element]).square(), edges.element, len(self.elements))
        self._statistics = (
            (count, mean, squares) if self._statistics is None else _merge(self._statistics, (count, mean, squares))
        )

    def finalize(self) -> None:
        """Set mean and standard deviation from the statistics; without statistics, do nothing."""
        if self._statistics is None:
            return
        count, mean, squares = self._statistics
        self._statistics = None
        total = tuple(part[:1] for part in (count, mean, squares))
        for row in range(1, len(count)):
            total = _merge(total, tuple(part[row : row + 1] for part in (count, mean, squares)))
        total_count, total_mean, total_squares = total
        total_std = (total_squares / total_count.clamp(min=1)).sqrt()
        has_two_atoms = count >= 2
        mean = torch.where(has_two_atoms, mean, total_mean)
        std = torch.where(has_two_atoms, (squares / count.clamp(min=1)).sqrt(), total_std)
        std = torch.maximum(std, 0.1 * total_std)
        std = torch.maximum(std, 0.01 * (mean.square() + std.square()).sqrt()).clamp(min=self.min_std)
        rms = (mean.square() + std.square()).sqrt().amax(dim=0)
        varies = squares.sum(dim=0).sqrt() > 1e-6 * rms * total_count[0].sqrt()
        self.mean.copy_(torch.where(varies, mean, 0.0))
        self.width.copy_(torch.where(varies, std, 1.0))

    narrowest = OldAttribute("min_std")
    observe = OldAttribute("update_statistics")
    settle = OldAttribute("finalize")


def _merge(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return count, mean and sum of squared deviations of two samples together (Chan, Golub and LeVeque, 1983).

    Args:
        a, b: Count, mean and sum of squared deviations of one sample, each broadcast to (n_rows, channels).
    """
    count = a[0] + b[0]
    share = b[0] / count.clamp(min=1)
    difference = b[1] - a[1]
    return count, a[1] + share * difference, a[2] + b[2] + share * a[0] * difference.square()
