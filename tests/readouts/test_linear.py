"""The linear readout reads scalars, and nothing else."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.part import build, to_spec
from atomgraph.readouts import Linear
from atomgraph.testing import ReadoutLaws


class TestLinear(ReadoutLaws):
    def readout(self):
        return Linear("3x0e+2x1o+1x0o", n_outputs=2, bias=True)


def test_energy_is_the_weighted_sum_of_the_scalar_columns():
    readout = Linear("2x0e+2x1o+1x0e+1x0o", n_outputs=3).double()
    h = torch.randn(5, 2 + 6 + 1 + 1, dtype=torch.float64)
    torch.testing.assert_close(readout(h, None, None), h[:, [0, 1, 8]] @ readout.weight, rtol=0, atol=0)


def test_without_bias_an_atom_without_features_has_no_energy():
    assert torch.equal(Linear(4)(torch.zeros(2, 4), None, None), torch.zeros(2, 1))


def test_bias_is_the_energy_of_an_atom_without_features():
    readout = Linear(4, bias=True)
    readout.bias.data.fill_(0.7)
    assert torch.equal(readout(torch.zeros(2, 4), None, None), torch.full((2, 1), 0.7))


@pytest.mark.parametrize("irreps", ["4x1o", "3x0o", 0, "nonsense"])
def test_features_without_scalars_are_refused(irreps):
    with pytest.raises(WiringError):
        Linear(irreps)


def test_is_built_again_from_its_specification():
    spec = to_spec(Linear("2x0e+2x1o", n_outputs=2))
    assert spec["kind"] == "atomgraph.readouts.Linear"
    assert to_spec(build(spec)) == spec
