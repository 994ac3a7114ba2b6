"""What a linear fit has to remember of its data: one triangular factor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError


@dataclass(frozen=True)
class Reduced:
    r"""N rows of a linear problem, turned by an orthogonal matrix until only n of them are needed.

    .. math:: |Xw - y|^2 = |Rw - Q^Ty|^2 + \rho \quad\text{for every } w

    Attributes:
        R: (n, n), upper triangular.
        Qty: (n, k).
        residual_square: (k,), the ρ that no w removes.
        n_rows: N. All float64.
    """

    R: Tensor
    Qty: Tensor
    residual_square: Tensor
    n_rows: int

    def __post_init__(self) -> None:
        n = self.R.shape[-1]
        fits = self.R.shape == (n, n) and self.Qty.dim() == 2 and self.Qty.shape[0] == n
        if not fits or self.residual_square.shape != self.Qty.shape[1:]:
            raise FittingError(
                "a reduced problem has R (n, n), Qty (n, k) and residual_square (k,), but came with "
                f"{tuple(self.R.shape)}, {tuple(self.Qty.shape)} and {tuple(self.residual_square.shape)}"
            )

    @property
    def n_unknowns(self) -> int:
        return self.R.shape[1]

    @property
    def n_targets(self) -> int:
        return self.Qty.shape[1]

    @property
    def target_square(self) -> Tensor:
        """|y|² of each target, (k,)."""
        return self.residual_square + self.Qty.square().sum(0)

    def misfit(self, weights: Tensor) -> Tensor:
        """|Xw − y|² of each target, (k,), for weights (n, k)."""
        return self.residual_square + (self.R @ weights - self.Qty).square().sum(0)

    def columns(self, kept: Tensor) -> Reduced:
        """The same data with the unknowns ``kept``, (m,) indices, alone: the others' weights are zero."""
        factor, lost = triangularise(torch.cat([self.R[:, kept], self.Qty], dim=1), len(kept))
        m = len(kept)
        return Reduced(factor[:, :m], factor[:, m:], self.residual_square + lost, self.n_rows)


def triangularise(rows: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Rows (N ≥ n, n + k) to their triangular factor (n, n + k), and the squares (k,) which the last k columns lose by it.

    Householder QR; the diagonal is made non-negative, so that a problem of full rank has one factor only.
    """
    factor = torch.linalg.qr(rows, mode="r").R
    lost = factor[n:, n:].square().sum(0)
    factor = factor[:n]
    return factor * torch.where(factor.diagonal() < 0, -1.0, 1.0).to(factor)[:, None], lost
