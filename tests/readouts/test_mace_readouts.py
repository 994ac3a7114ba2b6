"""Readouts of MACE: scaled, by head, with hidden units of their own, silent."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.readouts import Linear, MultiHeadMLP, ScaledLinear, ZeroReadout
from atomgraph.testing import ReadoutLaws


class TestScaledLinear(ReadoutLaws):
    def readout(self):
        return ScaledLinear("3x0e+2x1o", 2)


class TestGroupedMLP(ReadoutLaws):
    def readout(self):
        return MultiHeadMLP("3x0e+2x1o", 4)


class TestGroupedMLPOfThreeHeadsWithBiases(ReadoutLaws):
    def readout(self):
        return MultiHeadMLP(3, 4, n_outputs=3, activation="tanh", bias=True)


def test_the_scaled_readout_is_the_linear_one_with_smaller_weights():
    scaled, plain = ScaledLinear("4x0e+1x1o").double(), Linear("4x0e+1x1o").double()
    with torch.no_grad():
        plain.weight.copy_(scaled.weight / 2.0)
    h = torch.randn(5, 7, dtype=torch.float64)
    torch.testing.assert_close(scaled(h, None, None), plain(h, None, None), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("bias", [False, True])
def test_head_depends_on_its_own_units_only(bias):
    """The masks of mace-torch, written out: all units of other heads are zero before each map."""
    readout = MultiHeadMLP(3, 4, n_outputs=2, bias=bias).double()
    h, n, heads = torch.randn(5, 3, dtype=torch.float64), 4, 2
    act = lambda x: torch.nn.functional.silu(x) * readout.gain  # noqa: E731
    for head in range(heads):
        mask = torch.arange(heads * n) // n == head
        x = act(h @ readout.first.flatten(1) / 3**0.5) * mask
        if bias:
            middle = torch.block_diag(*readout.middle) / (n * heads) ** 0.5
            x = act(x @ middle + readout.middle_bias.flatten()) * mask
        y = (x * readout.last.flatten()).sum(dim=1) / (n * heads) ** 0.5
        y = y + readout.last_bias[head] if bias else y
        torch.testing.assert_close(readout(h, None, None)[:, head], y, rtol=1e-13, atol=1e-13)


def test_zero_readout_adds_no_energy():
    assert not ZeroReadout("2x0e+1x1o", 3)(torch.randn(4, 5), None, None).any()


@pytest.mark.parametrize("make", [ScaledLinear, MultiHeadMLP])
def test_features_without_invariants_are_refused(make):
    with pytest.raises(WiringError, match="needs 0e features"):
        make("3x1o")
