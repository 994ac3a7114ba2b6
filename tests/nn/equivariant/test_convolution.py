"""The convolution is e3nn's tensor product of each edge, summed over neighbours."""

import pytest
import torch
from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.equivariant.convolution import Convolution, convolution_paths
from atomgraph.nn.equivariant.irrep_blocks import to_blocks
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.ops.coupling import wigner_3j
from atomgraph.ops.scatter import sum_to
from atomgraph.ops.spherical import spherical_harmonics
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, molecule

NATURAL = o3.Irreps.spherical_harmonics(3)
CASES = {
    "scalars": ("2x0e", NATURAL, "0e+1o+2e+3o"),
    "vectors": ("2x0e+2x1o", NATURAL, "0e+1o+2e+3o"),
    "odd parities": ("2x0o+2x0e+2x1o+2x1e", NATURAL, "0e+0o+1o+1e+2e+2o+3o+3e"),
    "no reflections": ("2x0e+2x1e+2x2e", o3.Irreps.spherical_harmonics(3, p=1), "0e+1e+2e+3e"),
}


def edges_of():
    return Edges.of(make_graph(molecule(), 3.0), ElementTable(ELEMENTS), torch.float64)


def explicit_messages(convolution, h, weights, harmonics, edges):
    """Edge by edge, path by path: w √(2l₃+1) Σ C h Y, with 3j symbols."""
    result = {}
    features, columns = (
        to_blocks(h, convolution.irreps_in),
        dict(zip((ir for _, ir in convolution.harmonics), convolution.harmonics.slices(), strict=True)),
    )
    for k, path in enumerate(convolution.paths):
        c = wigner_3j(path.feature.l, path.harmonics.l, path.message.l) * (2 * path.message.l + 1) ** 0.5
        w = weights[:, k * convolution.channels : (k + 1) * convolution.channels]
        h_j = features[path.feature][edges.neighbour]
        first = torch.einsum("ijk,eic,ej,ec->ekc", c, h_j, harmonics[:, columns[path.harmonics]], w)
        result.setdefault(path.message, []).append(sum_to(first, edges.centre, edges.n_atoms))
    return {irrep: torch.cat(parts, dim=2) for irrep, parts in result.items()}


@pytest.mark.parametrize("case", CASES)
def test_messages_equal_the_explicit_sums(case):
    irreps, harmonics, reference = CASES[case]
    edges = edges_of()
    convolution = Convolution(irreps, harmonics, reference)
    y = spherical_harmonics(3, edges.vector)
    h = torch.randn(edges.n_atoms, o3.Irreps(irreps).dim, dtype=torch.float64)
    weights = torch.randn(edges.n_edges, convolution.n_weights, dtype=torch.float64)
    blocks = PaddedEdges.of(edges)
    result = convolution(to_blocks(h, convolution.irreps_in), blocks.pad(weights), blocks.pad(y), blocks)
    expected = explicit_messages(convolution, h, weights, y, edges)
    assert list(result) == list(expected)
    for irrep, message in result.items():
        torch.testing.assert_close(message, expected[irrep], rtol=1e-12, atol=1e-12)


def test_second_derivatives():
    edges, convolution = edges_of(), Convolution("1x0e+1x1o", o3.Irreps.spherical_harmonics(1), "0e+1o")
    blocks = PaddedEdges.of(edges)
    h = torch.randn(edges.n_atoms, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(edges.n_edges, convolution.n_weights, dtype=torch.float64, requires_grad=True)
    vector = edges.vector.detach().requires_grad_()

    def of(h, weights, vector):
        y = spherical_harmonics(1, vector)
        messages = convolution(to_blocks(h, convolution.irreps_in), blocks.pad(weights), blocks.pad(y), blocks)
        return torch.cat([message.flatten(1) for message in messages.values()], dim=1)

    assert torch.autograd.gradcheck(of, (h, weights, vector))
    assert torch.autograd.gradgradcheck(of, (h, weights, vector))


def test_paths_are_sorted_by_the_irrep_of_the_message():
    paths = convolution_paths(o3.Irreps("2x0e+2x1o"), o3.Irreps.spherical_harmonics(2), o3.Irreps("0e+1o+2e"))
    assert ["".join(map(str, path)) for path in paths] == [
        "0e0e0e", "1o1o0e", "0e1o1o", "1o0e1o", "1o2e1o", "0e2e2e", "1o1o2e",
    ]  # fmt: skip


def test_unequal_numbers_of_channels_give_the_sum_of_separate_convolutions():
    """NequIP has other numbers of channels for other irreps; kernels and MACE need a common number."""
    graph = make_graph(crystal(), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    padded_edges = PaddedEdges.of(edges)
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(graph.n_atoms, 2 + 9, dtype=torch.float64, generator=generator)
    harmonics = padded_edges.pad(spherical_harmonics(1, edges.vector))
    convolution = Convolution("2x0e+3x1o", "0e+1o", "0e+1o")
    assert convolution.path_channels == [2, 3, 2, 3] and convolution.n_weights == 10
    weights = padded_edges.pad(torch.randn(edges.n_edges, 10, dtype=torch.float64, generator=generator))
    result = convolution(to_blocks(h, o3.Irreps("2x0e+3x1o")), weights, harmonics, padded_edges)
    scalars = Convolution("2x0e", "0e+1o", "0e+1o")
    vectors = Convolution("3x1o", "0e+1o", "0e+1o")
    columns = {"scalars": [0, 1, 5, 6], "vectors": [2, 3, 4, 7, 8, 9]}
    first = scalars(to_blocks(h[:, :2], o3.Irreps("2x0e")), weights[:, :, columns["scalars"]], harmonics, padded_edges)
    second = vectors(to_blocks(h[:, 2:], o3.Irreps("3x1o")), weights[:, :, columns["vectors"]], harmonics, padded_edges)
    for irrep in result:
        torch.testing.assert_close(result[irrep], torch.cat([first[irrep], second[irrep]], dim=2))
    with pytest.raises(WiringError, match="no common number of channels"):
        _ = convolution.channels
    with pytest.raises(WiringError, match="each irrep once"):
        Convolution("2x0e+3x0e", NATURAL, "0e")


def test_an_unreachable_message_irrep_raises():
    with pytest.raises(WiringError, match="no path leads"):
        Convolution("2x0e", NATURAL, "0o")
