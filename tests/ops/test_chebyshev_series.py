"""Chebyshev series equal the functions they were made from, with their gradients."""

import math

import numpy as np
import pytest
import torch

from atomgraph.ops.chebyshev_series import chebyshev_series, fit_series, series_derivative
from atomgraph.ops.spherical_bessel import scaled_spherical_bessel

UPPER = 5.0


def functions(r):
    return np.stack([np.exp(-2 * (r - 1.3) ** 2), np.cos(3 * r), np.ones_like(r)], axis=1)


def gradients(r):
    return np.stack([-4 * (r - 1.3) * np.exp(-2 * (r - 1.3) ** 2), -3 * np.sin(3 * r), np.zeros_like(r)], axis=1)


@pytest.fixture
def series():
    result = [fit_series(functions, UPPER)]
    for _ in range(3):
        result.append(series_derivative(result[-1], UPPER))
    return tuple(torch.tensor(c) for c in result)


def test_values_and_gradients_are_those_of_the_functions(series):
    r = torch.linspace(0, UPPER, 301, dtype=torch.float64, requires_grad=True)
    values = chebyshev_series(r, series, UPPER)
    np.testing.assert_allclose(values.detach(), functions(r.detach().numpy()), atol=2e-14)
    for column in range(3):
        gradient = torch.autograd.grad(values[:, column].sum(), r, retain_graph=True)[0]
        np.testing.assert_allclose(gradient, gradients(r.detach().numpy())[:, column], atol=1e-11)


def test_every_derivative_is_right(series):
    r = torch.tensor([0.1, 0.8, 2.5, 4.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: chebyshev_series(x, series, UPPER), r)
    assert torch.autograd.gradgradcheck(lambda x: chebyshev_series(x, series, UPPER), r)


def test_a_series_is_no_longer_than_rounding_allows():
    assert len(fit_series(lambda r: r[:, None] ** 3, UPPER)) == 4


def test_a_function_that_is_not_smooth_raises():
    with pytest.raises(ValueError, match="not smooth"):
        fit_series(lambda r: np.abs(r[:, None] - 2.2), UPPER)


def test_one_derivative_too_many_raises():
    r = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match="has 0 derivatives"):
        chebyshev_series(r, (torch.ones(3, 1, dtype=torch.float64),), UPPER).sum().backward()


@pytest.mark.parametrize("x", [1e-9, 1e-2, 0.7, 5.0, 30.0, 59.9, 60.1, 100.0, 500.0])
def test_bessel_functions_are_their_power_series(x):
    """i_l(x) = x^l Σ_k (x²/2)^k / (k! (2l + 2k + 1)!!), all terms positive, so that no digit is lost."""
    result = scaled_spherical_bessel(np.array([x]), 12)[:, 0]
    k = np.arange(1000)
    for order in range(13):
        logarithms = np.array(
            [
                (order + 2 * n) * math.log(x) - n * math.log(2) - math.lgamma(n + 1) - log_double_factorial(order + n)
                for n in k
            ]
        )
        assert result[order] == pytest.approx(np.exp(logarithms - x).sum(), rel=1e-11, abs=1e-300)


def log_double_factorial(n):
    """ln (2n + 1)!!"""
    return math.lgamma(2 * n + 2) - n * math.log(2) - math.lgamma(n + 1)


def test_bessel_functions_at_zero():
    np.testing.assert_array_equal(scaled_spherical_bessel(np.zeros(1), 3)[:, 0], [1, 0, 0, 0])
