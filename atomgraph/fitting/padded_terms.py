"""The slopes of an expansion's terms, the edges of each centre side by side, so that many functions are one matrix product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.nn.density import TermSlopes
from atomgraph.ops.outer import rank_in_target


@dataclass(frozen=True, eq=False)
class PaddedTerms:
    r"""Factors of :math:`\partial g_b/\partial r_{ij}` as a matrix (m, 3 · longest) for each centre, zeros behind its edges.

    Args:
        terms: (n_centres · longest,) which term stands where; behind a centre's own any number, where slopes are zero.
        by_left: x', (n_centres, n_left, 3 · longest).
        product: y, x, y', p and q, or None where g is x.
    """

    terms: Tensor
    by_left: Tensor
    product: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None

    @classmethod
    def of(cls, slopes: TermSlopes, chosen: Tensor, centre: Tensor, n_centres: int) -> PaddedTerms:
        """chosen: (n,) rows of terms.

        Args:
            centre: (n,) of each, from 0 to n_centres − 1.
        """
        counts = torch.bincount(centre, minlength=n_centres)
        longest = int(counts.max())
        slot = centre * longest + rank_in_target(centre, counts)

        def laid(values: Tensor) -> Tensor:
            """(n, 3 or 1, m) to (n_centres, m, 3 · longest)."""
            rows = values.new_zeros(n_centres * longest, *values.shape[1:]).index_copy(0, slot, values)
            rows = rows.expand(-1, 3, -1).view(n_centres, longest, 3, -1)
            return rows.permute(0, 3, 1, 2).reshape(n_centres, -1, 3 * longest)

        known = slopes.terms
        terms = chosen.new_zeros(n_centres * longest).index_copy(0, slot, chosen)
        by_left = laid(slopes.left.index_select(0, chosen))
        if known.right is None or known.of_left is None or known.of_right is None or slopes.right is None:
            return cls(terms, by_left, None)
        left, right = (laid(factor.index_select(0, chosen)[:, None]) for factor in (known.left, known.right))
        return cls(
            terms, by_left, (right, left, laid(slopes.right.index_select(0, chosen)), known.of_left, known.of_right)
        )

    def slopes(self, functions: Tensor) -> Tensor:
        """Of some functions, (n_centres, 3 · longest, n_functions), by the rule for products."""
        if self.product is None:
            return self.by_left.index_select(1, functions).mT
        right, left, by_right, of_left, of_right = self.product
        p, q = of_left.index_select(0, functions), of_right.index_select(0, functions)
        made = self.by_left.index_select(1, p).mul_(right.index_select(1, q))
        return made.addcmul_(left.index_select(1, p), by_right.index_select(1, q)).mT
