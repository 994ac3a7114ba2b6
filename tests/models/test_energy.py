"""The wiring: any composition whose joints fit is a model, and any other says where it does not."""

import weakref

import pytest
import torch
from e3nn import o3

from atomgraph.errors import GraphError, WiringError
from atomgraph.featurizers import ElementEmbedding, RadialDensity, SymmetryFunctions
from atomgraph.layers import (
    AtomWise,
    GaussianShells,
    GraphConvolution,
    LaplacianConvolution,
    PolynomialFilter,
    Standardize,
)
from atomgraph.models import GCN, Baseline, BehlerParrinello, Branch, EnergyModel
from atomgraph.nn.edges import Edges
from atomgraph.nn.protocols import Featurizer, MessageLayer
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to
from atomgraph.readouts import Linear, PerElementMLP
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class VectorDensity(Featurizer):
    """Eight scalars Σ f(r) and eight vectors Σ f(r) r̂, f of eight reaches: equivariant features, small enough for a test."""

    def __init__(self, cutoff):
        super().__init__()
        self.cutoff, self.irreps_out = float(cutoff), o3.Irreps("8x0e+8x1o")

    def forward(self, graph, edges):
        reaches = [self.cutoff * (n + 1) / 8 for n in range(8)]
        f = torch.stack([polynomial_cutoff(edges.length, reach) for reach in reaches], dim=1)
        vectors = f[:, :, None] * (edges.vector / edges.length[:, None])[:, None, :]
        return sum_to(torch.cat([f, vectors.flatten(1)], dim=1), edges.centre, edges.n_atoms)


class Lengths(MessageLayer):
    """The squared lengths of eight vectors beside eight scalars: ``8x0e+8x1o`` in, ``16x0e`` out."""

    def __init__(self):
        super().__init__()
        self.irreps_in, self.irreps_out = o3.Irreps("8x0e+8x1o"), o3.Irreps("16x0e")

    def forward(self, h, graph, edges):
        return torch.cat([h[:, :8], h[:, 8:].reshape(-1, 8, 3).square().sum(dim=2)], dim=1)


def gcn_branch(cutoff=3.0, channels=4):
    density = RadialDensity(ELEMENTS, cutoff, n_radial=3)
    layers = [AtomWise(ELEMENTS, density.irreps_out.dim, channels), GraphConvolution(channels, channels, cutoff)]
    return Branch(cutoff, density, layers, [Linear(channels)])


class TestSymmetryFunctionsIntoAFilter(ModelLaws):
    def model(self):
        functions = SymmetryFunctions(ELEMENTS, 3.0)
        channels = functions.irreps_out.dim
        layers = [Standardize(ELEMENTS, channels, min_std=0.05), PolynomialFilter(channels, 5, 3.0)]
        return EnergyModel(ELEMENTS, Branch(3.0, functions, layers, [PerElementMLP(ELEMENTS, 5, (4,))]))


class TestSumOfBehlerParrinelloAndGCN(ModelLaws):
    """Two branches, each with a cutoff of its own."""

    def model(self):
        (classical,) = BehlerParrinello(ELEMENTS, 2.6).branches
        (convolutional,) = GCN(ELEMENTS, 3.2, channels=4, n_layers=1, n_radial=3, readout_hidden=(4,)).branches
        return EnergyModel(ELEMENTS, [classical, convolutional])


class TestThreeConvolutionsInARowEachRead(ModelLaws):
    """A readout for the featurizer and for every layer, the lecture's three layers one after the other."""

    def model(self):
        density = RadialDensity(ELEMENTS, 3.0, n_radial=2)
        layers = [
            PolynomialFilter(density.irreps_out.dim, 5, 3.0, basis="chebyshev"),
            LaplacianConvolution(5, 4, 2.8),
            GraphConvolution(4, 3, 3.0, adjacency=GaussianShells(4, 3.0)),
        ]
        readouts = [Linear(density.irreps_out.dim), Linear(5), Linear(4), PerElementMLP(ELEMENTS, 3, (4,))]
        return EnergyModel(ELEMENTS, Branch(3.0, density, layers, readouts))


