"""Gate: an equivariant nonlinearity. Scalars have an activation function; other channels are multiplied by a scalar."""

from __future__ import annotations

import torch
from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.nn.equivariant.irrep_blocks import Blocks, channels_per_irrep
from atomgraph.nn.part import Part

SILU_GAIN, SIGMOID_GAIN = 1.6791767923989418, 1.8467055342154763  # factors that keep the mean square of inputs at one
EVEN, ODD = o3.Irrep(0, 1), o3.Irrep(0, -1)


class Gate(Part):
    r"""Gate: :math:`s \to c\,\mathrm{silu}(s)`, and :math:`v_m \to c'\,\mathrm{sigmoid}(g)\, v_m` for channels with l > 0.

    The input ``irreps_in`` has one additional ``0e`` (g) for each channel with l > 0. The scalars s come first, then the g in
    the order of the irreps. Input and output are tensors by irrep (``irrep_blocks``).

    Args:
        irreps_out: Irreps of the output.
        scalar_gain: Factor c, no unit; None: the factor of e3nn.
        gate_gain: Factor c', no unit; None: the factor of e3nn.

    Raises:
        WiringError: If there are odd scalars, because silu would change their parity.

    Source: Weiler et al., NeurIPS 2018 (gated nonlinearity); gains of e3nn 0.4.4.
    """

    def __init__(self, irreps_out: o3.Irreps | str, scalar_gain: float | None = None, gate_gain: float | None = None):
        super().__init__()
        self.irreps_out = o3.Irreps(irreps_out)
        self.scalar_gain = SILU_GAIN if scalar_gain is None else scalar_gain
        self.gate_gain = SIGMOID_GAIN if gate_gain is None else gate_gain
        self._channels = channels_per_irrep(self.irreps_out)
        if ODD in self._channels:
            raise WiringError(f"a gate cannot return odd scalars (0o), but irreps_out is {self.irreps_out}; remove 0o")
        self.gated = [(irrep, n) for irrep, n in self._channels.items() if irrep.l > 0]
        n_gates = sum(n for _, n in self.gated)
        counts = {EVEN: self._channels.get(EVEN, 0) + n_gates}
        counts |= {irrep: n for irrep, n in self._channels.items() if irrep != EVEN}
        self.irreps_in = o3.Irreps([(n, irrep) for irrep, n in counts.items()])

    def forward(self, x: Blocks) -> Blocks:
        """Apply the gate to features by irrep, (n_atoms, 2l+1, channels)."""
        scalars, *gates = x[EVEN].split([self._channels.get(EVEN, 0), *(n for _, n in self.gated)], dim=2)
        y = {EVEN: torch.nn.functional.silu(scalars) * self.scalar_gain}
        for (irrep, _), gate in zip(self.gated, gates, strict=True):
            y[irrep] = x[irrep] * (torch.sigmoid(gate) * self.gate_gain)
        return y
