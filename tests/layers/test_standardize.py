import torch

from atomgraph.featurizers import RadialDensity
from atomgraph.layers import Standardize
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import LayerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, molecule


class TestStandardize(LayerLaws):
    def layer(self):
        return Standardize(ELEMENTS, 4)


def seen(*structures):
    graphs = [make_graph(atoms, 3.0) for atoms in structures]
    return [(graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)) for graph in graphs]


def random_features(n_atoms, channels=2, seed=0):
    return torch.randn(n_atoms, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def calibrated(features_of, pairs, channels=2):
    layer = Standardize(ELEMENTS, channels).double()
    for i, (graph, edges) in enumerate(pairs):
        layer.update_statistics(features_of(i, graph, edges), graph, edges)
    layer.finalize()
    return layer


def many():
    """Two structures of some dozen atoms, every element several times."""
    return seen(crystal().repeat((2, 2, 1)), molecule().repeat(1) + crystal())


def test_layer_is_the_identity_before_calibration():
    ((graph, edges),) = seen(crystal())
    h = random_features(graph.n_atoms)
    assert torch.equal(Standardize(ELEMENTS, 2).double()(h, graph, edges), h)


def test_means_of_each_element_are_exact_over_all_batches_and_far_from_zero():
    pairs = many()
    features = [
        1e3 + (1.0 + edges.element[:, None]) * random_features(g.n_atoms, seed=i) for i, (g, edges) in enumerate(pairs)
    ]
    layer = calibrated(lambda i, graph, edges: features[i], pairs)
    element = torch.cat([edges.element for _, edges in pairs])
    together = torch.cat(features)
    for z in range(len(ELEMENTS)):
        of_z = together[element == z]
        assert len(of_z) >= 2
        torch.testing.assert_close(layer.mean[z], of_z.mean(dim=0), rtol=1e-12, atol=0)
        floor = 0.01 * of_z.square().mean(dim=0).sqrt()
        torch.testing.assert_close(
            layer.width[z], torch.maximum(of_z.std(dim=0, correction=0), floor), rtol=1e-9, atol=0
        )


def test_each_element_has_mean_zero_and_standard_deviation_one():
    pairs = many()
    features = [random_features(graph.n_atoms, seed=i) for i, (graph, _) in enumerate(pairs)]
    layer = calibrated(lambda i, graph, edges: features[i], pairs)
    standard = torch.cat([layer(h, *pair) for h, pair in zip(features, pairs, strict=True)])
    element = torch.cat([edges.element for _, edges in pairs])
    for z in range(len(ELEMENTS)):
        assert standard[element == z].mean(dim=0).abs().max() < 1e-12
        torch.testing.assert_close(
            standard[element == z].std(dim=0, correction=0), torch.ones(2, dtype=torch.float64), rtol=1e-12, atol=0
        )


def test_nearly_constant_feature_is_not_scaled_up():
    pairs = many()
    nearly = [5.0 + 1e-4 * random_features(graph.n_atoms, 1, seed=i) for i, (graph, _) in enumerate(pairs)]
    layer = calibrated(lambda i, graph, edges: nearly[i], pairs, channels=1)
    assert layer.width.min() > 0.04


def test_one_hot_column_of_elements_is_unchanged():
    pairs = many()
    density = RadialDensity(ELEMENTS, 3.0, n_radial=2)
    layer = calibrated(lambda i, graph, edges: density(graph, edges), pairs, channels=density.irreps_out.dim)
    graph, edges = pairs[0]
    h = density(graph, edges)
    own = slice(-len(ELEMENTS), None)
    assert torch.equal(layer(h, graph, edges)[:, own], h[:, own])
    assert not torch.allclose(layer(h, graph, edges)[:, :8], h[:, :8])


def test_element_without_atoms_has_statistics_of_all_elements():
    pairs = [(graph, edges) for graph, edges in many()]
    for _, edges in pairs:
        edges.element.clamp_(max=2)  # no silicon
    features = [random_features(graph.n_atoms, seed=i) for i, (graph, _) in enumerate(pairs)]
    layer = calibrated(lambda i, graph, edges: features[i], pairs)
    together = torch.cat(features)
    torch.testing.assert_close(layer.mean[3], together.mean(dim=0), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(layer.width[3], together.std(dim=0, correction=0), rtol=1e-12, atol=0)


def test_finalize_without_data_leaves_the_identity():
    layer = Standardize(ELEMENTS, 2)
    layer.finalize()
    assert torch.equal(layer.width, torch.ones(4, 2)) and torch.equal(layer.mean, torch.zeros(4, 2))