class TestEquivariantFeatures(ModelLaws):
    def model(self):
        layers = [Lengths(), LaplacianConvolution(16, 4, 3.0)]
        readouts = [Linear("8x0e+8x1o"), Linear(16), Linear(4)]
        return EnergyModel(ELEMENTS, Branch(3.0, VectorDensity(3.0), layers, readouts))


def test_element_embeddings_become_physics_when_shells_weigh_the_messages():
    """Features equal on all atoms of a kind, but neighbours weighed by distance: forces on a crystal of one element."""
    torch.manual_seed(0)
    graph = make_graph(crystal(), 3.0)
    graph.atomic_numbers = torch.full_like(graph.atomic_numbers, 14)
    layers = [GraphConvolution(4, 4, 3.0, adjacency=GaussianShells(4, 3.0))]
    model = EnergyModel(ELEMENTS, Branch(3.0, ElementEmbedding(ELEMENTS, 4), layers, [Linear(4)]))
    graph.pos.requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(graph).sum(), graph.pos)
    assert gradient.abs().max() > 1e-4


def test_branches_add_up():
    graph = make_graph(crystal(), 3.4)
    first, second = gcn_branch(3.0), gcn_branch(3.4)
    both = EnergyModel(ELEMENTS, [first, second]).double()
    alone = [EnergyModel(ELEMENTS, branch).double()(graph) for branch in (first, second)]
    assert both.cutoff == 3.4
    torch.testing.assert_close(both(graph), alone[0] + alone[1], rtol=1e-13, atol=1e-13)


def test_a_branch_is_blind_beyond_its_own_cutoff():
    """Whatever the graph holds, even a part that reads every edge sees only those of its branch."""

    class Count(Featurizer):
        def __init__(self):
            super().__init__()
            self.irreps_out = o3.Irreps("1x0e")

        def forward(self, graph, edges: Edges):
            return torch.bincount(edges.centre, minlength=edges.n_atoms)[:, None].to(edges.length)

    graph = make_graph(crystal(), 4.0)
    branch = Branch(2.5, Count(), readouts=[Linear(1)]).double()
    with torch.no_grad():
        branch.readouts[0].weight.fill_(1.0)
    assert EnergyModel(ELEMENTS, branch)(graph).sum() == make_graph(crystal(), 2.5).n_edges


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Branch(3.0, VectorDensity(3.0), [LaplacianConvolution(8, 8, 3.0)], [Linear(8)]),
            r"layers\[0\] expects features 8x0e, but featurizer gives 8x0e\+8x1o",
        ),
        (
            lambda: Branch(3.0, VectorDensity(3.0), [Lengths()], [Linear("8x0e"), Linear("8x0e+8x1o")]),
            r"readouts\[0\] expects features 8x0e, but featurizer gives 8x0e\+8x1o",
        ),
        (
            lambda: Branch(3.0, VectorDensity(3.0), [Lengths()], [Linear("8x0e+8x1o")]),
            r"readouts\[0\] expects features 8x0e\+8x1o, but layers\[0\] gives 16x0e",
        ),
        (
            lambda: Branch(3.0, VectorDensity(3.0), [Lengths(), Lengths()], [Linear(16)]),
            r"layers\[1\] expects features 8x0e\+8x1o, but layers\[0\] gives 16x0e",
        ),
        (lambda: Branch(3.0, VectorDensity(3.0)), "needs at least one readout"),
        (lambda: Branch(3.0, VectorDensity(3.0), [], [Linear(8), Linear(8)]), "2 readouts for 0 layers"),
        (
            lambda: Branch(3.0, VectorDensity(3.5), [], [Linear("8x0e+8x1o")]),
            r"featurizer has a cutoff of 3.5 Å, beyond",
        ),
        (
            lambda: Branch(3.0, VectorDensity(3.0), [Lengths(), GraphConvolution(16, 2, 4.0)], [Linear(2)]),
            r"layers\[1\] has a cutoff of 4.0 Å, beyond the branch's cutoff of 3.0 Å",
        ),
        (lambda: Branch(3.0, Linear(3), [], [Linear(3)]), "featurizer should be a Featurizer, but is a Linear"),
        (
            lambda: Branch(3.0, VectorDensity(3.0), [Linear("8x0e+8x1o")], [Linear(8)]),
            r"layers\[0\] should be a Layer, but is a Linear",
        ),
        (lambda: Branch(0.0, VectorDensity(3.0), [], [Linear("8x0e+8x1o")]), "cutoff must be positive"),
        (lambda: EnergyModel(ELEMENTS, []), "at least one branch"),
        (lambda: EnergyModel(["Si", "O"], gcn_branch()), "has the elements H, C, O, Si, but the model has Si, O"),
        (lambda: EnergyModel(["Si", "Sj"], gcn_branch()), "unknown chemical symbol 'Sj'"),
        (
            lambda: EnergyModel(ELEMENTS, Branch(3.0, VectorDensity(3.0), [], [Linear("8x0e+8x1o", n_outputs=3)])),
            r"branches\[0\] gives 3 energies per atom for 1 heads",
        ),
    ],
)
def test_joints_that_do_not_fit_are_named(make, message):
    with pytest.raises(WiringError, match=message):
        make()


