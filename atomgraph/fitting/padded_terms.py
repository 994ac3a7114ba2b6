"""Derivatives of the terms of a density, padded to equal numbers per centre, so that products are matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.featurizers.density import TermDerivatives
from atomgraph.old_names import OldAttribute
from atomgraph.ops.outer import rank_in_target


@dataclass(frozen=True, eq=False)
class PaddedTerms:
    r"""Factors of :math:`\partial g_b/\partial r_{ij}`, padded with zeros to the same number of terms for each centre.

    Terms are :math:`g_b = x_{p(b)}\, y_{q(b)}`, see ``featurizers.density.DensityTerms``. In the shapes, n_padded is the number
    of terms per centre after padding.

    Attributes:
        terms: Indices of terms, (n_centres · n_padded,); 0 in the padding, where derivatives are zero.
        left_jacobian: Derivatives of x, (n_centres, n_left, 3 · n_padded).
        product: y, (n_centres, n_right, 3 · n_padded); x, (n_centres, n_left, 3 · n_padded), both repeated for the three
            axes; derivatives of y, (n_centres, n_right, 3 · n_padded); p and q, (n_functions,). None if g is x.
    """

    terms: Tensor
    left_jacobian: Tensor
    product: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None

    @classmethod
    def of(cls, derivatives: TermDerivatives, rows: Tensor, centre: Tensor, n_centres: int) -> PaddedTerms:
        """Return the padded derivatives of some terms.

        Args:
            derivatives: Derivatives of all terms.
            rows: Indices of the terms to include, (n,).
            centre: Centre of each of these terms, from 0 to n_centres − 1, (n,).
            n_centres: Number of centres.
        """
        counts = torch.bincount(centre, minlength=n_centres)
        n_padded = int(counts.max())
        slot = centre * n_padded + rank_in_target(centre, counts)

        def pad(values: Tensor) -> Tensor:
            """Bring values (n, 3 or 1, m) to the shape (n_centres, m, 3 · n_padded)."""
            slots = values.new_zeros(n_centres * n_padded, *values.shape[1:]).index_copy(0, slot, values)
            slots = slots.expand(-1, 3, -1).view(n_centres, n_padded, 3, -1)
            return slots.permute(0, 3, 1, 2).reshape(n_centres, -1, 3 * n_padded)

        density_terms = derivatives.terms
        terms = rows.new_zeros(n_centres * n_padded).index_copy(0, slot, rows)
        left_jacobian = pad(derivatives.left_jacobian.index_select(0, rows))
        if (
            density_terms.right is None
            or density_terms.left_column is None
            or density_terms.right_column is None
            or derivatives.right_jacobian is None
        ):
            return cls(terms, left_jacobian, None)
        left, right = (
            pad(factor.index_select(0, rows)[:, None]) for factor in (density_terms.left, density_terms.right)
        )
        return cls(
            terms,
            left_jacobian,
            (
                right,
                left,
                pad(derivatives.right_jacobian.index_select(0, rows)),
                density_terms.left_column,
                density_terms.right_column,
            ),
        )

    def derivatives(self, functions: Tensor) -> Tensor:
        """Return the derivatives of some functions by the product rule.

        Args:
            functions: Indices b of the functions, (n_functions,).

        Returns:
            Derivatives, (n_centres, 3 · n_padded, n_functions).
        """
        if self.product is None:
            return self.left_jacobian.index_select(1, functions).mT
        y, x, y_jacobian, p_all, q_all = self.product
        p, q = p_all.index_select(0, functions), q_all.index_select(0, functions)
        result = self.left_jacobian.index_select(1, p).mul_(y.index_select(1, q))
        return result.addcmul_(x.index_select(1, p), y_jacobian.index_select(1, q)).mT

    by_left = OldAttribute("left_jacobian")
    slopes = OldAttribute("derivatives")
