"""Distances as features: formulas, envelopes, transforms and networks."""

import math
from dataclasses import replace

import pytest
import torch
from e3nn import nn

from atomgraph.errors import WiringError
from atomgraph.nn import Agnesi, RadialEmbedding, Soft
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.equivariant.radial_network import NormalisedMLP, ScaledMLP
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


@pytest.fixture(scope="module")
def edges():
    return Edges.of(make_graph(crystal(), 4.0), ElementTable(ELEMENTS), torch.float64)


def embed(edges, **arguments):
    return RadialEmbedding(ELEMENTS, 4.0, 5, **arguments)(edges)[0]


def test_bessel_functions_are_standing_waves(edges):
    r, k = edges.length[:, None], torch.arange(1, 6).double()
    expected = (
        math.sqrt(2 / 4.0) * torch.sin(k * math.pi * r / 4.0) / r * polynomial_cutoff(edges.length, 4.0, 5)[:, None]
    )
    torch.testing.assert_close(embed(edges), expected, rtol=1e-13, atol=1e-13)


def test_standard_deviation_of_gaussians_is_their_distance(edges):
    expected = torch.exp(-0.5 * (edges.length[:, None] - torch.arange(5)) ** 2)
    features, envelope = RadialEmbedding(ELEMENTS, 4.0, 5, "gaussian", envelope_on="messages")(edges)
    torch.testing.assert_close(features, expected, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(envelope, polynomial_cutoff(edges.length, 4.0, 5), rtol=1e-13, atol=1e-13)


def test_chebyshev_polynomials_are_of_the_bare_distance(edges):
    features, _ = RadialEmbedding(ELEMENTS, 4.0, 3, "chebyshev", envelope_on="messages")(edges)
    x = edges.length
    expected = torch.stack([x, 2 * x**2 - 1, 4 * x**3 - 3 * x], dim=1)
    torch.testing.assert_close(features, expected, rtol=1e-13, atol=1e-13)


def test_envelope_is_chosen_by_name(edges):
    _, envelope = RadialEmbedding(ELEMENTS, 4.0, envelope="cosine", envelope_on="messages")(edges)
    torch.testing.assert_close(envelope, 0.5 * (1 + torch.cos(math.pi * edges.length / 4.0)), rtol=1e-13, atol=1e-13)
    with pytest.raises(WiringError, match="unknown envelope 'cosin'; did you mean cosine"):
        RadialEmbedding(ELEMENTS, 4.0, envelope="cosin")


@pytest.mark.parametrize("differentiable", [True, False])
def test_functions_that_are_not_differentiable_are_constants(differentiable):
    graph = make_graph(crystal(), 4.0)
    graph.pos.requires_grad_()
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    features, _ = RadialEmbedding(ELEMENTS, 4.0, 3, "chebyshev", envelope_on="messages", differentiable=differentiable)(
        edges
    )
    assert features.requires_grad is differentiable


def test_agnesis_transform_is_its_formula_and_starts_at_one(edges):
    transform = Agnesi(ELEMENTS, radii=[0.4, 0.7, 0.6, 1.1])
    u = edges.length / (0.5 * transform.radius_sums(edges))
    expected = 1 / (1 + 1.0805 * u**0.9183 / (1 + u ** (0.9183 - 4.5791)))
    torch.testing.assert_close(transform(edges), expected, rtol=1e-13, atol=1e-13)
    near = replace(edges, vector=edges.vector * 1e-9, length=edges.length * 1e-9, origin=None, _cache={})
    torch.testing.assert_close(transform(near), torch.ones_like(u), rtol=0, atol=1e-12)


def test_the_soft_transform_is_its_formula(edges):
    transform = Soft(ELEMENTS, alpha=3.0)
    r, low, high = edges.length, 0.75 * transform.radius_sums(edges), 4 / 3 * transform.radius_sums(edges)
    expected = low + (r - low) * 0.5 * (1 + torch.tanh(3.0 / (high - low) * (r - 0.5 * (low + high))))
    torch.testing.assert_close(transform(edges), expected, rtol=1e-13, atol=1e-13)


def test_embedding_is_computed_once(edges):
    part = RadialEmbedding(ELEMENTS, 4.0)
    assert part(edges)[0] is part(edges)[0]


def test_float32_features_come_from_float64_distances():
    graph, part = make_graph(crystal(), 4.0), RadialEmbedding(ELEMENTS, 4.0, transform=Agnesi(ELEMENTS))
    single, double = (part(Edges.of(graph, ElementTable(ELEMENTS), t))[0] for t in (torch.float32, torch.float64))
    assert single.dtype == torch.float32
    assert torch.equal(single, double.float())


def test_places_can_be_learned_and_stay_exact_otherwise():
    assert RadialEmbedding(ELEMENTS, 4.0, trainable=True).places.requires_grad
    fixed = RadialEmbedding(ELEMENTS, 4.0).half().double()
    torch.testing.assert_close(fixed.places, torch.arange(1, 9).double() * (math.pi / 4.0), rtol=1e-15, atol=0)


def test_the_scaled_perceptron_is_e3nns():
    ours = ScaledMLP([4, 6, 5, 3], activation_gain=None).double()
    theirs = nn.FullyConnectedNet([4, 6, 5, 3], torch.nn.functional.silu).double()
    with torch.no_grad():
        for weight, layer in zip(ours.weights, theirs, strict=True):
            layer.weight.copy_(weight)
    x = torch.randn(7, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-6, atol=1e-6)  # e3nn's gain comes from a random sample


def test_the_normalised_perceptron_is_torchs_layers_in_a_row():
    part = NormalisedMLP([4, 6, 3]).double()
    x = torch.randn(7, 4, dtype=torch.float64)
    expected = part.maps[1](torch.nn.functional.silu(part.norms[0](part.maps[0](x))))
    assert torch.equal(part(x), expected)


@pytest.mark.parametrize("part", [ScaledMLP([2, 3, 2]), NormalisedMLP([2, 3, 2])], ids=["scaled", "normalised"])
def test_second_derivatives(part):
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(part.double(), x)
    assert torch.autograd.gradgradcheck(part.double(), x)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"basis": "besel"}, "did you mean bessel"),
        ({"envelope_on": "all"}, "unknown envelope_on"),
        ({"n_radial": 0}, "should be positive"),
        ({"basis": "gaussian", "n_radial": 1}, "at least two functions"),
        ({"p": 1}, "p at least 2"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(WiringError, match=message):
        RadialEmbedding(ELEMENTS, 4.0, **arguments)


def test_a_transform_without_radii_raises():
    with pytest.raises(WiringError, match="positive radius"):
        Agnesi(["H", "O"], radii=[0.3])
    with pytest.raises(WiringError, match="p > q > 0"):
        Agnesi(["H"], p=0.5)


def test_gaussians_can_start_at_a_distance(edges):
    features = embed(edges, basis="gaussian", start=1.0, envelope_on="messages")
    expected = torch.exp(-0.5 * ((edges.length[:, None] - torch.linspace(1, 4, 5).double()) / 0.75) ** 2)
    torch.testing.assert_close(features, expected, rtol=1e-12, atol=1e-13)


def test_separate_widths_change_nothing_at_first(edges):
    options = {"basis": "gaussian", "start": 0.5, "envelope_on": "messages"}
    equal, separate = embed(edges, **options), embed(edges, **options, separate_widths=True)
    torch.testing.assert_close(separate, equal, rtol=1e-12, atol=1e-13)


def test_centred_gaussians_have_widths_up_to_the_cutoff(edges):
    features = embed(edges, basis="centred_gaussian", envelope_on="messages")
    expected = torch.exp(-0.5 * (edges.length[:, None] / torch.linspace(1, 4, 5).double()) ** 2)
    torch.testing.assert_close(features, expected, rtol=1e-12, atol=1e-13)


def test_centres_and_widths_are_trained_together():
    part = RadialEmbedding(ELEMENTS, 4.0, 5, "gaussian", trainable=True, separate_widths=True)
    assert {name for name, _ in part.named_parameters()} == {"places", "widths"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"basis": "bessel", "start": 1.0}, "for Gaussians, but the basis is bessel"),
        ({"basis": "chebyshev", "separate_widths": True}, "for Gaussians"),
        ({"basis": "gaussian", "start": 4.0}, "below the cutoff of 4.0"),
        ({"basis": "gaussian", "start": -1.0}, "below the cutoff of 4.0"),
        ({"basis": "centred_gaussian", "start": 0.0}, "positive for centred_gaussian"),
        ({"basis": "centred_gaussian", "n_radial": 1}, "at least two functions"),
    ],
)
def test_invalid_gaussians(arguments, message):
    with pytest.raises(WiringError, match=message):
        RadialEmbedding(ELEMENTS, 4.0, **arguments)
