"""Atoms of one element share a network, elements share none."""

from types import SimpleNamespace

import torch

from atomgraph.nn.part import build, to_spec
from atomgraph.readouts import MLP, PerElementMLP
from atomgraph.testing import ReadoutLaws
from atomgraph.testing.graphs import ELEMENTS


class TestPerElementMLP(ReadoutLaws):
    def readout(self):
        return PerElementMLP(ELEMENTS, irreps_in=3, readout_hidden=(4,), n_outputs=2)


class TestMLP(ReadoutLaws):
    def readout(self):
        return MLP(irreps_in=3, readout_hidden=(4,), activation="softplus")


def test_weights_of_one_element_do_not_affect_other_elements():
    readout = PerElementMLP(["H", "O"], irreps_in=3, readout_hidden=(4,), n_outputs=2).double()
    h, edges = torch.randn(4, 3, dtype=torch.float64), SimpleNamespace(element=torch.tensor([0, 1, 1, 0]))
    before = readout(h, None, edges)
    assert before.shape == (4, 2)
    with torch.no_grad():
        for parameter in readout.parameters():
            parameter[1] += 0.3
    moved = (readout(h, None, edges) != before).all(dim=1)
    assert moved.tolist() == [False, True, True, False]


def test_shared_network_needs_no_elements():
    assert MLP(3, readout_hidden=(4,), n_outputs=2)(torch.randn(5, 3), None, None).shape == (5, 2)


def test_are_built_again_from_their_specifications():
    for readout in (
        PerElementMLP(["H", "O"], 3, readout_hidden=(4,), activation="tanh"),
        MLP(3, readout_hidden=(4, 5)),
    ):
        spec = to_spec(readout)
        again = build(spec)
        assert to_spec(again) == spec
        again.load_state_dict(readout.state_dict())
