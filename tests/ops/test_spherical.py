"""Spherical harmonics: e3nn's convention, turned and mirrored as they must be."""

import math

import pytest
import torch
from e3nn import o3
from helpers.references import reference
from torch.autograd import gradcheck, gradgradcheck

from atomgraph.errors import WiringError
from atomgraph.ops.spherical import harmonic_polynomials, spherical_harmonics
from atomgraph.testing.graphs import generator
from atomgraph.testing.measures import rotate_features


@pytest.fixture
def vectors():
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_first_columns_are_one_and_the_direction(vectors):
    direction = vectors / vectors.norm(dim=1, keepdim=True)
    result = spherical_harmonics(1, vectors)
    torch.testing.assert_close(result[:, 0], torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(result[:, 1:], math.sqrt(3) * direction)


@pytest.mark.parametrize("normalization", ["component", "integral", "norm"])
def test_squares_of_one_degree_sum_to_the_same_in_every_direction(vectors, normalization):
    result = spherical_harmonics(5, vectors, normalization)
    for l in range(6):
        square = result[:, l**2 : (l + 1) ** 2].square().sum(dim=1)
        expected = {"component": 2 * l + 1, "integral": (2 * l + 1) / (4 * math.pi), "norm": 1.0}[normalization]
        torch.testing.assert_close(square, torch.full_like(square, expected))


def test_harmonics_do_not_depend_on_the_length(vectors):
    torch.testing.assert_close(spherical_harmonics(4, vectors), spherical_harmonics(4, 37.0 * vectors))


def test_rotation_and_reflection_act_as_their_irreps_say(vectors):
    turn = o3.angles_to_matrix(*torch.tensor([[0.3], [1.1], [-2.0]], dtype=torch.float64))[0]
    h = spherical_harmonics(4, vectors)
    for matrix in (turn, -turn):
        expected = rotate_features(h, o3.Irreps.spherical_harmonics(4), matrix)
        torch.testing.assert_close(spherical_harmonics(4, vectors @ matrix.T), expected, atol=1e-12, rtol=0)


def test_gradients_are_those_of_the_value(vectors):
    vectors.requires_grad_()
    assert gradcheck(lambda v: spherical_harmonics(4, v), vectors)
    assert gradgradcheck(lambda v: spherical_harmonics(4, v), vectors)


def test_zero_vector_has_no_direction_and_no_gradient():
    vector = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    result = spherical_harmonics(3, vector)
    assert result[0, 0] == 1 and (result[0, 1:] == 0).all()
    (first,) = torch.autograd.grad(result.sum(), vector, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), vector)
    assert (first == 0).all() and (second == 0).all()


def test_no_edges_no_rows():
    assert spherical_harmonics(2, torch.empty(0, 3)).shape == (0, 9)


def test_refuses_unknown_degrees_and_normalizations(vectors):
    with pytest.raises(WiringError, match="between 0 and 12"):
        spherical_harmonics(13, vectors)
    with pytest.raises(WiringError, match="did you mean component"):
        spherical_harmonics(2, vectors, "componet")


@pytest.mark.refs
def test_equals_e3nn_in_each_normalization():
    arrays, _ = reference("spherical")
    vectors = torch.from_numpy(arrays["e3nn/xyz"])
    for name, normalization in (("component", "component"), ("integral", "integral"), ("norm", "norm")):
        expected = torch.from_numpy(arrays[f"e3nn/Y_{name}"])
        torch.testing.assert_close(spherical_harmonics(8, vectors, normalization), expected, atol=1e-13, rtol=0)


@pytest.mark.refs
def test_equals_the_usual_harmonics_about_z_after_turning_the_axes():
    arrays, _ = reference("spherical")
    vectors = torch.from_numpy(arrays["e3nn/xyz"])
    expected = torch.from_numpy(arrays["sphericart/Y"])  # about z: Y_e3nn(y, z, x) = Y_std(x, y, z)
    result = spherical_harmonics(8, vectors[:, [1, 2, 0]], "integral")
    torch.testing.assert_close(result, expected, atol=1e-13, rtol=0)


def test_polynomials_are_the_harmonics():
    vector = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64, generator=generator()), dim=1)
    result = torch.zeros(20, 25, dtype=torch.float64)
    for (column, monomial), coefficient in harmonic_polynomials(4).items():
        result[:, column] += coefficient * vector[:, list(monomial)].prod(dim=1)
    torch.testing.assert_close(result, spherical_harmonics(4, vector), atol=1e-13, rtol=0)
