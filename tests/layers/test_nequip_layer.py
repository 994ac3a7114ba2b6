"""NequIP's layer: the laws of layers, and its formula written out with loops."""

import pytest
import torch
from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.featurizers import ElementEmbedding
from atomgraph.layers import NequIPLayer
from atomgraph.nn import RadialEmbedding
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.ops.coupling import wigner_3j
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph
from atomgraph.testing.measures import BY_STRUCTURE, construct, randomise

SMALL = {"l_max": 1, "radial_hidden": [4]}


def radial():
    return RadialEmbedding(ELEMENTS, 3.0, 3, prefactor=2 / 3, p=6)


class TestNequIPLayer(LayerLaws):
    def layer(self):
        return NequIPLayer(ELEMENTS, 3.0, "3x0e+2x1o", "3x0e+2x1o", radial=radial(), **SMALL)


class TestNequIPLayerWithOddScalars(LayerLaws):
    def layer(self):
        irreps = "2x0e+2x0o+2x1e+2x1o"
        embedding = ElementEmbedding(ELEMENTS, 3)
        options = {
            "self_connection": "embedding",
            "embedding": embedding,
            "residual": True,
            "neighbours_by_element": True,
        }
        return NequIPLayer(ELEMENTS, 3.0, irreps, irreps, radial=radial(), **SMALL, **options)


class TestNequIPLayerOfSevenNet(LayerLaws):
    def layer(self):
        options = {"parity": "even", "self_connection": "linear", "solid_harmonics": True, "bias": True}
        envelope = {"envelope": "xplor", "envelope_inner": 2.0, "trainable": True}
        return NequIPLayer(
            ELEMENTS, 3.0, "3x0e+2x1e", "3x0e", radial=RadialEmbedding(ELEMENTS, 3.0, 3, **envelope), **SMALL, **options
        )

    @BY_STRUCTURE
    def test_rotation_of_atoms_rotates_the_features(self, subject, name):
        """With even harmonics, the layer is equivariant to rotations only."""
        super().test_rotation_of_atoms_rotates_the_features(subject, name, improper=False)


def test_output_equals_formula_for_each_atom():
    """Scalars and vectors to scalars, for one atom after another."""
    layer = randomise(
        construct(lambda: NequIPLayer(ELEMENTS, 3.0, "2x0e+2x1o", "2x0e", radial=radial(), **SMALL))
    ).double()
    layer.neighbours.number.fill_(7.0)
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    h = torch.randn(graph.n_atoms, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scalars, vectors = h[:, :2], h[:, 2:].reshape(-1, 2, 3)
    up = {name: weight.detach() / 2**0.5 for name, weight in layer.up.weights.items()}
    weights = layer.network(layer.radial(edges)[0]).detach()
    directions = o3.spherical_harmonics(1, edges.vector, True, "component")
    coupling = wigner_3j(1, 1, 0)[:, :, 0]
    connection = {k: w.detach() / (2 * len(ELEMENTS)) ** 0.5 for k, w in layer.self_connection.weights.items()}
    for i in range(graph.n_atoms):
        sums = torch.zeros(4, dtype=torch.float64)
        for e in torch.nonzero(edges.centre == i)[:, 0]:
            j = edges.neighbour[e]
            s_j, v_j = scalars[j] @ up["0e"], vectors[j].T @ up["1o"]  # (2,), (3, 2)
            sums[:2] += weights[e, :2] * s_j
            sums[2:] += weights[e, 2:] * torch.einsum("mc,n,mn->c", v_j, directions[e], coupling)
        message = (sums / 7.0**0.5) @ (layer.mix.weights["0e"].detach() / 2.0)
        x = message + scalars[i] @ connection["0e"][edges.element[i]]
        expected = 1.6791767923989418 * torch.nn.functional.silu(x)
        torch.testing.assert_close(layer(h, graph, edges)[i], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"self_connection": "elements"}, "unknown self_connection"),
        ({"parity": "odd"}, "unknown parity"),
        ({"self_connection": "embedding"}, "needs the argument embedding"),
        ({"irreps_out": "2x3e"}, "no path leads"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(WiringError, match=message):
        NequIPLayer(
            **{"elements": ELEMENTS, "cutoff": 3.0, "irreps_in": "2x0e", "irreps_out": "2x0e", "l_max": 1} | arguments
        )
