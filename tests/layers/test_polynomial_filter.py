import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import GaussianShells, PolynomialFilter
from atomgraph.layers.adjacency import Adjacency
from atomgraph.nn.edges import Edges
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import crystal, make_graph

# The labelled graph of the lecture: six nodes, seven bonds, both directions, sorted by centre.
BONDS = [(0, 1), (0, 4), (1, 2), (1, 4), (2, 3), (3, 4), (3, 5)]
NEIGHBOUR, CENTRE = torch.tensor(sorted(BONDS + [(j, i) for i, j in BONDS], key=lambda pair: pair[1])).T
LAPLACIAN = torch.tensor(
    [
        [2, -1, 0, 0, -1, 0],
        [-1, 3, -1, 0, -1, 0],
        [0, -1, 2, -1, 0, 0],
        [0, 0, -1, 3, -1, -1],
        [-1, -1, 0, -1, 3, 0],
        [0, 0, 0, -1, 0, 1],
    ],
    dtype=torch.float64,
)


class Bonds(Adjacency):
    """A bond or none: every edge weighs one."""

    def __init__(self):
        super().__init__()
        self.cutoff, self.channels = 1.0, None

    def forward(self, edges):
        return torch.ones_like(edges.length)


def lecture_edges():
    return Edges(
        vector=torch.zeros(14, 3, dtype=torch.float64),
        length=torch.full((14,), 0.5, dtype=torch.float64),
        centre=CENTRE,
        neighbour=NEIGHBOUR,
        element=torch.zeros(6, dtype=torch.int64),
        n_atoms=6,
        n_elements=1,
    )


class TestPolynomialFilter(LayerLaws):
    def layer(self):
        return PolynomialFilter(4, 3, cutoff=3.0, degree=3)


class TestPolynomialFilterChebyshev(LayerLaws):
    def layer(self):
        return PolynomialFilter(3, 3, cutoff=3.2, degree=3, basis="chebyshev", activation="tanh")


class TestPolynomialFilterOfThePlainLaplacian(LayerLaws):
    def layer(self):
        return PolynomialFilter(
            3, 3, cutoff=3.0, basis="chebyshev", laplacian="plain", lambda_max=30.0, weights="scalar"
        )


class TestPolynomialFilterWithShells(LayerLaws):
    def layer(self):
        return PolynomialFilter(
            3, 4, cutoff=3.0, adjacency=GaussianShells(3, 3.0), normalisation="self_loop", bias=False
        )


class TestPolynomialFilterBare(LayerLaws):
    smooth = False  # dividing by Σ f jumps when the last neighbour leaves: a reference setting

    def layer(self):
        return PolynomialFilter(3, 3, cutoff=3.0, normalisation="bare", laplacian="random_walk")


@pytest.mark.parametrize("channels", [1, 6], ids=["scalar", "matrix"])
def test_scalar_filter_is_a_polynomial_of_the_laplacian(channels):
    """p_w(L) = I + 0.1 L + 0.01 L² as a dense matrix: the layer applied to the identity."""
    layer = PolynomialFilter(
        6,
        6,
        cutoff=1.0,
        laplacian="plain",
        weights="scalar" if channels == 1 else "matrix",
        activation="identity",
        adjacency=Bonds(),
    ).double()
    w = torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64)
    eye = torch.eye(6, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(w if channels == 1 else w[:, None, None] * eye)
    expected = eye + 0.1 * LAPLACIAN + 0.01 * LAPLACIAN @ LAPLACIAN
    torch.testing.assert_close(layer(eye, None, lecture_edges()), expected, rtol=1e-14, atol=1e-14)


def test_atoms_beyond_k_edges_have_no_influence():
    """Polynomial filters are localised: degree K reaches K hops."""
    layer = PolynomialFilter(
        6, 6, cutoff=1.0, degree=2, laplacian="plain", weights="scalar", activation="identity", adjacency=Bonds()
    ).double()
    matrix = layer(torch.eye(6, dtype=torch.float64), None, lecture_edges())
    assert matrix[0, 5] == 0  # three hops: 0 - 4 - 3 - 5
    assert matrix[0, 3] != 0  # two hops


def test_monomial_and_chebyshev_filters_span_the_same_functions():
    """L = 1 + T₁ and L² = 1.5 + 2 T₁ + 0.5 T₂ with λ_max = 2, so the weights of one give those of the other."""
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, _table(), torch.float64)
    h = torch.randn(graph.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    monomial = PolynomialFilter(3, 3, cutoff=3.0).double()
    chebyshev = PolynomialFilter(3, 3, cutoff=3.0, basis="chebyshev").double()
    with torch.no_grad():
        w = monomial.weight
        chebyshev.weight.copy_(torch.stack([w[0] + w[1] + 1.5 * w[2], w[1] + 2 * w[2], 0.5 * w[2]]))
    torch.testing.assert_close(monomial(h, graph, edges), chebyshev(h, graph, edges), rtol=1e-12, atol=1e-12)


def _table():
    from atomgraph.nn.elements import ElementTable
    from atomgraph.testing.graphs import ELEMENTS

    return ElementTable(ELEMENTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"laplacian": "symetric"}, "did you mean symmetric"),
        ({"basis": "chebychev"}, "did you mean chebyshev"),
        ({"normalisation": "none"}, "known are bare, self_loop, smooth"),
        ({"activation": "sulu"}, "did you mean silu"),
        ({"degree": -1}, "at least 0"),
        ({"laplacian": "plain", "basis": "chebyshev"}, "give lambda_max"),
        ({"lambda_max": -2.0}, "lambda_max"),
        ({"weights": "vector"}, "matrix or scalar"),
        ({"weights": "scalar", "irreps_out": 5}, "irreps_in has 4 and irreps_out 5"),
        ({"adjacency": GaussianShells(3, 3.0)}, "3 channels, but the layer has 4"),
        ({"adjacency": GaussianShells(4, 3.5)}, "is above that of the layer"),
        ({"irreps_in": 0}, "at least one feature"),
        ({"cutoff": -1.0}, "cutoff must be positive"),
    ],
)
def test_invalid_filters_are_refused(arguments, message):
    with pytest.raises(WiringError, match=message):
        PolynomialFilter(**({"irreps_in": 4, "irreps_out": 4, "cutoff": 3.0} | arguments))
