"""Hermite splines: exact for polynomials of their degree, and of the order that they promise."""

import pytest
import torch

from atomgraph.ops.hermite import pieces, piecewise

SINES = [torch.sin, torch.cos, lambda x: -torch.sin(x)]


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
    table = pieces(table_of(derivatives, knots, number))
    value, slope = piecewise(table, torch.ones(7, dtype=torch.int64), t - 0.5)
    torch.testing.assert_close(value[:, 0], t**degree, atol=1e-14, rtol=0)
    torch.testing.assert_close(slope[:, 0], degree * t ** (degree - 1), atol=1e-13, rtol=0)


def test_errors_fall_with_the_sixth_power_of_the_step():
    errors = []
    for n in (11, 21):
        knots = torch.linspace(0.0, 3.0, n, dtype=torch.float64)
        value, _ = piecewise(pieces(table_of(SINES, knots, 3)), torch.arange(n - 1), torch.zeros(n - 1).double())
        errors.append((value[:, 0] - torch.sin(knots[:-1] + 0.5 * (knots[1] - knots[0]))).abs().max())
    assert 50 < errors[0] / errors[1] < 80


def test_slopes_of_a_table_in_float32_are_as_exact_as_float32():
    """Read off the values at both knots they were off by the rounding of values over the step, here 4000 times as much."""
    knots = torch.linspace(1.0, 1.1, 401, dtype=torch.float64)
    step, piece = float(knots[1] - knots[0]), torch.arange(400)
    for s in (-0.5, -0.1, 0.4):
        place = torch.full((400,), s, dtype=torch.float64)
        value, slope = piecewise(pieces(table_of(SINES, knots, 3)).float(), piece, place.float())
        r = knots[:-1] + (s + 0.5) * step
        torch.testing.assert_close(value[:, 0].double(), torch.sin(r), atol=2e-7, rtol=0)
        torch.testing.assert_close(slope[:, 0].double() / step, torch.cos(r), atol=2e-7, rtol=0)
