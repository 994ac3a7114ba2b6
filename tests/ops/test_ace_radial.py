"""Radial functions of the atomic cluster expansion: formulas typed differently, gradients, smoothness, refusals."""

import math

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev, legendre
from scipy.integrate import quad
from torch.autograd import gradcheck, gradgradcheck

from atomgraph.errors import WiringError
from atomgraph.ops.radial_basis import ACE_RADIALS, RadialParameters, ace_radial, bessel, cosine_fade, polynomial_fade
from atomgraph.ops.repulsion import core_repulsion, screened_coulomb

CUTOFF, WIDTH, EXPONENT = 5.0, 1.5, 3.5
SHAPE = RadialParameters(CUTOFF, WIDTH, EXPONENT)
R = np.array([0.4, 1.3, 2.9, 3.6, 4.2, 4.97])
BY_NAME = pytest.mark.parametrize("name", sorted(ACE_RADIALS))


def radial_values(name, r=R, n=6, shape=SHAPE):
    return ace_radial(name, torch.tensor(r), n, shape).numpy()


def smoothstep(x):
    """1 to 0 with two flat derivatives at either end, as an integral: 1 − 30 ∫ t²(1 − t)² dt."""
    return np.array(
        [1.0 - 30.0 * quad(lambda t: t**2 * (1 - t) ** 2, 0.0, min(max(first, 0.0), 1.0))[0] for first in x]
    )


def test_chebyshev_functions_of_an_exponential():
    scaled = 1 - 2 * np.expm1(EXPONENT * (1 - R / CUTOFF)) / math.expm1(EXPONENT)
    t = chebyshev.chebvander(scaled, 5)
    expected = np.concatenate([np.ones((len(R), 1)), (1 - t[:, 1:]) / 2], axis=1)
    late = np.clip((R - CUTOFF + WIDTH) / WIDTH, 0, 1)
    fade = np.cos(np.pi * R / CUTOFF / 2) ** 2 * np.cos(np.pi * late / 2) ** 2
    np.testing.assert_allclose(radial_values("ChebExpCos"), expected * fade[:, None], rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["ChebPow", "ChebLinear"])
def test_chebyshev_functions_of_a_power(name):
    x = 1 - R / CUTOFF if name == "ChebLinear" else 1 - 2 * (1 - R / CUTOFF) ** EXPONENT
    expected = np.stack([np.sin(k * np.arccos(x) / 2) ** 2 for k in range(1, 7)], axis=1)
    np.testing.assert_allclose(radial_values(name), expected, rtol=0, atol=1e-13)


def test_simplified_bessel_functions_are_orthonormal_and_end_with_two_flat_derivatives():
    nodes, weights = np.polynomial.legendre.leggauss(80)
    r = (nodes + 1) * CUTOFF / 2
    g = radial_values("SBessel", r, 7)
    np.testing.assert_allclose((g * (weights * CUTOFF / 2 * r**2)[:, None]).T @ g, np.eye(7), atol=1e-12)
    near = radial_values("SBessel", CUTOFF - np.array([1e-3, 2e-3]), 3)
    np.testing.assert_allclose(near[1] / near[0], 2.0**3, rtol=1e-2)


def test_simplified_bessel_functions_begin_as_the_paper_has_them():
    """Kocer et al., AIP Adv. 10, 015021 (2020): f_0 by itself, from two waves sin(kπr/r_c) / r."""
    wave = [np.sin(k * np.pi * R / CUTOFF) / R for k in (1, 2)]
    expected = (wave[0] / 1 + wave[1] / 2) * 2 * math.sqrt(2.0 / CUTOFF / 5)
    np.testing.assert_allclose(radial_values("SBessel")[:, 0], expected, rtol=0, atol=1e-14)


def test_bessel_and_legendre_functions_are_faded_by_a_polynomial():
    fade = smoothstep((R - CUTOFF + WIDTH) / WIDTH)[:, None]
    waves = bessel(torch.tensor(R), 6, CUTOFF).numpy()
    np.testing.assert_allclose(radial_values("Bessel"), waves * fade, rtol=0, atol=1e-14)
    scaled = legendre.legvander(1 - 2 * R / CUTOFF, 5) * np.sqrt(2 * np.arange(6) + 1)
    np.testing.assert_allclose(radial_values("Legendre"), scaled * fade, rtol=0, atol=1e-13)


