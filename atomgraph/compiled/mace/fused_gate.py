"""A gate with its pullback, for features in one run of numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import EVEN
from atomgraph.compiled.pullback import Pullback
from atomgraph.nn.equivariant.gate import Gate
from atomgraph.nn.equivariant.irrep_blocks import channels_of


class FusedGate:
    r"""``nn.Gate``: :math:`s \to c\,\mathrm{silu}(s)`, :math:`v_m \to c'\,\mathrm{sigmoid}(g)\, v_m`.

    before, after: layouts of what comes in, scalars and gates in one block, and of what goes out.
    """

    def __init__(self, gate: Gate):
        self._gate = gate
        self.before, self.after = (Layout(channels_of(irreps)) for irreps in (gate.irreps_in, gate.irreps_out))
        self._parts = [self.after.channels.get(EVEN, 0), *(n for _, n in gate.gated)]

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """Gated features."""
        y = self.after.empty(len(x) // self.before.width, x.dtype)
        scalars, *gates = self.before.block(x, EVEN).split(self._parts, dim=2)
        open_by = [torch.sigmoid(gate) for gate in gates]
        if EVEN in self.after.channels:
            self.after.block(y, EVEN)[:] = torch.nn.functional.silu(scalars) * self._gate.scalar_gain
        for (irrep, _), factor in zip(self._gate.gated, open_by, strict=True):
            torch.mul(self.before.block(x, irrep), factor * self._gate.gate_gain, out=self.after.block(y, irrep))

        def back(slope: Tensor) -> Tensor:
            found = torch.empty_like(x)
            by_scalars, *by_gates = self.before.block(found, EVEN).split(self._parts, dim=2)
            if EVEN in self.after.channels:
                by_silu = self.after.block(slope, EVEN) * self._gate.scalar_gain
                by_scalars[:] = torch.ops.aten.silu_backward(by_silu, scalars)
            for (irrep, _), factor, by_gate in zip(self._gate.gated, open_by, by_gates, strict=True):
                given = self.after.block(slope, irrep)
                torch.mul(given, factor * self._gate.gate_gain, out=self.before.block(found, irrep))
                by_factor = (given * self.before.block(x, irrep)).sum(1, keepdim=True) * self._gate.gate_gain
                by_gate[:] = by_factor * factor * (1.0 - factor)
            return found

        return y, back
