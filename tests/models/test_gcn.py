import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from atomgraph.errors import WiringError
from atomgraph.layers import LaplacianConvolution
from atomgraph.models import GCN, Baseline
from atomgraph.nn.part import build, to_spec
from atomgraph.potential import Potential
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestGCNPolynomial(ModelLaws):
    def model(self):
        return GCN(ELEMENTS, cutoff=3.0, channels=6, n_radial=4, readout_hidden=(5,))


class TestGCNLaplacian(ModelLaws):
    def model(self):
        return GCN(ELEMENTS, cutoff=3.0, convolution="laplacian", channels=6, n_radial=4, readout_hidden=(5,))


class TestGCNGraph(ModelLaws):
    def model(self):
        return GCN(ELEMENTS, cutoff=3.0, convolution="graph", channels=6, n_radial=4, readout_hidden=(5,))


class TestGCNWithTwoHeads(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["coarse", "fine"])
        return GCN(ELEMENTS, cutoff=3.0, channels=4, n_layers=1, n_radial=3, readout_hidden=(), baseline=baseline)


def test_elements_and_cutoff_are_enough():
    model = GCN(["H", "O"], cutoff=5.0)
    assert model.elements == ["H", "O"] and model.cutoff == 5.0


@pytest.mark.parametrize("convolution", ["polynomial", "laplacian", "graph"])
def test_forces_are_not_zero_on_a_rattled_crystal_of_one_element(convolution):
    """What a convolution of equal features would give."""
    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.05, seed=1)
    torch.manual_seed(0)
    potential = Potential(GCN(["Si"], cutoff=4.0, convolution=convolution, channels=8)).double().eval()
    forces = potential(make_graph(silicon, 4.0))["forces"]
    assert forces.abs().min(dim=0).values.max() > 1e-6
    assert forces.sum(dim=0).abs().max() < 1e-12


def test_what_is_2k_plus_1_cutoffs_away_is_felt_and_what_is_further_is_not():
    """One layer of degree 2: three cutoffs, along a chain of atoms 2 Å apart under a cutoff of 2.5 Å."""
    torch.manual_seed(0)
    potential = Potential(GCN(["Si"], cutoff=2.5, n_layers=1, channels=8)).double().eval()
    chain = Atoms("Si6", positions=[[2.0 * i, 0.0, 0.0] for i in range(6)])
    energies = []
    for end in (0.0, 0.1):
        moved = chain.copy()
        moved.positions[5, 0] += end
        energies.append(potential(make_graph(moved, 2.5))["node_energy"])
    change = (energies[1] - energies[0]).abs()
    assert change[2] > 1e-9  # atom 5 is in the density of 4, two hops from 2
    assert (change[:2] == 0).all()


def test_the_convolutions_own_arguments_reach_it():
    model = GCN(["Si"], 4.0, channels=5, layer={"degree": 3, "basis": "chebyshev", "laplacian": "random_walk"})
    filters = [layer.layer for layer in model.branches[0].layers[2:]]
    assert [(f.degree, f.basis, f.laplacian) for f in filters] == [(3, "chebyshev", "random_walk")] * 2
    again = build(to_spec(model))
    assert to_spec(again) == to_spec(model)


def test_an_adjacency_may_be_named_as_in_a_configuration():
    shells = {"kind": "atomgraph.layers.GaussianShells", "channels": 5, "cutoff": 4.0}
    model = GCN(["Si"], 4.0, convolution="graph", channels=5, layer={"adjacency": shells})
    places = [layer.layer.adjacency.place for layer in model.branches[0].layers[2:]]
    assert places[0] is not places[1] and len(places[0]) == 5


def test_calibration_standardises_the_density():
    """Columns of width one, those aside that hardly show: the mean of each is zero on each element."""
    model = GCN(ELEMENTS, 3.0, channels=4).double()
    atoms = crystal().repeat(2)
    atoms.rattle(0.2, seed=1)
    graph = make_graph(atoms, 3.0)
    model.calibrate([graph])
    edges = model.edges(graph)
    branch = model.branches[0]
    h = branch.layers[0](branch.featurizer(graph, edges), graph, edges)[:, : -len(ELEMENTS)]
    for z in edges.element.unique():
        of_z = h[edges.element == z]
        assert of_z.mean(dim=0).abs().max() < 1e-10
        assert of_z.std(dim=0, correction=0).max() < 1.0 + 1e-10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"convolution": "polynomal"}, "did you mean polynomial"),
        ({"layer": {"degre": 3}}, "PolynomialFilter has no argument 'degre'; did you mean degree"),
        ({"layer": {"basis": "legendre"}}, "unknown polynomial basis"),
        ({"channels": 0}, "at least one|at least 1"),
        ({"cutoff": -5.0}, "positive"),
        ({"elements": ["Xx"]}, "unknown chemical symbol"),
        ({"n_layers": -1}, "n_layers"),
    ],
)
def test_what_makes_no_model_is_refused(arguments, message):
    with pytest.raises(WiringError, match=message):
        GCN(**({"elements": ["H", "O"], "cutoff": 5.0} | arguments))


def test_the_layer_is_the_one_that_was_asked_for():
    model = GCN(["Si"], 4.0, convolution="laplacian", n_layers=3)
    kinds = [type(layer.layer) for layer in model.branches[0].layers[2:]]
    assert kinds == [LaplacianConvolution] * 3


def test_batch_of_unlike_structures_is_each_alone():
    torch.manual_seed(0)
    potential = Potential(GCN(["Si"], cutoff=4.0, channels=8)).double().eval()
    structures = [bulk("Si"), Atoms("Si"), Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.2]]), bulk("Si", cubic=True)]
    together = potential.predict(structures)
    for first, structure in zip(together, structures, strict=True):
        (alone,) = potential.predict([structure])
        assert np.allclose(first["energy"], alone["energy"], rtol=0, atol=1e-12)
        assert np.allclose(first["forces"], alone["forces"], rtol=0, atol=1e-12)
