import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.ops.operator_polynomial import chebyshev_polynomials, operator_powers, polynomials


def symmetric_matrix(size=5, seed=0):
    matrix = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return matrix + matrix.T


def test_powers_of_an_operator_are_powers_of_its_matrix():
    matrix = symmetric_matrix()
    terms = list(operator_powers(lambda h: matrix @ h, torch.eye(5, dtype=torch.float64), 4))
    assert len(terms) == 5
    for k, term in enumerate(terms):
        torch.testing.assert_close(term, torch.linalg.matrix_power(matrix, k), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("lambda_max", [2.0, 3.7])
def test_chebyshev_recurrence_is_numpys_polynomial_of_each_eigenvalue(lambda_max):
    matrix = symmetric_matrix()
    values, vectors = torch.linalg.eigh(matrix)
    terms = list(chebyshev_polynomials(lambda h: matrix @ h, torch.eye(5, dtype=torch.float64), 5, lambda_max))
    for k, term in enumerate(terms):
        of_values = np.polynomial.chebyshev.Chebyshev.basis(k)(2 * values.numpy() / lambda_max - 1)
        expected = vectors @ torch.diag(torch.from_numpy(of_values)) @ vectors.T
        torch.testing.assert_close(term, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("basis", ["monomial", "chebyshev"])
@pytest.mark.parametrize("degree", [0, 1, 4])
def test_each_term_costs_one_application_of_the_operator(basis, degree):
    calls = []

    def operator(h):
        calls.append(1)
        return 0.5 * h

    h = torch.ones(3, 2)
    terms = list(polynomials(operator, h, degree, basis))
    assert len(terms) == degree + 1 and len(calls) == degree
    assert torch.equal(terms[0], h)


@pytest.mark.parametrize("basis", ["monomial", "chebyshev"])
def test_first_and_second_derivatives(basis):
    matrix, h = symmetric_matrix(3), torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def last(matrix, h):
        return list(polynomials(lambda x: matrix @ x, h, 3, basis))[-1]

    inputs = (matrix.requires_grad_(True), h.requires_grad_(True))
    assert torch.autograd.gradcheck(last, inputs)
    assert torch.autograd.gradgradcheck(last, inputs)


def test_invalid_polynomials_raise():
    h = torch.ones(2, 1)
    with pytest.raises(WiringError, match="did you mean chebyshev"):
        polynomials(lambda x: x, h, 2, "chebishev")
    with pytest.raises(WiringError, match="at least 0"):
        polynomials(lambda x: x, h, -1)
    with pytest.raises(WiringError, match="lambda_max"):
        polynomials(lambda x: x, h, 2, "chebyshev", 0.0)
