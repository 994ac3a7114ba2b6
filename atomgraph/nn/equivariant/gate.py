"""Gate: an equivariant nonlinearity. Scalars have an activation function; other channels are multiplied by a scalar."""

from __future__ import annotations

from collections.abc import Callable

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.activation import E3NN_GAINS
from atomgraph.nn.equivariant.irrep_blocks import Blocks, channels_per_irrep
from atomgraph.nn.part import Part

# gains of e3nn, which keep the mean square of normally distributed numbers at one
SILU_GAIN, SIGMOID_GAIN, TANH_GAIN = E3NN_GAINS["silu"], 1.8467055342154763, E3NN_GAINS["tanh"]
#: Functions σ of the gates by name, each with its gain c'.
GATES: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "sigmoid": (torch.sigmoid, SIGMOID_GAIN),
    "silu": (torch.nn.functional.silu, SILU_GAIN),
}
EVEN, ODD = o3.Irrep(0, 1), o3.Irrep(0, -1)


class Gate(Part):
    r"""Gate: :math:`s \to c\,\mathrm{silu}(s)`, and :math:`v_m \to c'\,\sigma(g)\, v_m` for channels with l > 0.

    The input ``irreps_in`` has one additional ``0e`` (g) for each channel with l > 0. The scalars s come first, then the g in
    the order of the irreps. Input and output are tensors by irrep (``irrep_blocks``).

    Args:
        irreps_out: Irreps of the output.
        scalar_gain: Factor c, no unit; None: the factor of e3nn.
        gate_gain: Factor c', no unit; None: the factor of e3nn.
        gate_activation: Activation function σ of the gates, ``sigmoid`` (MACE) or ``silu`` (NequIP).
        odd_scalars: Whether odd scalars (``0o``) are allowed; they become :math:`c''\tanh(s)`, which keeps their parity.

    Raises:
        WiringError: If the activation is unknown, or there are odd scalars without ``odd_scalars``.

    Source: Weiler et al., NeurIPS 2018 (gated nonlinearity); gains of e3nn 0.4.4.
    """

    def __init__(
        self,
        irreps_out: o3.Irreps | str,
        scalar_gain: float | None = None,
        gate_gain: float | None = None,
        gate_activation: str = "sigmoid",
        odd_scalars: bool = False,
    ):
        super().__init__()
        if gate_activation not in GATES:
            raise WiringError(f"unknown activation {gate_activation!r} of gates{nearest(str(gate_activation), GATES)}")
        self.irreps_out = o3.Irreps(irreps_out)
        self.gate_activation, default_gain = GATES[gate_activation]
        self.scalar_gain = SILU_GAIN if scalar_gain is None else scalar_gain
        self.gate_gain = default_gain if gate_gain is None else gate_gain
        self._channels = channels_per_irrep(self.irreps_out)
        if ODD in self._channels and not odd_scalars:
            raise WiringError(
                f"this gate cannot return odd scalars (0o), but irreps_out is {self.irreps_out}; remove 0o"
            )
        self.gated = [(irrep, n) for irrep, n in self._channels.items() if irrep.l > 0]
        n_gates = sum(n for _, n in self.gated)
        counts = {EVEN: self._channels.get(EVEN, 0) + n_gates}
        counts |= {irrep: n for irrep, n in self._channels.items() if irrep != EVEN}
        self.irreps_in = o3.Irreps([(n, irrep) for irrep, n in counts.items()])

    def forward(self, x: Blocks) -> Blocks:
        """Apply the gate to features by irrep, (n_atoms, 2l+1, channels)."""
        scalars, *gates = x[EVEN].split([self._channels.get(EVEN, 0), *(n for _, n in self.gated)], dim=2)
        y = {EVEN: torch.nn.functional.silu(scalars) * self.scalar_gain}
        if ODD in self._channels:
            y[ODD] = torch.tanh(x[ODD]) * TANH_GAIN
        for (irrep, _), gate in zip(self.gated, gates, strict=True):
            y[irrep] = x[irrep] * (self.gate_activation(gate) * self.gate_gain)
        return y
