"""Mean over atoms: laws of readouts, and its sum over a structure."""

import pytest
import torch

from atomgraph import Potential
from atomgraph.errors import WiringError
from atomgraph.models import SchNet
from atomgraph.readouts import MLP, MeanOverAtoms
from atomgraph.testing import ReadoutLaws
from atomgraph.testing.graphs import ELEMENTS, molecule


class TestMeanOverAtoms(ReadoutLaws):
    def readout(self):
        return MeanOverAtoms(ELEMENTS, MLP(3, [4], n_outputs=2))

    def test_float32_input_gives_float32_values(self):
        """The constants, and so the values, are float64 for models of any dtype."""


def test_energy_of_a_structure_is_the_mean_of_the_inner_readout():
    torch.manual_seed(0)
    mean = SchNet(ELEMENTS, 3.0, channels=4, n_layers=1, aggregation="mean").double()
    total = SchNet(ELEMENTS, 3.0, channels=4, n_layers=1).double()
    state = {name.replace("readouts.0.readout", "readouts.0"): value for name, value in mean.state_dict().items()}
    total.load_state_dict({name: value for name, value in state.items() if not name.endswith("readouts.0.shift")})
    mean.branches[0].readouts[0].shift.fill_(2.5)
    structures = [molecule(), molecule(n_atoms=3)]
    results = zip(Potential(mean).predict(structures), Potential(total).predict(structures), structures, strict=True)
    for result, whole, atoms in results:
        assert result["energy"] == pytest.approx(whole["energy"] / len(atoms) + 2.5, rel=1e-12)


def test_inner_part_is_a_readout():
    with pytest.raises(WiringError, match="needs a Readout"):
        MeanOverAtoms(ELEMENTS, torch.nn.Linear(2, 2))
