"""Behler-Parrinello models under the laws, alone, with several heads, and joined with other parts."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import SymmetryFunctions
from atomgraph.layers import PolynomialFilter
from atomgraph.models import Baseline, BehlerParrinello, Branch, EnergyModel
from atomgraph.nn.part import to_spec
from atomgraph.potential import Potential
from atomgraph.readouts import Linear, PerElementMLP
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, molecule

RADIAL = [{"eta": 1.0, "shift": 1.0}, {"eta": 1.0, "shift": 2.0}]
ANGULAR = [{"eta": 0.2, "zeta": 2, "lambda": 1}, {"eta": 0.2, "zeta": 1, "lambda": -1, "form": "narrow"}]


class TestBehlerParrinello(ModelLaws):
    def model(self):
        return BehlerParrinello(ELEMENTS, 3.0, radial=RADIAL, angular=ANGULAR, readout_hidden=(6,))


class TestUsualSets(ModelLaws):
    def model(self):
        return BehlerParrinello(ELEMENTS, 3.0, readout_hidden=(4,))


class TestSymmetryFunctionsThroughAFilterAndBesideAnotherBranch(ModelLaws):
    def model(self):
        functions = SymmetryFunctions(ELEMENTS, 3.0, RADIAL, [])
        channels = functions.irreps_out.dim
        filtered = Branch(
            3.0, functions, [PolynomialFilter(channels, 4, cutoff=3.0)], [PerElementMLP(ELEMENTS, 4, (4,))]
        )
        plain = Branch(2.5, SymmetryFunctions(ELEMENTS, 2.5, RADIAL, []), readouts=[Linear(channels)])
        return EnergyModel(ELEMENTS, [filtered, plain])


def test_elements_and_a_cutoff_make_a_model():
    model = BehlerParrinello(["H", "O"], cutoff=4.0)
    assert model.elements == ["H", "O"] and model.cutoff == 4.0
    assert to_spec(model)["kind"] == "atomgraph.models.BehlerParrinello"


def test_each_head_has_an_energy_of_its_own():
    model = BehlerParrinello(ELEMENTS, 3.0, radial=RADIAL, baseline=Baseline(ELEMENTS, heads=["pbe", "scan"]))
    graph, energies = make_graph(crystal(), 3.0), []
    for head in (0, 1):
        graph.head = torch.tensor([head])
        energies.append(model(graph))
    assert (energies[0] != energies[1]).all()


def test_features_have_mean_zero_and_width_one_on_the_data_that_calibrated_it():
    model = BehlerParrinello(ELEMENTS, 3.0, radial=RADIAL, angular=ANGULAR).double()
    graph = make_graph(crystal(), 3.0)
    model.calibrate([graph])
    features = Potential(model).descriptors(graph)
    for row in range(len(ELEMENTS)):
        mine = features[model.edges(graph).element == row]
        if len(mine) > 1:
            torch.testing.assert_close(mine.mean(dim=0), torch.zeros(mine.shape[1]).double(), rtol=0, atol=1e-10)
            assert (mine.std(dim=0, correction=0) < 1 + 1e-10).all()


def test_an_atom_feels_nothing_beyond_one_cutoff():
    atoms = molecule(n_atoms=3)
    atoms.positions[:] = [[0, 0, 0], [2.0, 0, 0], [4.0, 0, 0]]
    model = BehlerParrinello(ELEMENTS, 3.0, radial=RADIAL, angular=ANGULAR).double()
    before = model(make_graph(atoms, 3.0))
    atoms.positions[2] += [0.3, 0.2, 0.0]
    after = model(make_graph(atoms, 3.0))
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_readouts_of_another_width_are_refused():
    with pytest.raises(WiringError, match="expects features 5x0e"):
        Branch(3.0, SymmetryFunctions(["Si"], 3.0, RADIAL, []), readouts=[PerElementMLP(["Si"], 5)])
