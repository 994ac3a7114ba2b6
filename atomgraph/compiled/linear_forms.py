"""Features that are not written out: a linear form in what kernels have given, and a table by element."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LinearMap
from atomgraph.compiled.mace.folded_weights import Weights

EVEN = o3.Irrep(0, 1)
Slopes = list[Tensor | None]  # of the energy by each source; None where there are none so far


@dataclass(frozen=True, eq=False)
class LinearForm:
    r""":math:`h_i = \sum_k x_{ki} W^{(k)}_{z_i} + T_{z_i}` of sources x; maps that follow one another are one matrix.

    Args:
        terms: (k, W).
        table: T, (n_elements, channels) float64, of the only irrep that elements alone decide, ``0e``; or None.
    """

    terms: tuple[tuple[int, Weights], ...] = ()
    table: Tensor | None = None

    def then(self, weights: Weights) -> LinearForm:
        """The form of h times matrices."""
        terms = tuple((k, before.then(weights)) for k, before in self.terms)
        if self.table is None or EVEN not in weights.shapes:
            return LinearForm(terms)
        rows = [row @ weights.of(EVEN, z) for z, row in enumerate(self.table)]
        return LinearForm(terms, torch.stack(rows))

    def plus(self, other: LinearForm) -> LinearForm:
        """The sum of two forms."""
        tables = [form.table for form in (self, other) if form.table is not None]
        return LinearForm(self.terms + other.terms, torch.stack(tables).sum(0) if tables else None)


class FusedForm:
    """A form's values, and slopes by its sources.

    Args:
        library: Of the kernels.
        sources: Their layouts.
        after: The layout of what is written; what the form lacks is zeros.
    """

    def __init__(
        self, library: ctypes.CDLL, form: LinearForm, sources: Sequence[Layout], after: Layout, dtype: torch.dtype
    ):
        self._maps = [(k, LinearMap(library, sources[k], after, weights, dtype)) for k, weights in form.terms]
        self._table = None if form.table is None else form.table.to(dtype)
        self._after = after

    @property
    def is_constant(self) -> bool:
        """Whether elements alone decide it."""
        return not self._maps

    def __call__(self, of: Evaluation, sources: Sequence[Tensor]) -> Tensor:
        """Values, in the layout."""
        y = None
        if self._table is not None or self.is_constant:
            y = self._after.zeros(of.frame.n_atoms, of.dtype)
        if self._table is not None and y is not None:
            self._after.block(y, EVEN)[:, 0] = self._table.index_select(0, of.frame.element)
        for k, linear in self._maps:
            y = linear(of.by_element if linear.by_element else of.alike, sources[k], y)
        return y  # type: ignore[return-value]

    def back(self, of: Evaluation, slope: Tensor, slopes: Slopes) -> None:
        """Add the slopes by the sources, from those by the values."""
        for k, linear in self._maps:
            slopes[k] = linear.back(of.by_element if linear.by_element else of.alike, slope, slopes[k])
