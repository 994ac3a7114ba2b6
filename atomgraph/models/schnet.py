"""SchNet: continuous-filter convolutions on an embedding of the element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomgraph.errors import WiringError, check_name
from atomgraph.featurizers import ElementEmbedding
from atomgraph.featurizers.electronic_embedding import ElectronicEmbedding
from atomgraph.layers import Residual
from atomgraph.layers.continuous_filter import DEFAULT_RADIAL, ContinuousFilter
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.protocols import Featurizer, Readout
from atomgraph.readouts import MLP
from atomgraph.readouts.mean_over_atoms import MeanOverAtoms

AGGREGATIONS = ("sum", "mean")


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
        shared_interactions: Whether all convolutions have the same weights.
        states: Features that depend on the structure: ``{"charge": n, "spin": n}``, with the number n of residual blocks,
            see ``featurizers.ElectronicEmbedding``; None: the element only.
        readout_hidden: Widths of the hidden layers of the readout; None: one hidden layer, half as wide as
            the number of features.
        readout_activation: Activation function of the readout.
        aggregation: ``sum``: the energy of a structure is the sum of the outputs of the readout; ``mean``: their mean, see
            ``readouts.MeanOverAtoms``.
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
        shared_interactions: bool = False,
        states: Mapping[str, int] | None = None,
        readout_hidden: Sequence[int] | None = None,
        readout_activation: str = "silu",
        aggregation: str = "sum",
        baseline: Baseline | None = None,
    ):
        if n_layers < 1:
            raise WiringError(f"SchNet needs at least one layer, but n_layers is {n_layers}")
        elements = checked_symbols(elements)
        embedding = schnet_embedding(elements, channels, states)
        shared_radial = RadialEmbedding(elements, cutoff, **{**DEFAULT_RADIAL, **(radial or {})})
        n_different = 1 if shared_interactions else n_layers
        different_layers = [
            Residual(ContinuousFilter(elements, channels, cutoff, n_filters, shared_radial, activation))
            for _ in range(n_different)
        ]
        layers = different_layers * (n_layers // n_different)
        readout = schnet_readout(elements, channels, readout_hidden, readout_activation, aggregation, baseline)
        super().__init__(elements, Branch(cutoff, embedding, layers, [readout]), baseline)


def schnet_embedding(elements: Sequence[str], channels: int, states: Mapping[str, int] | None) -> Featurizer:
    """Return the embedding of the element, and of charge and spin if ``states`` is given, of ``SchNet`` and ``PaiNN``."""
    embedding = ElementEmbedding(elements, channels)
    return ElectronicEmbedding(embedding, states) if states else embedding


def schnet_readout(
    elements: Sequence[str],
    channels: int,
    hidden: Sequence[int] | None,
    activation: str,
    aggregation: str,
    baseline: Baseline | None,
) -> Readout:
    """Return the readout of ``SchNet`` and ``PaiNN``, with the arguments of these models.

    Raises:
        WiringError: If the aggregation is unknown, or a mean should have exact energies of isolated atoms.
    """
    check_name("aggregation", aggregation, AGGREGATIONS)
    if aggregation == "mean" and baseline is not None and baseline.exact_isolated:
        raise WiringError(
            "a mean over atoms has no energies of isolated atoms, so aggregation: mean needs exact_isolated: false"
        )
    n_heads = 1 if baseline is None else len(baseline.heads)
    widths = [max(channels // 2, 1)] if hidden is None else hidden
    readout = MLP(channels, widths, activation, n_outputs=n_heads)
    return MeanOverAtoms(elements, readout) if aggregation == "mean" else readout
