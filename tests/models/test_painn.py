"""PaiNN: the laws of models, and its options."""

from atomgraph.models import Baseline
from atomgraph.models.painn import PaiNN
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS


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


class TestPaiNNWithTwoHeads(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["coarse", "fine"])
        radial = {"n_radial": 4, "basis": "centred_gaussian", "start": 0.5, "envelope": "exponential"}
        return PaiNN(ELEMENTS, 3.0, channels=3, n_layers=1, radial=radial, readout_hidden=[3, 2], baseline=baseline)
