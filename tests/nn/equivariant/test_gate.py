"""The gate, against e3nn's."""

import pytest
import torch
from e3nn import nn, o3

from atomgraph.errors import WiringError
from atomgraph.nn.equivariant.gate import SIGMOID_GAIN, SILU_GAIN, Gate
from atomgraph.nn.equivariant.irrep_blocks import from_blocks, to_blocks


def test_the_gate_is_e3nns():
    ours = Gate("4x0e+4x1o+4x2e")
    theirs = nn.Gate("4x0e", [torch.nn.functional.silu], "4x0e+4x0e", [torch.sigmoid] * 2, "4x1o+4x2e").double()
    assert ours.irreps_in == o3.Irreps("12x0e+4x1o+4x2e") == theirs.irreps_in.simplify()
    x = torch.randn(7, ours.irreps_in.dim, dtype=torch.float64)
    y = from_blocks(ours(to_blocks(x, ours.irreps_in)), ours.irreps_out)
    torch.testing.assert_close(y, theirs(x), rtol=1e-6, atol=1e-6)  # e3nn's gains come from a random sample


def test_the_gains_keep_the_mean_square_of_normal_inputs():
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    normal = torch.exp(-0.5 * x * x) / (2 * torch.pi) ** 0.5
    for gain, function in ((SILU_GAIN, torch.nn.functional.silu), (SIGMOID_GAIN, torch.sigmoid)):
        assert float(torch.trapezoid(normal * (gain * function(x)) ** 2, x)) == pytest.approx(1.0, abs=5e-3)


def test_odd_scalars_raise():
    with pytest.raises(WiringError, match="odd scalars"):
        Gate("4x0e+4x0o")