@BY_NAME
def test_gradients_are_those_of_the_value(name):
    r = torch.tensor(R, requires_grad=True)
    assert gradcheck(lambda r: ace_radial(name, r, 5, SHAPE), r)
    assert gradgradcheck(lambda r: ace_radial(name, r, 5, SHAPE), r)


@BY_NAME
def test_zero_beyond_the_cutoff_and_gradients_are_finite(name):
    r = torch.tensor([1e-4, CUTOFF * (1 - 1e-12), CUTOFF, 9.0], dtype=torch.float64, requires_grad=True)
    value = ace_radial(name, r, 4, SHAPE)
    (gradient,) = torch.autograd.grad(value.square().sum(), r, create_graph=True)
    (bend,) = torch.autograd.grad(gradient.sum(), r)
    assert value.isfinite().all() and gradient.isfinite().all() and bend.isfinite().all()
    assert (value[2:] == 0).all() and (gradient[2:] == 0).all()
    if name != "ChebLinear":
        assert value[1].abs().max() < 1e-10 and gradient[1].abs() < 1e-9


@BY_NAME
def test_dtype_and_empty(name):
    assert ace_radial(name, torch.ones(2), 3, SHAPE).dtype == torch.float32
    for n in (1, 2, 5):
        assert ace_radial(name, torch.ones(0), n, SHAPE).shape == (0, n)


def test_a_fade_without_width_is_a_step():
    r = torch.tensor([1.0, CUTOFF, 6.0], dtype=torch.float64)
    for fade in (cosine_fade, polynomial_fade):
        np.testing.assert_array_equal(fade(r, CUTOFF, 0.0), [1, 0, 0])


@pytest.mark.parametrize(
    ("name", "n", "shape", "message"),
    [
        ("Bessle", 3, SHAPE, "did you mean Bessel"),
        ("SBessel", 0, SHAPE, "needs at least one function"),
        ("SBessel", 3, RadialParameters(5.0, 6.0), "0 ≤ width ≤ cutoff"),
        ("SBessel", 3, RadialParameters(0.0), "cutoff"),
        ("SBessel", 3, RadialParameters(5.0, 1.0, 0.0), "exponent > 0"),
        ("SBessel", 3, RadialParameters(5.0, float("nan")), "width"),
    ],
)
def test_invalid_parameters_raise(name, n, shape, message):
    with pytest.raises(WiringError, match=message):
        ace_radial(name, torch.ones(1), n, shape)


def test_core_repulsion_is_its_formula():
    r = np.array([0.3, 0.9, 1.7, 2.6])
    value = core_repulsion(torch.tensor(r), -40.0, -1.2, 2.5).numpy()
    expected = 40.0 * np.exp(-1.2 * r**2) / r * np.cos(np.pi * r / 5.0) ** 2 * (r < 2.5)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    assert core_repulsion(torch.tensor([7.0]), 1.0, 1.1, 9.0) == 0  # λr² above 50


def test_screened_coulomb_is_zbl_with_lammps_switch():
    """Value, gradient and curvature are 0 at the cutoff; before the switch it is ZBL's formula less a constant."""
    numbers, cutoff, width = (13, 28), 4.0, 1.0
    r = torch.tensor([0.5, 1.0, 2.0, 3.5, 4.0 - 1e-4], dtype=torch.float64, requires_grad=True)
    value = screened_coulomb(r, numbers, 1.5, cutoff, width)
    length = 0.46850 / (13**0.23 + 28**0.23)
    phi = [(0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162)]
    bare = [
        sum(c * math.exp(-e * x / length) for c, e in phi) * 14.399645 * 13 * 28 / x * 0.75 for x in (0.5, 1.0, 2.0)
    ]
    np.testing.assert_allclose(np.diff(value[:3].detach()), np.diff(bare), rtol=1e-6)
    (gradient,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    (bend,) = torch.autograd.grad(gradient.sum(), r)
    assert max(float(first[4].detach().abs()) for first in (value, gradient, bend)) < 1e-6
    assert screened_coulomb(torch.tensor([4.0]), numbers, 1.0, cutoff, width) == 0


def test_repulsions_have_gradients():
    r = torch.tensor([0.5, 1.1, 1.9, 2.3], dtype=torch.float64, requires_grad=True)
    for function in (lambda r: core_repulsion(r, 3.0, 0.5, 2.5), lambda r: screened_coulomb(r, (3, 5), 0.1, 2.5, 0.9)):
        assert gradcheck(function, r)
        assert gradgradcheck(function, r)
