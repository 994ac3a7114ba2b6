"""Derivatives of the terms of a density, padded for each centre, so that many functions are one matrix product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.featurizers.density import TermDerivatives
from atomgraph.ops.outer import rank_in_target


@dataclass(frozen=True, eq=False)
class PaddedTerms:
    r"""Factors of :math:`\partial g_b/\partial r_{ij}` as a matrix (m, 3 · longest) for each centre, padded with zeros.

    Attributes:
        terms: (n_centres · longest,) numbers of terms; arbitrary in the padding, where derivatives are zero.
        by_left: x', (n_centres, n_left, 3 · longest).
        product: y, x, y', p and q; None if g is x.
    """

    terms: Tensor
    by_left: Tensor
    product: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None

    @classmethod
    def of(cls, derivatives: TermDerivatives, chosen: Tensor, centre: Tensor, n_centres: int) -> PaddedTerms:
        """The padded derivatives of some terms.

        Args:
            derivatives: Derivatives of all terms.
            chosen: (n,) rows of terms.
            centre: (n,) centre of each term, from 0 to n_centres − 1.
            n_centres: Number of centres.
        """
        counts = torch.bincount(centre, minlength=n_centres)
        longest = int(counts.max())
        slot = centre * longest + rank_in_target(centre, counts)

        def padded(values: Tensor) -> Tensor:
            """(n, 3 or 1, m) to (n_centres, m, 3 · longest)."""
            rows = values.new_zeros(n_centres * longest, *values.shape[1:]).index_copy(0, slot, values)
            rows = rows.expand(-1, 3, -1).view(n_centres, longest, 3, -1)
            return rows.permute(0, 3, 1, 2).reshape(n_centres, -1, 3 * longest)

        known = derivatives.terms
        terms = chosen.new_zeros(n_centres * longest).index_copy(0, slot, chosen)
        by_left = padded(derivatives.left.index_select(0, chosen))
        if known.right is None or known.of_left is None or known.of_right is None or derivatives.right is None:
            return cls(terms, by_left, None)
        left, right = (padded(factor.index_select(0, chosen)[:, None]) for factor in (known.left, known.right))
        return cls(
            terms,
            by_left,
            (right, left, padded(derivatives.right.index_select(0, chosen)), known.of_left, known.of_right),
        )

    def derivatives(self, functions: Tensor) -> Tensor:
        """Derivatives of some functions, (n_centres, 3 · longest, n_functions), by the product rule."""
        if self.product is None:
            return self.by_left.index_select(1, functions).mT
        right, left, by_right, of_left, of_right = self.product
        p, q = of_left.index_select(0, functions), of_right.index_select(0, functions)
        built = self.by_left.index_select(1, p).mul_(right.index_select(1, q))
        return built.addcmul_(left.index_select(1, p), by_right.index_select(1, q)).mT
