"""Generalised Clebsch-Gordan coefficients: e3nn's and sympy's numbers, invariance to six factors, how many there are."""

from itertools import product

import numpy as np
import pytest
import torch
from e3nn import o3
from sympy.physics.quantum.cg import CG
from torch.autograd import gradcheck, gradgradcheck

from atomgraph.errors import WiringError
from atomgraph.ops.invariant_coupling import (
    clebsch_gordan,
    complex_invariant,
    coupling_tree,
    inner_couplings,
    invariant,
)
from atomgraph.ops.spherical import spherical_harmonics

CASES = [
    ((0,), ()),
    ((3, 3), ()),
    ((2, 3, 1), (1,)),
    ((2, 1, 1, 2), (3, 3)),
    ((1, 1, 2, 1, 1), (2, 3, 1)),
    ((1, 2, 1, 1, 2, 1), (2, 2, 3, 3)),
    ((1, 1, 1, 1, 1, 1), (2, 1, 2, 2)),
]
BY_CASE = pytest.mark.parametrize(("ls", "inner"), CASES)


def value(ls, inner, densities):
    """B of densities (n_factors, (l_max + 1)²)."""
    tensor = torch.from_numpy(invariant(ls, inner))
    for l, row in zip(ls, densities, strict=True):
        tensor = torch.tensordot(row[l * l : (l + 1) ** 2], tensor, dims=([0], [0]))
    return tensor


def sums(n_factors, turn=None):
    vector = torch.randn(n_factors, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    vector = vector if turn is None else vector @ turn.T
    return torch.stack([spherical_harmonics(3, v).sum(dim=0) for v in vector])


@pytest.mark.parametrize("ls", [(1, 1, 2), (2, 1, 1), (2, 3, 4), (3, 0, 3)])
def test_clebsch_gordan_are_sympys(ls):
    table = clebsch_gordan(*ls)
    for m in product(*(range(-l, l + 1) for l in ls)):
        expected = float(CG(ls[0], m[0], ls[1], m[1], ls[2], m[2]).doit())
        assert table[tuple(i + l for i, l in zip(m, ls, strict=True))] == pytest.approx(expected, abs=1e-14)


def test_clebsch_gordan_are_orthonormal():
    every = np.concatenate([clebsch_gordan(4, 5, l).reshape(-1, 2 * l + 1) for l in range(1, 10)], axis=1)
    np.testing.assert_allclose(every.T @ every, np.eye(99), atol=1e-13)
    assert not clebsch_gordan(1, 1, 3).any()


@pytest.mark.parametrize("ls", [(1, 1, 2), (2, 2, 2), (1, 2, 3), (3, 3, 2)])
def test_coefficients_of_three_factors_are_wigners_3j_of_e3nn(ls):
    """There is one invariant of three; a sign is free, the length is 1 / √(2l₃ + 1) of the Clebsch-Gordan normalisation."""
    ours, theirs = invariant(ls, ls[2:]), o3.wigner_3j(*ls, dtype=torch.float64).numpy()
    scale = np.sum(ours * theirs)
    np.testing.assert_allclose(ours, scale * theirs, atol=1e-14)
    assert abs(scale) == pytest.approx(1.0, abs=1e-13)


def test_coefficients_of_two_factors_are_scalar_products():
    for l in range(5):
        expected = np.eye(2 * l + 1) * (-1) ** l / np.sqrt(2 * l + 1)
        np.testing.assert_allclose(invariant((l, l), ()), expected, atol=1e-14)


@BY_CASE
@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
def test_invariants_do_not_change_under_rotation(ls, inner, sign):
    a, b, c = (torch.tensor(angle, dtype=torch.float64) for angle in (0.3, 1.1, -2.0))
    turn = sign * o3.angles_to_matrix(a, b, c)
    before, after = value(ls, inner, sums(len(ls))), value(ls, inner, sums(len(ls), turn))
    assert abs(float(before)) > 1e-3
    assert float(after) == pytest.approx(float(before), rel=1e-11)


@BY_CASE
def test_real_and_complex_harmonics_give_equal_invariants(ls, inner):
    """With densities of complex harmonics (Condon-Shortley), typed by their relation to real ones."""
    real = sums(len(ls)).numpy()
    tensor = complex_invariant(ls, inner).astype(complex)
    for l, row in zip(ls, real, strict=True):
        a = {m: row[l * l + l + m] for m in range(-l, l + 1)}
        y = np.zeros(2 * l + 1, dtype=complex)
        y[l] = a[0]
        for m in range(1, l + 1):
            y[l + m] = (-1) ** m * (a[m] + 1j * a[-m]) / np.sqrt(2)
            y[l - m] = (a[m] - 1j * a[-m]) / np.sqrt(2)
        tensor = np.tensordot(y, tensor, axes=(0, 0))
    assert complex(tensor) == pytest.approx(float(value(ls, inner, torch.from_numpy(real))), abs=1e-11)


@BY_CASE
def test_couplings_of_all_kinds_are_orthonormal(ls, inner):
    if len(ls) < 3:
        return
    rows = np.stack([invariant(ls, first).ravel() for first in inner_couplings(ls)])
    np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-12)
    dims = np.zeros(60)
    dims[0] = 1
    for l in ls:  # how many invariants there are, by coupling one after another
        after = np.zeros(60)
        for first in range(30):
            after[abs(first - l) : first + l + 1] += dims[first]
        dims = after
    assert len(rows) == dims[0]
    assert list(inner_couplings(ls)) == sorted(inner_couplings(ls))


def test_products_have_gradients():
    ls, inner = CASES[3]
    densities = sums(4).requires_grad_(True)
    assert gradcheck(lambda x: value(ls, inner, x), densities)
    assert gradgradcheck(lambda x: value(ls, inner, x), densities)


def test_the_tree_is_pacemakers():
    assert coupling_tree(1) == ()
    assert coupling_tree(3) == ((0, 1), (3, 2))
    assert coupling_tree(4) == ((0, 1), (2, 3), (4, 5))
    assert coupling_tree(5) == ((0, 1), (2, 3), (5, 6), (7, 4))
    assert coupling_tree(6) == ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))


@pytest.mark.parametrize(
    ("ls", "inner", "message"),
    [
        ((1, 2), (), "odd sum"),
        ((1, 3), (), "do not couple to 0"),
        ((1, 1, 2), (1,), "do not couple to 0 through"),
        ((20, 20), (), "are not supported: a degree is at most 12"),
        ((6,) * 6, (0, 0, 0, 0), "are not supported: a degree is at most 12"),
    ],
)
def test_invalid_degrees_raise(ls, inner, message):
    with pytest.raises(WiringError, match=message):
        invariant(ls, inner)
