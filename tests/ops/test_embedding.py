"""Embedding functions: odd, nearly powers, smooth; their formulas typed with numpy."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atomgraph.ops.embedding import EMBEDDINGS, finnis_sinclair, finnis_sinclair_shifted_scaled, polynomial_switch

RHO = torch.tensor([-40.0, -1.3, -1e-3, 2e-3, 0.7, 5.0], dtype=torch.float64)
BOTH = pytest.mark.parametrize("function", EMBEDDINGS.values(), ids=list(EMBEDDINGS))
EXPONENTS = pytest.mark.parametrize("exponent", [0.5, 0.8, 1.0, 2.0])


def power(exponent):
    return torch.tensor(exponent, dtype=torch.float64)


@EXPONENTS
def test_finnis_sinclair_is_a_power(exponent):
    expected = np.sign(RHO.numpy()) * np.abs(RHO.numpy()) ** exponent
    np.testing.assert_allclose(finnis_sinclair(RHO, power(exponent)), expected, rtol=1e-13)


def test_finnis_sinclair_is_a_straight_line_at_zero():
    rho = torch.tensor([0.0, 1e-12, -1e-9, 4e-7], dtype=torch.float64, requires_grad=True)
    value = finnis_sinclair(rho, power(0.5))
    (gradient,) = torch.autograd.grad(value.sum(), rho)
    np.testing.assert_allclose(gradient[:3], 1e3, rtol=1e-6)
    gauss = np.exp(-(0.4**3))
    assert float(value[3].detach()) == pytest.approx((1 - gauss) * 4e-7**0.5 + gauss * 1e3 * 4e-7, rel=1e-12)


@pytest.mark.parametrize("exponent", [0.5, 0.8, 2.0])
def test_shifted_and_scaled_has_gradient_one_at_zero_and_is_a_power_far_out(exponent):
    m = power(exponent)
    rho = torch.tensor([1e-7, -1e-7, 40.0], dtype=torch.float64, requires_grad=True)
    value = finnis_sinclair_shifted_scaled(rho, m)
    (gradient,) = torch.autograd.grad(value.sum(), rho)
    x = exponent ** (1 / (1 - exponent))
    assert exponent * x ** (exponent - 1) == pytest.approx(1.0)
    expected = exponent * x ** (exponent - 1) * (1 - x) + x**exponent
    np.testing.assert_allclose(gradient[:2], expected, rtol=1e-5)
    assert float(value[2].detach()) == pytest.approx(40.0**exponent, rel=1e-12)


def test_exponent_one_is_the_density_itself():
    for function in EMBEDDINGS.values():
        torch.testing.assert_close(function(RHO, power(1.0)), RHO, rtol=1e-14, atol=0)


@BOTH
@EXPONENTS
def test_odd_and_zero_at_zero(function, exponent):
    m = power(exponent)
    torch.testing.assert_close(function(-RHO, m), -function(RHO, m), rtol=1e-14, atol=0)
    assert function(torch.zeros(1, dtype=torch.float64), m) == 0
    assert function(torch.ones(2), torch.tensor([0.5, 1.0])).dtype == torch.float32


@BOTH
@EXPONENTS
def test_gradients(function, exponent):
    rho = torch.tensor([-3.0, -0.4, 0.2, 6.0], dtype=torch.float64, requires_grad=True)
    m = power(exponent)
    assert gradcheck(lambda x: function(x, m), rho)
    assert gradgradcheck(lambda x: function(x, m), rho)


def test_gradients_are_finite_at_zero():
    for function in EMBEDDINGS.values():
        rho = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        value = function(rho, torch.tensor([0.5, 1.0], dtype=torch.float64))
        (gradient,) = torch.autograd.grad(value.sum(), rho, create_graph=True)
        (bend,) = torch.autograd.grad(gradient.sum(), rho)
        assert gradient.isfinite().all() and bend.isfinite().all()


def test_the_switch_falls_from_one_to_zero():
    rho = torch.linspace(0.0, 12.0, 13, dtype=torch.float64, requires_grad=True)
    end, width = torch.tensor(10.0, dtype=torch.float64), torch.tensor(6.0, dtype=torch.float64)
    value = polynomial_switch(rho, end, width)
    assert (value[:5] == 1).all() and (value[10:] == 0).all() and value[7] == 0.5
    assert (value.diff() <= 0).all()
    assert gradcheck(lambda x: polynomial_switch(x, end, width), rho)
    assert gradgradcheck(lambda x: polynomial_switch(x, end, width), rho)