def test_irreps_fit_however_they_are_written():
    branch = Branch(3.0, VectorDensity(3.0), readouts=[Linear("4x0e+4x0e+8x1o")])
    assert EnergyModel(ELEMENTS, branch).double()(make_graph(crystal(), 3.0)).shape == (len(crystal()),)


def test_one_column_serves_all_heads_and_several_serve_one_each():
    graph = make_graph(crystal(), 3.0)
    for n_outputs in (1, 2):
        branch = Branch(3.0, VectorDensity(3.0), readouts=[Linear("8x0e+8x1o", n_outputs=n_outputs)])
        model = EnergyModel(ELEMENTS, branch, Baseline(ELEMENTS, ["pbe", "scan"])).double()
        energies = []
        for head in (0, 1):
            graph.head = torch.tensor([head])
            energies.append(model(graph))
        assert torch.equal(*energies) == (n_outputs == 1)


def test_a_graph_that_does_not_reach_is_refused_with_the_way_out():
    model = EnergyModel(ELEMENTS, gcn_branch(3.0))
    with pytest.raises(GraphError, match=r"up to 2.5 Å, but the model needs 3.0 Å.*from_ase\(atoms, cutoff=3.0\)"):
        model(make_graph(crystal(), 2.5))


def test_unknown_elements_are_named():
    model = EnergyModel(ELEMENTS, gcn_branch(3.0))
    gold = crystal()
    gold.symbols[0] = "Au"
    with pytest.raises(GraphError, match="unknown elements Au; the elements of this model are H, C, O, Si"):
        model(make_graph(gold, 3.0))


def test_calibration_holds_the_edges_of_one_graph_at_a_time_and_an_iterator_is_as_good_as_a_list(monkeypatch):
    graphs = [make_graph(crystal(seed=seed), 3.0) for seed in range(6)]
    alive, most = weakref.WeakSet(), []
    built = EnergyModel.edges

    def track(model, graph):
        edges = built(model, graph)
        alive.add(edges)
        most.append(len(alive))
        return edges

    monkeypatch.setattr(EnergyModel, "edges", track)
    widths = []
    for given in (graphs, iter(graphs)):
        density = RadialDensity(ELEMENTS, 3.0, 2)
        n = density.irreps_out.dim
        branch = Branch(3.0, density, [Standardize(ELEMENTS, n), Standardize(ELEMENTS, n)], [Linear(n)])
        EnergyModel(ELEMENTS, branch).double().calibrate(given)
        widths.append(branch.layers[0].width)
        assert (
            branch.layers[1].mean.abs().max() < 1e-9 < branch.layers[0].mean.abs().max()
        )  # the second sees what the first gives
    assert torch.equal(*widths) and len(most) == 4 * len(graphs)
    assert max(most) <= 2  # the one at hand, and the one that is just let go
