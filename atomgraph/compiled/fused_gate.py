"""The gate of a frozen interaction and its vector-Jacobian product, for features in a flat layout."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import EVEN
from atomgraph.compiled.pullback import Pullback
from atomgraph.nn.equivariant.gate import ODD, TANH_GAIN, Gate
from atomgraph.nn.equivariant.irrep_blocks import channels_per_irrep
from atomgraph.old_names import OldAttribute


class FusedGate:
    r"""``nn.equivariant.Gate``: :math:`s \to c\,\mathrm{silu}(s)`, :math:`v_m \to c'\,\sigma(g)\, v_m`.

    s are the scalars, g the gates, v_m the components of other features; the constants c and c' are the gains of the gate, and
    σ is its activation. Odd scalars become c'' tanh(s).

    Attributes:
        input_layout: Layout of the input x; scalars and gates are one block.
        output_layout: Layout of the output.
    """

    def __init__(self, gate: Gate):
        self._gate = gate
        self.input_layout, self.output_layout = (
            Layout(channels_per_irrep(irreps)) for irreps in (gate.irreps_in, gate.irreps_out)
        )
        self._channel_counts = [self.output_layout.channels.get(EVEN, 0), *(n_channels for _, n_channels in gate.gated)]

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """Return the gated features, and their VJP."""
        y = self.output_layout.empty(len(x) // self.input_layout.width, x.dtype)
        scalars, *gates = self.input_layout.block(x, EVEN).split(self._channel_counts, dim=2)
        gate_values = [self._gate.gate_activation(gate) for gate in gates]
        if EVEN in self.output_layout.channels:
            self.output_layout.block(y, EVEN)[:] = torch.nn.functional.silu(scalars) * self._gate.scalar_gain
        if ODD in self.output_layout.channels:
            self.output_layout.block(y, ODD)[:] = torch.tanh(self.input_layout.block(x, ODD)) * TANH_GAIN
        for (irrep, _), gate_value in zip(self._gate.gated, gate_values, strict=True):
            torch.mul(
                self.input_layout.block(x, irrep),
                gate_value * self._gate.gate_gain,
                out=self.output_layout.block(y, irrep),
            )

        def vjp(grad: Tensor) -> Tensor:
            grad_x = torch.empty_like(x)
            grad_scalars, *grad_gates = self.input_layout.block(grad_x, EVEN).split(self._channel_counts, dim=2)
            if EVEN in self.output_layout.channels:
                grad_silu = self.output_layout.block(grad, EVEN) * self._gate.scalar_gain
                grad_scalars[:] = torch.ops.aten.silu_backward(grad_silu, scalars)
            if ODD in self.output_layout.channels:
                grad_odd = self.output_layout.block(grad, ODD) * TANH_GAIN
                tanh = torch.tanh(self.input_layout.block(x, ODD))
                self.input_layout.block(grad_x, ODD)[:] = grad_odd * (1.0 - tanh.square())
            for (irrep, _), gate, gate_value, grad_gate in zip(
                self._gate.gated, gates, gate_values, grad_gates, strict=True
            ):
                grad_block = self.output_layout.block(grad, irrep)
                torch.mul(grad_block, gate_value * self._gate.gate_gain, out=self.input_layout.block(grad_x, irrep))
                grad_value = (grad_block * self.input_layout.block(x, irrep)).sum(
                    1, keepdim=True
                ) * self._gate.gate_gain
                if self._gate.gate_activation is torch.nn.functional.silu:
                    grad_gate[:] = torch.ops.aten.silu_backward(grad_value, gate)
                else:
                    grad_gate[:] = grad_value * gate_value * (1.0 - gate_value)
            return grad_x

        return y, vjp

    before, after = OldAttribute("input_layout"), OldAttribute("output_layout")
