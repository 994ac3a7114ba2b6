"""The gate of a frozen interaction and its vector-Jacobian product, for features in a flat layout."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import EVEN
from atomgraph.compiled.pullback import Pullback
from atomgraph.nn.equivariant.gate import Gate
from atomgraph.nn.equivariant.irrep_blocks import channels_per_irrep


class FusedGate:
    r"""``nn.equivariant.Gate``: :math:`s \to c\,\mathrm{silu}(s)`, :math:`v_m \to c'\,\mathrm{sigmoid}(g)\, v_m`.

    s are the scalars, g the gates, v_m the components of other features; the constants c and c' are the gains of the gate.

    Attributes:
        before: Layout of the input; scalars and gates are one block.
        after: Layout of the output.
    """

    def __init__(self, gate: Gate):
        self._gate = gate
        self.before, self.after = (Layout(channels_per_irrep(irreps)) for irreps in (gate.irreps_in, gate.irreps_out))
        self._channel_counts = [self.after.channels.get(EVEN, 0), *(n_channels for _, n_channels in gate.gated)]

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """Return the gated features, and their VJP."""
        y = self.after.empty(len(x) // self.before.width, x.dtype)
        scalars, *gates = self.before.block(x, EVEN).split(self._channel_counts, dim=2)
        gate_values = [torch.sigmoid(gate) for gate in gates]
        if EVEN in self.after.channels:
            self.after.block(y, EVEN)[:] = torch.nn.functional.silu(scalars) * self._gate.scalar_gain
        for (irrep, _), gate_value in zip(self._gate.gated, gate_values, strict=True):
            torch.mul(self.before.block(x, irrep), gate_value * self._gate.gate_gain, out=self.after.block(y, irrep))

        def vjp(grad: Tensor) -> Tensor:
            grad_x = torch.empty_like(x)
            grad_scalars, *grad_gates = self.before.block(grad_x, EVEN).split(self._channel_counts, dim=2)
            if EVEN in self.after.channels:
                grad_silu = self.after.block(grad, EVEN) * self._gate.scalar_gain
                grad_scalars[:] = torch.ops.aten.silu_backward(grad_silu, scalars)
            for (irrep, _), gate_value, grad_gate in zip(self._gate.gated, gate_values, grad_gates, strict=True):
                grad_block = self.after.block(grad, irrep)
                torch.mul(grad_block, gate_value * self._gate.gate_gain, out=self.before.block(grad_x, irrep))
                grad_value = (grad_block * self.before.block(x, irrep)).sum(1, keepdim=True) * self._gate.gate_gain
                grad_gate[:] = grad_value * gate_value * (1.0 - gate_value)
            return grad_x

        return y, vjp
