"""Solution of a linear problem: the weights and their covariance."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LinearSolution:
    r"""Gaussian posterior of the weights.

    .. math:: w \sim N(\bar w, \sigma^2 CC^T)

    Attributes:
        weights: Mean weights, (n, k).
        covariance_factor: C, (n, m); m = n, or the number of relevant columns (``ard``).
        noise_square: Variance of a row of weight 1, σ², (k,); nan if the rows are not more than ``n_effective``.
        residual_square: |Xw − y|² of the weighted rows, (k,).
        n_effective: Number of weights that the data determine, rather than the prior, tr(X CCᵀ Xᵀ).
        n_rows: Number of rows.
    """

    weights: Tensor
    covariance_factor: Tensor
    noise_square: Tensor
    residual_square: Tensor
    n_effective: float
    n_rows: int

    def predict(self, X: Tensor) -> Tensor:
        """Return the means Xw, (n_rows, k), for rows X, (n_rows, n)."""
        return X.to(self.weights) @ self.weights

    def variance(self, X: Tensor) -> Tensor:
        """Return the variances of Xw due to the weights, without observation noise, (n_rows, k), for rows X, (n_rows, n)."""
        return (X.to(self.weights) @ self.covariance_factor).square().sum(1)[:, None] * self.noise_square

    def covariance(self, target: int = 0) -> Tensor:
        """Return the covariance σ²CCᵀ of the weights of one target, (n, n)."""
        return self.noise_square[target] * self.covariance_factor @ self.covariance_factor.T
