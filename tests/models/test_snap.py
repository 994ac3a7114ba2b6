"""SNAP under the laws: linear, quadratic, and with channels; its energy is what its components and weights say."""

import ase
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.models import SNAP, Baseline
from atomgraph.nn.part import to_spec
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph

RADII = {"H": 0.4, "C": 0.5, "O": 0.45, "Si": 0.5}
WEIGHTS = {"H": 0.4, "C": 1.0, "O": -0.7, "Si": 1.3}


class TestSNAP(ModelLaws):
    def model(self):
        return SNAP(ELEMENTS, 3.2, twojmax=4, radii=RADII, weights=WEIGHTS)


class TestQuadraticSNAP(ModelLaws):
    def model(self):
        return SNAP(ELEMENTS, 3.2, twojmax=3, quadratic=True, weights=WEIGHTS, bzero=True, bnorm=True)


class TestSNAPOfTwoChannels(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["pbe", "scan"])
        return SNAP(ELEMENTS, 3.0, twojmax=2, chem={"H": 0, "C": 1, "O": 1, "Si": 0}, baseline=baseline)


def test_elements_and_a_cutoff_make_a_model():
    model = SNAP(["Mo", "W"], cutoff=4.6)
    assert model.elements == ["Mo", "W"] and model.cutoff == 4.6
    assert model.branches[0].readouts[0].weight.shape == (2, 30, 1)
    assert to_spec(model)["kind"] == "atomgraph.models.SNAP"


def test_larger_atoms_see_further():
    assert SNAP(["Mo", "W"], 4.6, radii={"Mo": 0.5, "W": 0.6}).cutoff == pytest.approx(4.6 * 1.2)


def test_energy_is_a_constant_and_a_weighted_sum_of_components():
    model = SNAP(["H", "C", "O", "Si"], 3.5, twojmax=4, quadratic=True).double()
    readout = model.branches[0].readouts[0]
    torch.nn.init.normal_(readout.bias)
    graph = make_graph(crystal(), model.cutoff)
    (h,) = model.features(graph)
    row = model.element_table(graph.atomic_numbers)
    n = 14
    linear, pairs = readout.weight[row, :n, 0], readout.weight[row, n:, 0]
    alpha = torch.zeros(len(row), n, n, dtype=torch.float64)
    upper = torch.triu_indices(n, n)
    alpha[:, upper[0], upper[1]] = pairs
    alpha = alpha + alpha.mT - torch.diag_embed(alpha.diagonal(dim1=1, dim2=2))
    b = h[:, :n]
    expected = readout.bias[row, 0] + (linear * b).sum(dim=1) + 0.5 * torch.einsum("ik,ikl,il->i", b, alpha, b)
    torch.testing.assert_close(model(graph), expected, rtol=1e-12, atol=1e-12)


def test_an_atom_alone_has_its_constant_where_its_own_components_are_subtracted():
    model = SNAP(["Si"], 4.0, bzero=True).double()
    torch.nn.init.normal_(model.branches[0].readouts[0].bias)
    energy = model(make_graph(ase.Atoms("Si"), model.cutoff))
    torch.testing.assert_close(energy, model.branches[0].readouts[0].bias[0], rtol=0, atol=1e-12)


def test_nonsense_is_refused():
    with pytest.raises(WiringError, match="twojmax"):
        SNAP(["Si"], 4.0, twojmax=40)
