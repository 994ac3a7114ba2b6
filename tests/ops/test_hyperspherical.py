"""Harmonics in four dimensions obey their theorems; mean products of three are those of Clebsch-Gordan coefficients."""

import numpy as np
import pytest
import torch

from atomgraph.ops.hyperspherical import harmonic_columns, harmonics_on_grid, hyperspherical_radial
from atomgraph.ops.spherical import spherical_harmonics
from atomgraph.ops.triple_integrals import TripleIntegrals, degree_triples, symmetry_classes
from atomgraph.testing.graphs import generator


def points(n, seed=0):
    q = torch.randn(n, 4, generator=generator(seed), dtype=torch.float64)
    return q / torch.linalg.vector_norm(q, dim=1, keepdim=True)


def harmonics(q, n_max):
    """(n_points, n_harmonics)."""
    radial = hyperspherical_radial(torch.acos(q[:, 0]), n_max)
    products = radial[:, :, None] * spherical_harmonics(n_max, q[:, 1:])[:, None, :]
    return products.flatten(1)[:, torch.from_numpy(harmonic_columns(n_max))]


def to_tensors(integrals):
    return {name: torch.as_tensor(value) for name, value in integrals.constants.items()}


@pytest.mark.parametrize("n_max", [0, 1, 4, 9, 12])
def test_addition_theorem_gives_the_character_of_a_rotation(n_max):
    q, g = points(6), points(6, seed=1)
    offset, products = 0, harmonics(q, n_max) * harmonics(g, n_max)
    half_angle = torch.acos((q * g).sum(dim=1))
    for n in range(n_max + 1):
        result = products[:, offset : offset + (n + 1) ** 2].sum(dim=1)
        expected = torch.sin((n + 1) * half_angle) / torch.sin(half_angle)
        torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-11)
        offset += (n + 1) ** 2


@pytest.mark.parametrize("n_max", [1, 2, 3, 6])
def test_harmonics_are_orthogonal_on_the_grid(n_max):
    """Two harmonics of one degree: the grid is exact for an even sum of degrees."""
    grid = harmonics_on_grid(n_max)
    weight = grid[0] ** 3
    assert weight.sum() == pytest.approx(1.0, abs=1e-14)
    values, offset = grid / np.cbrt(weight), 0
    for n in range(n_max + 1):
        degree_values = values[offset : offset + (n + 1) ** 2]
        np.testing.assert_allclose(
            (degree_values * weight) @ degree_values.T, np.eye((n + 1) ** 2) / (n + 1), atol=1e-13
        )
        offset += (n + 1) ** 2


def test_components_are_in_lammps_order():
    assert degree_triples(2) == [(0, 0, 0), (1, 0, 1), (1, 1, 2), (2, 0, 2), (2, 2, 2)]
    assert [len(degree_triples(n)) for n in (4, 6, 8)] == [14, 30, 55]


def wigner(q, n):
    """D of degree n/2 of a unit quaternion, by what SU(2) does to homogeneous polynomials: (n + 1, n + 1) complex."""
    a, b = complex(q[0], -q[3]), complex(-q[2], -q[1])
    matrix = np.zeros((n + 1, n + 1), dtype=complex)
    for k in range(n + 1):
        up = np.polynomial.polynomial.polypow([-np.conj(b), a], k)
        down = np.polynomial.polynomial.polypow([np.conj(a), b], n - k)
        column = np.polynomial.polynomial.polymul(up, down)
        norm = [(factorial(m) * factorial(n - m) / factorial(k) / factorial(n - k)) ** 0.5 for m in range(n + 1)]
        matrix[:, k] = column * norm
    return matrix


def factorial(n):
    return float(np.prod(np.arange(1, n + 1, dtype=float)))


def clebsch_gordan(n1, k1, n2, k2, n, k):
    """Racah's formula; momenta n/2, projections k − n/2."""
    j1, j2, j, m1, m2, m = n1 / 2, n2 / 2, n / 2, k1 - n1 / 2, k2 - n2 / 2, k - n / 2
    if m1 + m2 != m:
        return 0.0
    f = lambda x: factorial(round(x))  # noqa: E731
    front = (2 * j + 1) * f(j1 + j2 - j) * f(j1 - j2 + j) * f(-j1 + j2 + j) / f(j1 + j2 + j + 1)
    front *= f(j1 + m1) * f(j1 - m1) * f(j2 + m2) * f(j2 - m2) * f(j + m) * f(j - m)
    total = 0.0
    for s in range(round(j1 + j2 - j) + 1):
        below = [s, j1 + j2 - j - s, j1 - m1 - s, j2 + m2 - s, j - j2 + m1 + s, j - j1 - m2 + s]
        if min(below) >= 0:
            total += (-1) ** s / np.prod([f(x) for x in below])
    return front**0.5 * total


