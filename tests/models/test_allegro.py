"""Allegro: the laws of models for its options, its locality, and its parts."""

import ase
import numpy as np
import pytest

from atomgraph import Potential
from atomgraph.errors import WiringError
from atomgraph.models import Allegro, Baseline
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.repulsion.cutoff_zbl import CutoffZBL
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS
from atomgraph.testing.measures import construct, randomise

SMALL = {
    "channels": 4,
    "tensor_channels": 2,
    "n_layers": 2,
    "embedding_hidden": [4],
    "hidden": [4],
    "readout_hidden": [3],
}


class TestAllegro(ModelLaws):
    def model(self):
        return Allegro(ELEMENTS, 3.0, **SMALL, radial={"n_radial": 4})


class TestAllegroWithBothParities(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["coarse", "fine"])
        options = {"parity": "both", "l_max": 1, "by_channel": False, "readout_hidden": [], "radial": {"n_radial": 4}}
        return Allegro(ELEMENTS, 3.0, **SMALL | options, baseline=baseline)


class TestAllegroWithSplinesAndPairCutoffs(ModelLaws):
    def model(self):
        pairs = PairCutoffs(ELEMENTS, 3.0, {"H": 2.4, "O": {"H": 2.6, "Si": 2.9}})
        options = {"l_max": 1, "n_layers": 1, "element_scale": True, "neighbours_by_element": True}
        baseline = Baseline(ELEMENTS, repulsion=CutoffZBL(ELEMENTS, 3.0, pair_cutoffs=pairs))
        return Allegro(ELEMENTS, 3.0, **SMALL | options, splines={"pair_cutoffs": pairs}, baseline=baseline)


def test_energy_of_an_atom_depends_on_neighbours_within_one_cutoff_only():
    """No messages between atoms: in a chain, the second neighbour beyond the cutoff has no effect."""
    potential = Potential(randomise(construct(lambda: Allegro(["Si"], 3.0, **SMALL))).double()).eval()
    chain = ase.Atoms("Si4", [[2.5 * k, 0.1 * k, 0] for k in range(4)])
    longer = chain + ase.Atoms("Si", [[10.0, 0.5, 0]])
    (short_result,), (long_result,) = potential.predict([chain]), potential.predict([longer])
    assert np.allclose(short_result["node_energy"][:3], long_result["node_energy"][:3], atol=1e-13)
    assert abs(short_result["node_energy"][3] - long_result["node_energy"][3]) > 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_layers": 0}, "at least one layer"),
        ({"parity": "even"}, "natural or both"),
        ({"activations": {"reader": "silu"}}, "activations has the keys"),
        ({"radial": {}, "splines": {}}, "radial or splines"),
        ({"channels": 5}, "even number of channels"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(WiringError, match=message):
        Allegro(["Si"], 5.0, **SMALL | arguments)
