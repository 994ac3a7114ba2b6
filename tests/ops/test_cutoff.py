"""Envelopes: 1 at the centre, 0 at the cutoff and beyond, with gradients that exist everywhere."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atomgraph.errors import WiringError
from atomgraph.ops.cutoff import (
    cosine_cutoff,
    exponential_cutoff,
    n2p2_cutoff,
    polynomial_cutoff,
    smoothstep_cutoff,
    tanh_cubed_cutoff,
    xplor_cutoff,
)

CUTOFF = 5.0
ENVELOPES = {
    "cosine": lambda r: cosine_cutoff(r, CUTOFF),
    "cosine inner": lambda r: cosine_cutoff(r, CUTOFF, inner=1.5),
    "polynomial 2": lambda r: polynomial_cutoff(r, CUTOFF, p=2),
    "polynomial 6": lambda r: polynomial_cutoff(r, CUTOFF),
    "tanh": lambda r: tanh_cubed_cutoff(r, CUTOFF),
    "tanh normalised": lambda r: tanh_cubed_cutoff(r, CUTOFF, normalised=True),
    "exponential": lambda r: exponential_cutoff(r, CUTOFF),
    "exponential inner": lambda r: exponential_cutoff(r, CUTOFF, inner=1.0),
    **{f"smoothstep {order}": lambda r, order=order: smoothstep_cutoff(r, CUTOFF, order) for order in (1, 2, 3, 4)},
    "xplor": lambda r: xplor_cutoff(r, CUTOFF),
    "xplor inner": lambda r: xplor_cutoff(r, CUTOFF, inner=2.0),
    "smoothstep inner": lambda r: smoothstep_cutoff(r, CUTOFF, 2, inner=2.0),
}
EVERY = pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES.keys())


def lengths(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def gradients(envelope, r):
    (first,) = torch.autograd.grad(envelope(r).sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    return first.detach(), second


@EVERY
def test_zero_at_the_cutoff_and_beyond(envelope):
    r = lengths(CUTOFF, CUTOFF + 1e-9, 5.1, 1e6)
    assert (envelope(r) == 0).all()
    assert (gradients(envelope, r)[0].abs() < 1e-15).all()


@EVERY
def test_value_and_gradient_do_not_jump_at_the_cutoff(envelope):
    r = lengths(CUTOFF - 1e-6)
    assert abs(envelope(r).item()) < 1e-11
    assert gradients(envelope, r)[0].abs().item() < 2e-6


@EVERY
def test_gradient_and_curvature_are_finite_everywhere(envelope):
    r = lengths(0.0, 1e-12, 1e-3, 1.0, 1.5, 2.0, 4.9, 4.9999, CUTOFF - 1e-12, CUTOFF, CUTOFF + 1e-12, 7.0, 1e9)
    assert all(gradient.isfinite().all() for gradient in gradients(envelope, r))


@EVERY
def test_falls_from_the_centre_to_the_cutoff(envelope):
    value = envelope(torch.linspace(0.0, CUTOFF, 200, dtype=torch.float64))
    assert (value.diff() <= 1e-15).all()
    assert value.max() <= 1.0


@EVERY
def test_gradients_are_those_of_the_value(envelope):
    r = lengths(0.3, 1.2, 2.7, 3.9, 4.6)
    assert gradcheck(envelope, r)
    assert gradgradcheck(envelope, r)


@pytest.mark.parametrize("name", [name for name in ENVELOPES if name != "tanh"])
def test_is_one_at_the_centre(name):
    assert ENVELOPES[name](lengths(0.0)).item() == pytest.approx(1.0, abs=1e-15)


def test_known_values_half_way():
    half = torch.tensor([2.5], dtype=torch.float64)
    assert cosine_cutoff(half, CUTOFF).item() == pytest.approx(0.5, abs=1e-15)
    assert polynomial_cutoff(half, CUTOFF, p=6).item() == pytest.approx(1 - 28 / 64 + 48 / 128 - 21 / 256, abs=1e-15)
    assert tanh_cubed_cutoff(half, CUTOFF).item() == pytest.approx(math.tanh(0.5) ** 3, abs=1e-15)
    assert exponential_cutoff(half, CUTOFF).item() == pytest.approx(math.exp(1 - 1 / 0.75), abs=1e-15)
    for order in (1, 2, 3, 4):  # odd about the middle
        assert smoothstep_cutoff(half, CUTOFF, order).item() == pytest.approx(0.5, abs=1e-14)


def test_xplor_is_its_formula_and_flat_inside():
    r = torch.tensor([0.0, 1.9, 2.0, 3.0, 4.5], dtype=torch.float64)
    expected = [1.0] * 3 + [(25 - d * d) ** 2 * (25 + 2 * d * d - 12) / 21**3 for d in (3.0, 4.5)]
    assert xplor_cutoff(r, CUTOFF, inner=2.0).tolist() == pytest.approx(expected, abs=1e-15)
    with pytest.raises(WiringError):
        xplor_cutoff(r, CUTOFF, inner=CUTOFF)


def test_flat_inside_the_inner_radius():
    r = torch.tensor([0.0, 0.7, 1.5], dtype=torch.float64)
    for kind in (1, 4, 5, 6, 7, 8):
        assert (n2p2_cutoff(kind, r, CUTOFF, inner=1.5) == 1).all()


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_smoothstep_of_order_k_has_k_flat_derivatives_at_both_ends(order):
    r = lengths(0.0, CUTOFF)
    derivative = smoothstep_cutoff(r, CUTOFF, order)
    for _ in range(order):
        (derivative,) = torch.autograd.grad(derivative.sum(), r, create_graph=True)
        assert (derivative.abs() < 1e-12).all()
    (derivative,) = torch.autograd.grad(derivative.sum(), r, create_graph=True)
    assert (derivative.abs() > 0.05).all()


def test_the_numbers_of_n2p2_name_its_functions():
    r, alpha = 3.2, 0.3
    inner = alpha * CUTOFF
    x = (r - inner) / (CUTOFF - inner)
    expected = {
        0: 1.0,
        1: 0.5 * (math.cos(math.pi * x) + 1),
        2: math.tanh(1 - r / CUTOFF) ** 3,
        3: (math.tanh(1 - r / CUTOFF) / math.tanh(1)) ** 3,
        4: math.exp(1 - 1 / (1 - x * x)),
        5: (2 * x - 3) * x**2 + 1,
        6: ((15 - 6 * x) * x - 10) * x**3 + 1,
        7: (x * (x * (20 * x - 70) + 84) - 35) * x**4 + 1,
        8: (x * (x * ((315 - 70 * x) * x - 540) + 420) - 126) * x**5 + 1,
    }
    for kind, value in expected.items():
        result = n2p2_cutoff(kind, torch.tensor([r], dtype=torch.float64), CUTOFF, inner)
        assert result.item() == pytest.approx(value, rel=1e-14)


def test_the_hard_cutoff_steps_from_one_to_zero():
    r = torch.tensor([0.0, 4.999, 5.0, 6.0])
    torch.testing.assert_close(n2p2_cutoff(0, r, CUTOFF), torch.tensor([1.0, 1.0, 0.0, 0.0]))


def test_keeps_the_dtype_of_the_lengths():
    for kind in range(9):
        assert n2p2_cutoff(kind, torch.rand(3), CUTOFF).dtype == torch.float32


@pytest.mark.parametrize("cutoff", [0.0, -1.0, math.nan])
def test_refuses_a_cutoff_that_is_not_positive(cutoff):
    with pytest.raises(WiringError, match="cutoff must be positive"):
        cosine_cutoff(torch.ones(1), cutoff)


def test_unknown_orders_and_numbers_raise():
    r = torch.ones(1)
    with pytest.raises(WiringError, match="0 to 8"):
        n2p2_cutoff(9, r, CUTOFF)
    with pytest.raises(WiringError, match="1, 2, 3 and 4"):
        smoothstep_cutoff(r, CUTOFF, 5)
    with pytest.raises(WiringError, match="p of at least 2"):
        polynomial_cutoff(r, CUTOFF, p=1)
    with pytest.raises(
        WiringError, match="inner radius, up to which the function is 1, must be at least 0 and below the cutoff"
    ):
        cosine_cutoff(r, CUTOFF, inner=5.0)
