"""SchNet: continuous-filter convolutions on an embedding of the element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomgraph.errors import WiringError
from atomgraph.featurizers import ElementEmbedding
from atomgraph.layers import Residual
from atomgraph.layers.continuous_filter import DEFAULT_RADIAL, ContinuousFilter
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.readouts import MLP


class SchNet(EnergyModel):
    r"""SchNet: an embedding of the element, T residual continuous-filter convolutions, and a perceptron.

    .. math:: h_i^{(0)} = W_{z_i}, \qquad h^{(t)} = h^{(t-1)} + \mathrm{conv}_t(h^{(t-1)}), \qquad
              \varepsilon_i = \mathrm{MLP}(h_i^{(T)})

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å. Energies of atoms depend on atoms up to T cutoffs away.
        channels: Number of scalar features per atom.
        n_layers: Number T of convolutions.
        n_filters: Number of filters of a convolution; None: the number of features.
        radial: Arguments of ``nn.RadialEmbedding``, such as ``{"n_radial": 50}``, which replace schnetpack's; all
            layers share the embedding.
        activation: Activation function of the convolutions.
        readout_hidden: Widths of the hidden layers of the readout; None: one hidden layer, half as wide as
            the number of features.
        readout_activation: Activation function of the readout.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Schütt et al., J. Chem. Phys. 148, 241722 (2018); the program schnetpack 2.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        channels: int = 64,
        n_layers: int = 3,
        n_filters: int | None = None,
        radial: Mapping[str, Any] | None = None,
        activation: str = "shifted_softplus",
        readout_hidden: Sequence[int] | None = None,
        readout_activation: str = "silu",
        baseline: Baseline | None = None,
    ):
        if n_layers < 1:
            raise WiringError(f"SchNet needs at least one layer, but n_layers is {n_layers}")
        elements = checked_symbols(elements)
        embedding = RadialEmbedding(elements, cutoff, **{**DEFAULT_RADIAL, **(radial or {})})
        layers = [
            Residual(ContinuousFilter(elements, channels, cutoff, n_filters, embedding, activation))
            for _ in range(n_layers)
        ]
        hidden = [max(channels // 2, 1)] if readout_hidden is None else readout_hidden
        n_heads = 1 if baseline is None else len(baseline.heads)
        readout = MLP(channels, hidden, readout_activation, n_outputs=n_heads)
        super().__init__(elements, Branch(cutoff, ElementEmbedding(elements, channels), layers, [readout]), baseline)
