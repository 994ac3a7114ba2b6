"""The layer of MACE: laws for every interaction and for features of every kind, and what isolated atoms become."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import MACELayer
from atomgraph.layers.mace import INTERACTIONS
from atomgraph.nn import Agnesi, RadialEmbedding, Soft
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


def layer(irreps_in="2x0e+2x1o", irreps_out="2x0e+2x1o", **arguments):
    arguments = {"l_max": 2, "order": 2, "radial_hidden": (4,), **arguments}
    return MACELayer(ELEMENTS, 3.0, irreps_in, irreps_out, **arguments)


class TestAgnostic(LayerLaws):
    def layer(self):
        return layer(interaction="agnostic")


class TestResidualOfThirdOrder(LayerLaws):
    def layer(self):
        return layer(order=3)


class TestDensity(LayerLaws):
    def layer(self):
        return layer(interaction="density")


class TestDensityResidualThatFadesMessages(LayerLaws):
    def layer(self):
        radial = RadialEmbedding(ELEMENTS, 3.0, 4, transform=Agnesi(ELEMENTS), envelope_on="messages")
        return layer(interaction="density_residual", radial=radial)


class TestAttentionResidual(LayerLaws):
    def layer(self):
        return layer(interaction="attention_residual")


class TestNonlinearResidual(LayerLaws):
    def layer(self):
        radial = RadialEmbedding(ELEMENTS, 3.0, 4, transform=Soft(ELEMENTS), envelope_on="messages")
        return layer(interaction="nonlinear_residual", radial=radial, by_element=False)


class TestScalarsAlone(LayerLaws):
    def layer(self):
        return layer("3x0e", "3x0e", l_max=3)


class TestUpToSecondRank(LayerLaws):
    def layer(self):
        return layer("2x0e+2x1o+2x2e", "2x0e+2x1o+2x2e")


class TestNarrowConvolution(LayerLaws):
    def layer(self):
        return layer("3x0e+3x1o", "3x0e+3x1o", irreps_up="2x0e+2x1o")


class TestOddParities(LayerLaws):
    """Pseudoscalars and pseudovectors among the features, coupled to all parities."""

    def layer(self):
        message = "2x0o+2x0e+2x1o+2x1e+2x2o+2x2e"
        return layer("2x0e+2x0o+2x1o+2x1e", "2x0e+2x0o+2x1o+2x1e", irreps_message=message)


class TestGaussians(LayerLaws):
    def layer(self):
        return layer(radial=RadialEmbedding(ELEMENTS, 3.0, 4, "gaussian"))


class TestChebyshevOfOneLayerNetworks(LayerLaws):
    def layer(self):
        return layer(radial=RadialEmbedding(ELEMENTS, 3.0, 4, "chebyshev", p=6), radial_hidden=())


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_a_layer_of_float32_agrees_with_float64(interaction):
    torch.manual_seed(0)
    part, graph = layer(interaction=interaction), make_graph(crystal(), 3.0)
    h = torch.randn(graph.n_atoms, part.irreps_in.dim)
    edges = [Edges.of(graph, ElementTable(ELEMENTS), dtype) for dtype in (torch.float32, torch.float64)]
    single = part(h, graph, edges[0])
    double = part.double()(h.double(), graph, edges[1])
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=2e-5, atol=2e-5)


def test_mean_number_of_neighbours_excludes_isolated_atoms():
    part, graph = layer(), make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float32)
    part.update_statistics(torch.zeros(graph.n_atoms, 8), graph, edges)
    part.finalize()
    has_any = len(edges.centre.unique())
    assert float(part.interaction.neighbours.number) == pytest.approx(edges.n_edges / has_any, abs=1e-12)
    assert part.float().interaction.neighbours.number.dtype == torch.float64


@pytest.mark.parametrize("interaction", ["attention_residual", "nonlinear_residual"])
def test_envelope_multiplies_messages_of_networks_with_further_inputs(interaction):
    assert layer(interaction=interaction).radial.envelope_on == "messages"
    assert layer().radial.envelope_on == "features"


def test_unknown_interaction_is_refused_with_the_nearest():
    with pytest.raises(WiringError, match="residual"):
        layer(interaction="residuel")


def test_channels_that_differ_are_refused():
    with pytest.raises(WiringError, match="equal numbers of channels"):
        layer("2x0e+2x1o", "2x0e+3x1o")
