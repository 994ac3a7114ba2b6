"""PaiNN: the laws of models, and its options."""

import pytest
import torch

from atomgraph import Potential
from atomgraph.editing import keep_elements
from atomgraph.errors import WiringError
from atomgraph.models import Baseline, PaiNN, SchNet
from atomgraph.nn.linear_map import linear_maps
from atomgraph.nn.repulsion.softplus_zbl import SoftplusZBL
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, molecule
from atomgraph.testing.measures import construct, randomise


class TestPaiNN(ModelLaws):
    def model(self):
        return PaiNN(ELEMENTS, 3.0, channels=4, n_layers=2, radial={"n_radial": 5})


class TestPaiNNWithSharedWeights(ModelLaws):
    def model(self):
        return PaiNN(
            ELEMENTS,
            3.0,
            channels=3,
            n_layers=2,
            radial={"n_radial": 4, "basis": "gaussian", "start": 0.2, "separate_widths": True, "trainable": True},
            shared_interactions=True,
            shared_filters=True,
            epsilon=1e-3,
        )


class TestPaiNNWithTwoHeadsAndRepulsion(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["coarse", "fine"], repulsion=SoftplusZBL(ELEMENTS, 2.0))
        radial = {"n_radial": 4, "basis": "centred_gaussian", "start": 0.5, "envelope": "exponential"}
        return PaiNN(ELEMENTS, 3.0, channels=3, n_layers=1, radial=radial, readout_hidden=[3, 2], baseline=baseline)


def test_layers_share_the_radial_embedding():
    layers = PaiNN(["Si"], 5.0).branches[0].layers
    assert len(layers) == 6 and len({id(layer.radial) for layer in layers[::2]}) == 1
    assert len({id(layer.network) for layer in layers}) == 6 and len({id(layer.filters) for layer in layers[::2]}) == 3


def test_shared_weights_are_the_same_parameters():
    model = PaiNN(["Si"], 5.0, channels=4, shared_interactions=True, shared_filters=True)
    layers = model.branches[0].layers
    for parts in (layers[::2], layers[1::2]):
        assert len({id(layer.network) for layer in parts}) == 1
    assert (
        len({id(layer.filters) for layer in layers[::2]}) == 1 and len({id(layer.mix) for layer in layers[1::2]}) == 1
    )
    assert all(name.startswith(("branches.0.layers.0.", "branches.0.layers.1.")) or "layers" not in name
               for name, _ in model.named_parameters())  # fmt: skip


def test_low_rank_adaptation_knows_all_matrices():
    model = PaiNN(["Si"], 5.0, channels=4)
    matrices = {name for name, weight in model.named_parameters() if weight.ndim > 1}
    assert matrices - set(linear_maps(model)) == {name for name in matrices if ".biases." in name}


@pytest.mark.parametrize("kind", [SchNet, PaiNN])
def test_removed_elements_change_no_prediction(kind):
    for options in ({}, {"shared_interactions": True}, {"aggregation": "mean"}, {"states": {"charge": 1, "spin": 1}}):
        model = construct(lambda options=options: kind(ELEMENTS, 3.0, channels=4, n_layers=2, **options))
        potential = Potential(randomise(model).double()).eval()
        atoms = molecule()
        atoms.symbols[:] = ["O", "H"] * (len(atoms) // 2) + ["O"] * (len(atoms) % 2)
        (before,), (after,) = potential.predict([atoms]), keep_elements(potential, ["O", "H"]).predict([atoms])
        torch.testing.assert_close(
            torch.tensor(after["forces"]), torch.tensor(before["forces"]), rtol=1e-11, atol=1e-12
        )


@pytest.mark.parametrize("kind", [SchNet, PaiNN])
def test_invalid_arguments(kind):
    with pytest.raises(WiringError, match="at least one layer"):
        kind(["Si"], 5.0, n_layers=0)
    with pytest.raises(WiringError, match="unknown aggregation 'avg'"):
        kind(["Si"], 5.0, aggregation="avg")
    with pytest.raises(WiringError, match="aggregation: mean needs exact_isolated: false"):
        kind(["Si"], 5.0, aggregation="mean", baseline=Baseline(["Si"], exact_isolated=True))
    with pytest.raises(WiringError, match="unknown state 'chrage'; did you mean charge"):
        kind(["Si"], 5.0, states={"chrage": 1})
    with pytest.raises(WiringError, match=r"states\.spin should be a number of residual blocks"):
        kind(["Si"], 5.0, states={"spin": 0})
