"""The fused gate: the model's numbers, and gradients that automatic differentiation gives."""

import pytest
import torch

from atomgraph.compiled.fused_gate import FusedGate
from atomgraph.nn.equivariant.gate import Gate


@pytest.mark.parametrize("irreps", ["3x0e", "3x0e+2x1o", "2x1o+2x2e", "4x1e+4x0e+4x1o"])
def test_values_and_gradients_are_the_gates(irreps):
    gate = Gate(irreps, scalar_gain=1.3)
    fused, random = FusedGate(gate), torch.Generator().manual_seed(0)
    x = torch.randn(5 * fused.input_layout.width, dtype=torch.float64, generator=random).requires_grad_()
    blocks = gate(fused.input_layout.blocks(x))
    expected = torch.cat([blocks[irrep].flatten() for irrep in fused.output_layout.channels])
    grad = torch.randn(len(expected), dtype=torch.float64, generator=random)
    y, vjp = fused(x.detach())
    torch.testing.assert_close(y, expected.detach(), atol=1e-14, rtol=1e-14)
    torch.testing.assert_close(vjp(grad), torch.autograd.grad(expected, x, grad)[0], atol=1e-13, rtol=1e-13)
