"""Branches of different families in one model: the laws of models, and training."""

import numpy as np
import pytest
from helpers.run_configs import tiny

import atomgraph
from atomgraph.models import BehlerParrinello, Branch, EnergyModel, PaiNN, SchNet
from atomgraph.nn.part import to_spec
from atomgraph.readouts import MLP
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS


def schnet_and_behler_parrinello(elements, cutoff):
    """A SchNet branch with a long cutoff beside symmetry functions with a short one."""
    schnet = SchNet(elements, cutoff, channels=4, n_layers=1, radial={"n_radial": 5})
    symmetry_functions = BehlerParrinello(elements, 0.8 * cutoff, readout_hidden=[4])
    return EnergyModel(elements, [schnet.branches[0], symmetry_functions.branches[0]])


def painn_under_a_filter(elements, cutoff):
    """SchNet's convolution on the scalars of PaiNN, with one radial embedding for all layers."""
    painn = PaiNN(elements, cutoff, channels=4, n_layers=1, radial={"n_radial": 5}).branches[0]
    schnet = SchNet(elements, cutoff, channels=4, n_layers=1, radial={"n_radial": 5}).branches[0]
    layers = [*painn.layers, *schnet.layers]
    return EnergyModel(elements, Branch(cutoff, painn.featurizer, layers, [MLP(4, [3]), MLP(4, [3])]))


class TestSchNetBesideBehlerParrinello(ModelLaws):
    def model(self):
        return schnet_and_behler_parrinello(ELEMENTS, 3.0)


class TestSchNetOnPaiNN(ModelLaws):
    def model(self):
        return painn_under_a_filter(ELEMENTS, 3.0)


@pytest.mark.parametrize("make", [schnet_and_behler_parrinello, painn_under_a_filter])
def test_mixed_model_trains(tmp_path, make):
    config = tiny(tmp_path, fit={"max_epochs": 6}) | {"model": to_spec(make(["Ar"], 4.0))}
    potential, _ = atomgraph.train(config)
    rows = np.genfromtxt(tmp_path / "run/metrics.csv", delimiter=",", names=True)
    assert rows["train_loss"][-1] < rows["train_loss"][0]
    assert len(potential.model.branches) in (1, 2)


@pytest.mark.parametrize("kind", ["SchNet", "PaiNN"])
def test_run_trains_and_saves(tmp_path, kind):
    model = {"kind": kind, "elements": "auto", "cutoff": 4.0, "channels": 4, "n_layers": 2, "radial": {"n_radial": 6}}
    config = tiny(tmp_path, fit={"max_epochs": 6})
    config["model"] = model | {"shared_interactions": True}
    potential, _ = atomgraph.train(config)
    rows = np.genfromtxt(tmp_path / "run/metrics.csv", delimiter=",", names=True)
    assert rows["train_loss"][-1] < rows["train_loss"][0]
    loaded = atomgraph.load(tmp_path / "run")
    graph = atomgraph.AtomicGraph.from_ase(atomgraph.data.read(config["data"]["test"])[0], 4.0)
    assert float(loaded(graph)["energy"]) == pytest.approx(float(potential(graph)["energy"]), rel=1e-12)
