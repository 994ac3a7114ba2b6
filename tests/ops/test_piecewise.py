"""Piecewise polynomials: exact derivatives up to their degree, errors of the stated size, continuous values."""

import math

import pytest
import torch

from atomgraph.ops.piecewise import derivative_nodes, evaluate_pieces, fit_pieces


def table_of(function, gradient, knots, degree):
    step = float(knots[1] - knots[0])
    middle = 0.5 * (knots[:-1] + knots[1:])
    return fit_pieces(
        step * gradient(middle[:, None] + step * derivative_nodes(degree))[:, :, None], function(middle)[:, None]
    )


@pytest.mark.parametrize("degree", [3, 5, 7])
def test_a_polynomial_of_its_degree_is_exact(degree):
    knots, s = torch.linspace(-1.0, 2.0, 4, dtype=torch.float64), torch.linspace(-0.5, 0.5, 7, dtype=torch.float64)
    table = table_of(lambda x: x**degree, lambda x: degree * x ** (degree - 1), knots, degree)
    value, gradient = evaluate_pieces(table, torch.ones(7, dtype=torch.int64), s)
    torch.testing.assert_close(value[:, 0], (s + 0.5) ** degree, atol=1e-14, rtol=0)
    torch.testing.assert_close(gradient[:, 0], degree * (s + 0.5) ** (degree - 1), atol=1e-13, rtol=0)


def test_gradients_are_exact_at_nodes_and_values_in_the_middle():
    knots, piece = torch.linspace(0.0, 3.0, 5, dtype=torch.float64), torch.arange(4)
    table = table_of(torch.sin, torch.cos, knots, 5)
    for s in derivative_nodes(5):
        value, gradient = evaluate_pieces(table, piece, s.expand(4))
        r = knots[:-1] + (s + 0.5) * 0.75
        torch.testing.assert_close(gradient[:, 0] / 0.75, torch.cos(r), atol=1e-14, rtol=0)
        if s == 0.0:
            torch.testing.assert_close(value[:, 0], torch.sin(r), atol=1e-15, rtol=0)


@pytest.mark.parametrize("degree", [3, 5])
def test_errors_of_gradients_are_within_their_bound(degree):
    step, n = 0.3, 10
    knots = step * torch.arange(n + 1, dtype=torch.float64)
    table = table_of(torch.sin, torch.cos, knots, degree)
    by_value, by_gradient = [], []
    for s in torch.linspace(-0.5, 0.5, 41, dtype=torch.float64):
        value, gradient = evaluate_pieces(table, torch.arange(n), s.expand(n))
        r = knots[:-1] + (s + 0.5) * step
        by_value.append(float((value[:, 0] - torch.sin(r)).abs().max()))
        by_gradient.append(float((gradient[:, 0] / step - torch.cos(r)).abs().max()))
    promised = 2.0 / math.factorial(degree) * (step / 4.0) ** degree
    assert 0.8 * promised < max(by_gradient) < 1.05 * promised
    assert max(by_value) < promised * step / degree


def test_a_table_in_float32_is_as_exact_as_float32():
    """Read off values at both ends, gradients would be off by the rounding of values over the step, here 4000 times as much."""
    knots = torch.linspace(1.0, 1.1, 401, dtype=torch.float64)
    step, piece = float(knots[1] - knots[0]), torch.arange(400)
    for s in (-0.5, -0.1, 0.4):
        place = torch.full((400,), s, dtype=torch.float64)
        value, gradient = evaluate_pieces(table_of(torch.sin, torch.cos, knots, 5).float(), piece, place.float())
        r = knots[:-1] + (s + 0.5) * step
        torch.testing.assert_close(value[:, 0].double(), torch.sin(r), atol=2e-7, rtol=0)
        torch.testing.assert_close(gradient[:, 0].double() / step, torch.cos(r), atol=2e-7, rtol=0)


def test_an_even_degree_is_refused():
    with pytest.raises(ValueError, match="degree of pieces should be odd"):
        derivative_nodes(4)
