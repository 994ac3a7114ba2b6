"""Sums over neighbours of tabulated functions: the right function for each pair, and gradients that are gradients."""

import torch
from helpers.pair_sums import pair_sums

from atomgraph.ops.piecewise import derivative_nodes, fit_pieces, locate_pieces

CUTOFF, N = 3.0, 21


def tables():
    """Of r², r³ and (r_c − r)⁴: polynomials of r, which are not polynomials of t."""
    t = torch.arange(N, dtype=torch.float64)[:, None] + 0.5 + derivative_nodes(7)
    r = CUTOFF * t / (2 * N - t)
    by_r = locate_pieces(r, CUTOFF, N)[2]
    functions = [(r**2, 2 * r), (r**3, 3 * r**2), ((CUTOFF - r) ** 4, -4 * (CUTOFF - r) ** 3)]
    built = [fit_pieces((gradient / by_r)[:, :, None], value[:, 3, None]) for value, gradient in functions]
    return torch.stack(built)[:, :, :, 0]


def edges():
    length = torch.tensor([0.4, 0.7, 1.1, 1.6, 2.3, 2.99], dtype=torch.float64)
    return length, torch.tensor([2, 0, 1, 1, 2, 0]), torch.tensor([0, 0, 1, 1, 3, 3])


def test_every_pair_has_its_own_function():
    length, pair, centre = edges()
    result = pair_sums(length, pair, centre, tables(), CUTOFF, 4)
    a, b, c, d, e, f = length
    expected = torch.stack([(CUTOFF - a) ** 4 + b**2, c**3 + d**3, torch.zeros_like(a), (CUTOFF - e) ** 4 + f**2])
    torch.testing.assert_close(result, expected, atol=1e-9, rtol=0)


def test_gradients_are_gradients():
    length, pair, centre = edges()
    built = tables()
    assert torch.autograd.gradcheck(
        lambda r: pair_sums(r, pair, centre, built, CUTOFF, 4), (length.requires_grad_(),), eps=1e-5, atol=1e-7
    )
