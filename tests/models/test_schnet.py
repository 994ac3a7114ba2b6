"""SchNet: the laws of models, and its parts."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.models import Baseline, SchNet
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS


class TestSchNet(ModelLaws):
    def model(self):
        return SchNet(ELEMENTS, 3.0, channels=4, n_layers=2, radial={"n_radial": 5})


class TestSchNetWithTwoHeads(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["coarse", "fine"])
        radial = {"basis": "bessel", "n_radial": 3, "trainable": True}
        return SchNet(ELEMENTS, 3.0, channels=4, n_layers=1, n_filters=3, radial=radial, baseline=baseline)


class TestSchNetWithSharedInteractions(ModelLaws):
    def model(self):
        radial = {"n_radial": 5, "start": 0.3, "separate_widths": True, "trainable": True, "envelope": "exponential"}
        return SchNet(ELEMENTS, 3.0, channels=4, n_layers=3, shared_interactions=True, radial=radial)


def test_layers_share_the_radial_embedding():
    layers = SchNet(["Si"], 5.0).branches[0].layers
    assert len(layers) == 3 and len({id(layer.layer.radial) for layer in layers}) == 1


def test_shared_interactions_are_one_layer():
    model = SchNet(["Si"], 5.0, channels=4, n_layers=3, shared_interactions=True)
    assert len(model.branches[0].layers) == 3 and len(set(map(id, model.branches[0].layers))) == 1
    assert sum(p.numel() for p in model.parameters()) < sum(
        p.numel() for p in SchNet(["Si"], 5.0, channels=4, n_layers=3).parameters()
    )


def test_isolated_atom_has_a_constant_energy():
    """As in schnetpack, the biases of each convolution remain if there is no neighbour."""
    model = SchNet(["H", "O"], 3.0, channels=4).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-1.0, 1.0)
    assert bool((model.isolated.table(model).abs() > 0).all())


def test_number_of_layers_is_positive():
    with pytest.raises(WiringError, match="at least one layer"):
        SchNet(["Si"], 5.0, n_layers=0)
