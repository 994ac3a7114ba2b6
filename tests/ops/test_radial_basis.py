"""Radial functions: their formulas, orthogonality, and gradients that exist at any distance."""

import math

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev as numpy_chebyshev
from torch.autograd import gradcheck, gradgradcheck

from atomgraph.errors import WiringError
from atomgraph.ops.radial_basis import bessel, chebyshev, gaussian

CUTOFF = 5.0
BASES = pytest.mark.parametrize("basis", [bessel, gaussian, chebyshev])


@BASES
def test_gives_n_radial_columns_in_the_dtype_of_the_lengths(basis):
    for n_radial in (1, 2, 7):
        assert basis(torch.rand(3) + 0.5, n_radial, CUTOFF).shape == (3, n_radial)
        assert basis(torch.empty(0), n_radial, CUTOFF).shape == (0, n_radial)
    assert basis(torch.ones(2), 4, CUTOFF).dtype == torch.float32


@BASES
def test_gradients_are_those_of_the_value(basis):
    r = torch.tensor([0.5, 1.7, 3.3, 4.9], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda r: basis(r, 5, CUTOFF), r)
    assert gradgradcheck(lambda r: basis(r, 5, CUTOFF), r)


@BASES
def test_gradient_and_curvature_are_finite_at_any_positive_length(basis):
    r = torch.tensor([1e-6, 1e-2, 2.5, 5.0, 50.0], dtype=torch.float64, requires_grad=True)
    value = basis(r, 8, CUTOFF)
    (first,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    assert value.isfinite().all() and first.isfinite().all() and second.isfinite().all()


def test_bessel_functions_are_orthonormal_in_the_sphere():
    r = (torch.arange(20000, dtype=torch.float64) + 0.5) * (CUTOFF / 20000)
    value = bessel(r, 6, CUTOFF) * r[:, None]
    overlap = value.T @ value * (CUTOFF / 20000)
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64), atol=1e-7, rtol=0)


def test_bessel_formula():
    r, n = 1.3, np.arange(1, 5)
    expected = math.sqrt(2 / CUTOFF) * np.sin(n * math.pi * r / CUTOFF) / r
    np.testing.assert_allclose(bessel(torch.tensor([r], dtype=torch.float64), 4, CUTOFF)[0], expected, rtol=1e-13)


def test_gaussians_are_evenly_spaced_and_one_at_their_centres():
    r = torch.linspace(1.0, CUTOFF, 5, dtype=torch.float64)
    value = gaussian(r, 5, CUTOFF, start=1.0)
    torch.testing.assert_close(value.diagonal(), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(value[0, 1].item(), math.exp(-0.5))
    narrow = gaussian(r, 5, CUTOFF, start=1.0, width=0.5)
    torch.testing.assert_close(narrow[0, 1].item(), math.exp(-2.0))


def test_chebyshev_polynomials_are_numpys():
    r = torch.linspace(0.5, CUTOFF, 30, dtype=torch.float64)
    expected = numpy_chebyshev.chebvander(2 * (r.numpy() - 0.5) / (CUTOFF - 0.5) - 1, 8)
    np.testing.assert_allclose(chebyshev(r, 9, CUTOFF, start=0.5), expected, atol=1e-13)


@BASES
def test_invalid_parameters_raise(basis):
    with pytest.raises(WiringError, match="cutoff must be positive"):
        basis(torch.ones(1), 4, 0.0)
    with pytest.raises(WiringError, match="n_radial must be at least 1"):
        basis(torch.ones(1), 0, CUTOFF)


def test_refuses_a_start_beyond_the_cutoff_and_a_width_of_zero():
    for basis in (gaussian, chebyshev):
        with pytest.raises(WiringError, match="must start before"):
            basis(torch.ones(1), 4, CUTOFF, start=6.0)
    with pytest.raises(WiringError, match="width"):
        gaussian(torch.ones(1), 4, CUTOFF, width=0.0)
