"""Couplings: known symbols, signs, and chains that turn as they should."""

import numpy as np
import pytest
import torch
from e3nn import o3

from atomgraph.analysis.laws.structures import rotation_matrix
from atomgraph.ops.coupling import FLIPPED_SIGNS, coupling_tensor, couplings, wigner_3j
from atomgraph.testing.measures import wigner_d

L3 = "0e+1o+2e+3o"


@pytest.mark.parametrize("l", range(4))
def test_3j_symbol_with_a_scalar_is_the_unit_matrix(l):
    unit = torch.eye(2 * l + 1, dtype=torch.float64) / (2 * l + 1) ** 0.5
    torch.testing.assert_close(wigner_3j(0, l, l)[0], unit, rtol=0, atol=1e-15)
    torch.testing.assert_close(wigner_3j(l, l, 0)[:, :, 0], unit, rtol=0, atol=1e-15)


def test_two_vectors_make_a_cross_product_and_a_dot_product():
    x, y = torch.tensor([1.0, 2, 3]).double(), torch.tensor([-1.0, 0.5, 2]).double()
    cross = torch.einsum("ijk,i,j->k", wigner_3j(1, 1, 1), x, y) * 6**0.5
    torch.testing.assert_close(cross, torch.linalg.cross(x, y), rtol=0, atol=1e-14)
    dot = torch.einsum("ijk,i,j->k", wigner_3j(1, 1, 0), x, y) * 3**0.5
    torch.testing.assert_close(dot, (x @ y)[None], rtol=0, atol=1e-14)


def test_signs_are_those_of_published_models():
    """Entries of e3nn 0.4.4, for four of the triples whose sign was changed after it."""
    known = {
        (1, 2, 2): (1, 0, 4, 0.36514837167011155),
        (1, 3, 3): (1, 6, 0, -0.3273268353539884),
        (3, 4, 6): (3, 1, 9, 0.16423467043540776),
        (5, 5, 5): (5, 1, 9, -0.1448413648755804),
    }
    for degrees, (i, j, k, value) in known.items():
        assert float(wigner_3j(*degrees)[i, j, k]) == pytest.approx(value, abs=1e-14)
    assert all(sum(degrees) % 2 == 1 for degrees in FLIPPED_SIGNS)
    for degrees in [(1, 2, 2), (1, 1, 2), (3, 4, 6), (2, 2, 2)]:
        sign = -1 if degrees in FLIPPED_SIGNS else 1
        torch.testing.assert_close(
            wigner_3j(*degrees), sign * o3.wigner_3j(*degrees, dtype=torch.float64), rtol=0, atol=1e-15
        )


@pytest.mark.parametrize(
    "irrep, order, n_paths",
    [("0e", 1, 1), ("0e", 2, 4), ("0e", 3, 23), ("1o", 2, 6), ("1o", 3, 51), ("2e", 2, 7), ("2e", 3, 65)],
)
def test_number_of_couplings_is_that_of_published_models(irrep, order, n_paths):
    assert len(couplings(L3, irrep, order)) == n_paths


@pytest.mark.parametrize("irrep", ["0e", "1o", "2e", "1e", "0o"])
@pytest.mark.parametrize("order", [2, 3])
def test_couplings_are_equivariant(irrep, order):
    irreps, matrix = o3.Irreps("0e+1o+2e"), torch.as_tensor(rotation_matrix(3))
    u, out = coupling_tensor("0e+1o+2e", irrep, order), o3.Irrep(irrep)
    if u.shape[-1] == 0:
        pytest.skip("no chain leads there")
    for sign in (1, -1):
        blocks = [(ir.p if sign < 0 else 1) * wigner_d(ir.l, matrix) for _, ir in irreps]
        d, x = torch.block_diag(*blocks), torch.randn(irreps.dim, dtype=torch.float64)
        d_out = (out.p if sign < 0 else 1) * wigner_d(out.l, matrix)

        def product(x, u=u if out.l else u[None]):
            for _ in range(order):
                u = torch.tensordot(u, x, dims=([1], [0]))
            return u

        torch.testing.assert_close(product(d @ x), d_out @ product(x), rtol=0, atol=1e-12)


def test_four_factors_couple_through_natural_parities_only():
    assert len(couplings("0e+1o", "1e", 3)) > 0 and len(couplings("0e+1o", "1e", 4)) == 0


def test_unreachable_irrep_has_no_couplings():
    assert coupling_tensor("0e+2e", "1o", 2).shape == (3, 6, 6, 0)
    assert np.prod(coupling_tensor("0e", "0e", 3).shape) == 1
