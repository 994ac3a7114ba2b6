"""SOAP: its laws for every basis, its kernel against the overlap of densities, refusals."""

import ase
import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import SOAP
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph

SMALL = {"n_max": 3, "l_max": 2}


class TestSOAP(FeaturizerLaws):
    def featurizer(self):
        return SOAP(ELEMENTS, 3.5, **SMALL)


class TestRawSOAP(FeaturizerLaws):
    def featurizer(self):
        return SOAP(ELEMENTS, 3.5, **SMALL, normalise=False, central_weight=0.0)


class TestSOAPOfOrbitals(FeaturizerLaws):
    def featurizer(self):
        return SOAP(ELEMENTS, 3.5, **SMALL, basis="gto", convention="dscribe")


class TestCompressedSOAP(FeaturizerLaws):
    def featurizer(self):
        channels = {"H": [1.0, 0.1], "C": [0.5, 0.7], "O": [-0.3, 1.0], "Si": [0.2, -0.8]}
        return SOAP(ELEMENTS, 3.5, **SMALL, basis="polynomials", channels=channels)


def described(featurizer, atoms):
    graph = make_graph(atoms, featurizer.cutoff)
    return featurizer(graph, Edges.of(graph, ElementTable(featurizer.elements), torch.float64))


def test_a_normalised_descriptor_has_unit_length():
    h = described(SOAP(ELEMENTS, 4.0, **SMALL), crystal())
    torch.testing.assert_close(h.square().sum(dim=1), torch.ones(len(h), dtype=torch.float64))


def test_isolated_atom_without_central_weight_is_zero():
    h = described(SOAP(["O"], 4.0, **SMALL, central_weight=0.0), ase.Atoms("O"))
    assert h.abs().max() == 0


def test_one_channel_per_element_equals_separate_elements():
    atoms = crystal()
    apart = described(SOAP(ELEMENTS, 4.0, **SMALL), atoms)
    named = {symbol: np.eye(4)[i].tolist() for i, symbol in enumerate(ELEMENTS)}
    torch.testing.assert_close(described(SOAP(ELEMENTS, 4.0, **SMALL, channels=named), atoms), apart)


def test_few_channels_for_many_elements():
    first = SOAP(ELEMENTS, 4.0, **SMALL, channels={symbol: [1.0] for symbol in ELEMENTS})
    alike = described(SOAP(["Si"], 4.0, **SMALL), ase.Atoms("Si2", [[0, 0, 0], [0, 0, 2.0]]))
    torch.testing.assert_close(described(first, ase.Atoms("CO", [[0, 0, 0], [0, 0, 2.0]])), alike)


def test_second_derivatives():
    graph = make_graph(ase.Atoms("CO2", [[0, 0, 0], [0.2, 0.1, 1.9], [1.5, -1.0, 0.3]]), 3.5)
    featurizer = SOAP(["C", "O"], 3.5, n_max=2, l_max=1)

    def of(pos):
        moved = graph.clone()
        moved.pos = pos
        return featurizer(moved, Edges.of(moved, ElementTable(["C", "O"]), torch.float64))

    pos = graph.pos.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(of, pos)
    assert torch.autograd.gradgradcheck(of, pos)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"basis": "gaussian"}, "did you mean gaussians"),
        ({"l_max": 13}, "between 0 and 12"),
        ({"sigma": 0.0}, "positive"),
        ({"envelope_width": 9.0}, "envelope_width"),
        ({"convention": "mine"}, "quip or dscribe"),
        ({"channels": {"H": [1.0]}}, "equally many"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(WiringError, match=message):
        SOAP(["H", "O"], 4.0, **arguments)
