"""Allegro's layers: the product of edges, sums over edges, and the irreps that are kept."""

import pytest
import torch
from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.layers.allegro_layer import tensor_irreps
from atomgraph.layers.edge_sum import EdgeSum
from atomgraph.layers.edge_tensor_product import EdgeTensorProduct
from atomgraph.layers.pair_embedding import BesselPairEmbedding, SplinePairEmbedding
from atomgraph.nn import RadialEmbedding
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.ops.coupling import wigner_3j
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


def crystal_edges():
    graph = make_graph(crystal(), 3.0)
    return graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


@pytest.mark.parametrize("by_channel", [True, False])
def test_product_equals_the_sum_over_paths(by_channel):
    _, edges = crystal_edges()
    padded = PaddedEdges.of(edges)
    product = EdgeTensorProduct("1x0e+1x1o", "1x0e+1x1o", "1x0e+1x1o+1x1e", 3, by_channel).double()
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(edges.n_edges, 3, 4, dtype=torch.float64, generator=generator)
    e = torch.randn(edges.n_atoms, 3, 4, dtype=torch.float64, generator=generator)
    blocks = product(padded.pad(v).transpose(1, 2), e.transpose(0, 1), padded)
    result = blocks.transpose(1, 2).flatten(0, 1)[padded.slot]
    columns = {"0e": slice(0, 1), "1o": slice(1, 4), "1e": slice(4, 7)}
    expected = torch.zeros_like(result)
    for p, (a, b, out) in enumerate(product.paths):
        c = wigner_3j(a.l, b.l, out.l) * (2 * out.l + 1) ** 0.5
        weight = product.weight[:, p].expand(3)
        term = torch.einsum(
            "eum,eun,mnk,u->euk", v[:, :, columns[str(a)]], e[edges.centre][:, :, columns[str(b)]], c, weight
        )
        expected[:, :, columns[str(out)]] += term
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
    assert product.weight.shape == (3 if by_channel else 1, 5)


def test_product_needs_a_path_to_each_output():
    with pytest.raises(WiringError, match="no path leads"):
        EdgeTensorProduct("1x0e", "1x0e", "1x0e+1x1o", 2)


def test_only_irreps_that_reach_the_last_scalars_are_kept():
    assert [str(irreps) for irreps in tensor_irreps(1, "natural", 2)] == ["1x0e+1x1o", "1x0e+1x1o", "1x0e"]
    both = tensor_irreps(2, "both", 3)
    assert str(both[-1]) == "1x0e" and both[1].count(o3.Irrep("1e")) == 1
    assert all(irrep.p == (-1) ** irrep.l for _, irrep in both[2])  # others do not couple with harmonics to 0e


def test_sum_of_edges_is_scaled_by_the_number_of_neighbours():
    graph, edges = crystal_edges()
    layer = EdgeSum(ELEMENTS, 1, 2).double()
    layer.neighbours.number.fill_(8.0)
    features = torch.ones(edges.n_edges, 2, dtype=torch.float64)
    counts = torch.bincount(edges.centre, minlength=edges.n_atoms).double()
    torch.testing.assert_close(
        layer(torch.zeros(edges.n_atoms, 1), graph, edges, features), counts[:, None].expand(-1, 2) / 4
    )


def test_embeddings_of_pairs_vanish_at_the_cutoff_and_depend_on_the_order_of_elements():
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    far = edges.with_vectors(edges.vector / edges.length[:, None] * 2.9999)
    h = torch.randn(edges.n_atoms, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for part in (
        BesselPairEmbedding(4, RadialEmbedding(ELEMENTS, 3.0, 3, p=6)).double(),
        SplinePairEmbedding(ELEMENTS, 3.0, 4).double(),
    ):
        assert float(part(h, far).abs().max()) < 1e-6 < float(part(h, edges).abs().max())
    with pytest.raises(WiringError, match="even number of channels"):
        BesselPairEmbedding(3, RadialEmbedding(ELEMENTS, 3.0, 3))
