"""PaiNN: messages of scalars and vectors on an embedding of the element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomgraph.errors import WiringError
from atomgraph.layers.continuous_filter import DEFAULT_RADIAL
from atomgraph.layers.painn_message import PaiNNMessage
from atomgraph.layers.painn_update import PaiNNUpdate
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.models.schnet import schnet_embedding, schnet_readout
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.protocols import Layer


class PaiNN(EnergyModel):
    r"""PaiNN: an embedding of the element, T pairs of a message and an update block, and a perceptron of the scalars.

    .. math:: q^{(0)}_i = W_{z_i}, \quad \vec\mu^{(0)}_i = 0, \qquad
              (q, \vec\mu)^{(t)} = \mathrm{update}_t(\mathrm{message}_t((q, \vec\mu)^{(t-1)})), \qquad
              \varepsilon_i = \mathrm{MLP}(q_i^{(T)})

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å. Energies of atoms depend on atoms up to T cutoffs away.
        channels: Number of scalars, and of vectors, per atom.
        n_layers: Number T of pairs of blocks.
        radial: Arguments of ``nn.RadialEmbedding``, such as ``{"n_radial": 50}``, which replace schnetpack's; all
            layers share the embedding.
        activation: Activation function of the blocks.
        epsilon: Constant ε of the update blocks, see ``layers.PaiNNUpdate``.
        shared_interactions: Whether all message blocks have the same perceptron, and all update blocks the same weights.
        shared_filters: Whether all message blocks have the same filters.
        states: Whether features depend on the ``charge`` and the ``spin`` of the structure, as in ``SchNet``.
        readout_hidden: Widths of the hidden layers of the readout; None: one hidden layer, half as wide as
            the number of scalars.
        readout_activation: Activation function of the readout.
        aggregation: ``sum``, or ``mean`` for energies of structures that are means over atoms, as in ``SchNet``.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Schütt, Unke and Gastegger, ICML 2021, arXiv:2102.03150; the program schnetpack 2.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        channels: int = 64,
        n_layers: int = 3,
        radial: Mapping[str, Any] | None = None,
        activation: str = "silu",
        epsilon: float = 1e-8,
        shared_interactions: bool = False,
        shared_filters: bool = False,
        states: Mapping[str, int] | None = None,
        readout_hidden: Sequence[int] | None = None,
        readout_activation: str = "silu",
        aggregation: str = "sum",
        baseline: Baseline | None = None,
    ):
        if n_layers < 1:
            raise WiringError(f"PaiNN needs at least one layer, but n_layers is {n_layers}")
        elements = checked_symbols(elements)
        embedding = schnet_embedding(elements, channels, states)
        shared_radial = RadialEmbedding(elements, cutoff, **{**DEFAULT_RADIAL, **(radial or {})})
        layers: list[Layer] = []
        message: PaiNNMessage | None = None
        update: PaiNNUpdate | None = None
        for t in range(n_layers):
            message = PaiNNMessage(
                elements,
                embedding.irreps_out if update is None else update.irreps_out,
                cutoff,
                shared_radial,
                activation,
                same_weights_as=message if shared_interactions else None,
                same_filters_as=message if shared_filters else None,
            )
            update = PaiNNUpdate(
                message.irreps_out,
                returns_vectors=t < n_layers - 1,
                epsilon=epsilon,
                activation=activation,
                same_weights_as=update if shared_interactions else None,
            )
            layers += [message, update]
        readout = schnet_readout(elements, channels, readout_hidden, readout_activation, aggregation, baseline)
        super().__init__(elements, Branch(cutoff, embedding, layers, [readout]), baseline)
