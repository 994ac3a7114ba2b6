"""What every solver gives back: weights, and how well the data determine them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Fit:
    r"""A Gaussian posterior of the weights.

    .. math:: w \sim N(\bar w, \sigma^2 CC^T)

    Attributes:
        weights: (n, k).
        covariance_factor: C, (n, m).
        noise_square: σ², (k,), the variance of a row of weight 1, nan without more rows than parameters.
        residual_square: |Xw − y|² of the weighted rows, (k,).
        n_effective: The number of weights which the data rather than the prior determine, tr(X CCᵀ Xᵀ).
        n_rows: Rows seen.
    """

    weights: Tensor
    covariance_factor: Tensor
    noise_square: Tensor
    residual_square: Tensor
    n_effective: float
    n_rows: int

    def predict(self, X: Tensor) -> Tensor:
        """Means Xw, (rows, k), of rows X (rows, n)."""
        return X.to(self.weights) @ self.weights

    def variance(self, X: Tensor) -> Tensor:
        """Variances of Xw due to the weights alone, without the noise of an observation, (rows, k), of rows X (rows, n)."""
        return (X.to(self.weights) @ self.covariance_factor).square().sum(1)[:, None] * self.noise_square

    def covariance(self, target: int = 0) -> Tensor:
        """σ²CCᵀ of one target's weights, (n, n)."""
        return self.noise_square[target] * self.covariance_factor @ self.covariance_factor.T
