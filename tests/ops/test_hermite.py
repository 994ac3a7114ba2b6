"""Hermite splines: exact for polynomials of their degree, and of the order that they promise."""

import pytest
import torch

from atomgraph.ops.hermite import hermite


def table_of(derivatives, knots, number):
    step = float(knots[1] - knots[0])
    return torch.stack([f(knots) * step**k for k, f in enumerate(derivatives[:number])], dim=1)[:, :, None]


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_polynomial_of_its_degree_is_exact(number):
    degree = 2 * number - 1
    knots, t = torch.linspace(-1.0, 2.0, 4, dtype=torch.float64), torch.linspace(0, 1, 7, dtype=torch.float64)
    derivatives = [lambda x: x**degree]
    for k in range(degree, 0, -1):
        factor = torch.tensor(range(k, degree + 1)).prod()
        derivatives.append(lambda x, k=k, factor=factor: factor * x ** (k - 1))
    value, slope = hermite(table_of(derivatives, knots, number), torch.ones(7, dtype=torch.int64), t)
    torch.testing.assert_close(value[:, 0], t**degree, atol=1e-14, rtol=0)
    torch.testing.assert_close(slope[:, 0], degree * t ** (degree - 1), atol=1e-13, rtol=0)


def test_errors_fall_with_the_sixth_power_of_the_step():
    sines = [torch.sin, torch.cos, lambda x: -torch.sin(x)]
    errors = []
    for n in (11, 21):
        knots = torch.linspace(0.0, 3.0, n, dtype=torch.float64)
        below, half = torch.arange(n - 1), torch.full((n - 1,), 0.5, dtype=torch.float64)
        value, _ = hermite(table_of(sines, knots, 3), below, half)
        errors.append((value[:, 0] - torch.sin(knots[:-1] + 0.5 * (knots[1] - knots[0]))).abs().max())
    assert 50 < errors[0] / errors[1] < 80
