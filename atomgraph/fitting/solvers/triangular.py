"""Triangular factor of a linear problem: all information about the data that a linear fit needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.old_names import OldAttribute


@dataclass(frozen=True)
class TriangularFactor:
    r"""Linear problem of N rows, reduced to n rows by an orthogonal transformation. All tensors are float64.

    .. math:: |Xw - y|^2 = |Rw - Q^Ty|^2 + \rho \quad\text{for every } w

    Attributes:
        R: Upper triangular matrix, (n, n).
        Qty: Transformed targets Qᵀy, (n, k).
        residual_square: Smallest possible |Xw − y|² of each target, ρ, (k,).
        n_rows: Number of rows, N.
    """

    R: Tensor
    Qty: Tensor
    residual_square: Tensor
    n_rows: int

    def __post_init__(self) -> None:
        n = self.R.shape[-1]
        shapes_match = self.R.shape == (n, n) and self.Qty.dim() == 2 and self.Qty.shape[0] == n
        if not shapes_match or self.residual_square.shape != self.Qty.shape[1:]:
            raise FittingError(
                "a triangular factor has R (n, n), Qty (n, k) and residual_square (k,), but the shapes are "
                f"{tuple(self.R.shape)}, {tuple(self.Qty.shape)} and {tuple(self.residual_square.shape)}"
            )

    @property
    def n_unknowns(self) -> int:
        """Number of weights, n."""
        return self.R.shape[1]

    @property
    def n_targets(self) -> int:
        """Number of targets, k."""
        return self.Qty.shape[1]

    @property
    def target_square(self) -> Tensor:
        """|y|² of each target, (k,)."""
        return self.residual_square + self.Qty.square().sum(0)

    def misfit(self, weights: Tensor) -> Tensor:
        """Return |Xw − y|² of each target, (k,), for weights (n, k)."""
        return self.residual_square + (self.R @ weights - self.Qty).square().sum(0)

    def select_columns(self, columns: Tensor) -> TriangularFactor:
        """Return the factor of the same rows with fewer columns.

        Args:
            columns: Indices of the remaining columns, (m,). The weights of all other columns are zero.
        """
        m = len(columns)
        triangle, residual_square = triangularise(torch.cat([self.R[:, columns], self.Qty], dim=1), m)
        return TriangularFactor(triangle[:, :m], triangle[:, m:], self.residual_square + residual_square, self.n_rows)

    columns = OldAttribute("select_columns")


def triangularise(rows: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Reduce rows to a triangular factor, by Householder QR.

    The diagonal is made non-negative, so that a problem of full rank has exactly one factor.

    Args:
        rows: Columns of X, then of the targets, (N, n + k), N ≥ n.
        n: Number of columns of X.

    Returns:
        Factor, (n, n + k), and sum of squares of each target that the factor does not contain, (k,).
    """
    triangle = torch.linalg.qr(rows, mode="r").R
    residual_square = triangle[n:, n:].square().sum(0)
    triangle = triangle[:n]
    signs = torch.where(triangle.diagonal() < 0, -1.0, 1.0).to(triangle)
    return triangle * signs[:, None], residual_square