def test_mean_products_are_bispectra_by_clebsch_and_gordan():
    """Σ ū C C u u, with u the sum of D over the points, is (2j + 1) times the mean product."""
    n_max, q = 4, points(5)
    weights = torch.randn(5, generator=generator(2), dtype=torch.float64)
    integrals = TripleIntegrals(n_max)
    coefficients = (weights[:, None] * harmonics(q, n_max)).sum(dim=0)
    result = integrals(coefficients[None, None], to_tensors(integrals))[0]
    u = [sum(w * wigner(p, n) for w, p in zip(weights.tolist(), q.tolist(), strict=True)) for n in range(n_max + 1)]
    for value, (n1, n2, n) in zip(result.tolist(), degree_triples(n_max), strict=True):
        c = np.array(
            [
                [[clebsch_gordan(n1, k1, n2, k2, n, k) for k2 in range(n2 + 1)] for k1 in range(n1 + 1)]
                for k in range(n + 1)
            ]
        )
        b = np.einsum("kl,kab,lcd,ac,bd->", np.conj(u[n]), c, c, u[n1], u[n2])
        assert abs(b.imag) < 1e-12 and (n + 1) * value == pytest.approx(b.real, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("n_max, n_channels", [(0, 1), (3, 1), (2, 2), (1, 3)])
def test_mean_products_have_right_derivatives_twice(n_max, n_channels):
    integrals = TripleIntegrals(n_max, n_channels)
    constants = to_tensors(integrals)
    shape = (3, n_channels, len(constants["grid"]))
    c = torch.randn(shape, generator=generator(), dtype=torch.float64, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert torch.autograd.gradcheck(lambda c: integrals(c, constants), (c,))
        assert torch.autograd.gradgradcheck(lambda c: integrals(c, constants), (c,))


@pytest.mark.parametrize("n_max, n_channels", [(0, 1), (4, 1), (2, 2), (1, 3)])
def test_jacobian_matches_central_differences(n_max, n_channels, monkeypatch):
    """Integrals are cubic in the coefficients, so differences of 1 and 2 steps leave nothing but rounding."""
    monkeypatch.setattr("atomgraph.ops.triple_integrals._MAX_GRID_VALUES", {"cpu": 1})
    integrals = TripleIntegrals(n_max, n_channels)
    constants = to_tensors(integrals)
    c = torch.randn(2, n_channels, len(constants["grid"]), generator=generator(), dtype=torch.float64)
    result = integrals.jacobian(c, constants)
    assert result.shape == (2, len(degree_triples(n_max)) * n_channels**3, *c.shape[1:])
    for channel, harmonic in np.ndindex(*c.shape[1:]):
        step = torch.zeros_like(c)
        step[:, channel, harmonic] = 0.5
        first, two = (integrals(c + k * step, constants) - integrals(c - k * step, constants) for k in (1, 2))
        expected = (8 * first - two) / (12 * 0.5)
        torch.testing.assert_close(result[:, :, channel, harmonic], expected, rtol=1e-11, atol=1e-12)


def test_results_do_not_depend_on_the_group_size(monkeypatch):
    integrals = TripleIntegrals(3, 2)
    constants = to_tensors(integrals)
    c = torch.randn(7, 2, len(constants["grid"]), generator=generator(), dtype=torch.float64, requires_grad=True)
    results = []
    for numbers in (1 << 22, 1):
        monkeypatch.setattr("atomgraph.ops.triple_integrals._MAX_GRID_VALUES", {"cpu": numbers})
        values = integrals(c, constants)
        results.append((values, *torch.autograd.grad(values.square().sum(), c)))
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-13)


def test_integrals_of_the_same_three_functions_are_equal():
    integrals = TripleIntegrals(2, 2)
    constants = to_tensors(integrals)
    c = torch.randn(1, 2, len(constants["grid"]), generator=generator(), dtype=torch.float64)
    values, classes = integrals(c, constants)[0], torch.from_numpy(symmetry_classes(2, 2))
    assert len(classes.unique()) < len(classes) == len(values)
    for first in classes.unique():
        class_values = values[classes == first]
        torch.testing.assert_close(class_values, class_values[:1].expand_as(class_values), rtol=1e-12, atol=1e-13)
    assert len(values.round(decimals=9).unique()) == len(classes.unique())
