"""NequIP: an embedding of the element, equivariant convolutions with gates, and a perceptron of the scalars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.featurizers import ElementEmbedding, NodeEmbedding
from atomgraph.layers.nequip_layer import NequIPLayer
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.protocols import Featurizer, Readout
from atomgraph.readouts.element_scaled import ElementScaled
from atomgraph.readouts.scaled_mlp_readout import ScaledMLPReadout

EVEN = o3.Irrep(0, 1)


class NequIP(EnergyModel):
    r"""NequIP: T convolutions of equivariant features, each with a self-connection and a gate.

    .. math:: h^{(0)}_i = a_{z_i}, \qquad h^{(t)} = \mathrm{NequIPLayer}_t(h^{(t-1)}), \qquad
              \varepsilon_i = s_{z_i}\, \mathrm{MLP}(h_i^{(T)})

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius of one layer, Å. Energies of atoms depend on structures up to T cutoffs away.
        channels: Number of features of each irrep, one number or one per degree l = 0 … l_max.
        n_layers: Number T of layers.
        l_max: Largest degree of features and spherical harmonics.
        parity: ``natural``: features of parity :math:`(-1)^l`; ``both``: features of both parities; ``even``: all parities are
            called even, so mirror images can have different energies (SevenNet-0).
        hidden_irreps: Irreps of the features of all layers but the last, or one entry per layer, the last one included. They
            replace ``channels`` and ``l_max``. Irreps that a layer cannot reach are dropped.
        embedding_channels: Length of the vectors a; None: the number of scalar features.
        one_hot: Use the one-hot element in place of the vectors a in self-connections, and divide the vectors by the root
            of the number of elements, as SevenNet does.
        self_connection: Self-connection of the layers, see ``layers.NequIPLayer``; None: ``embedding``, or ``element`` if
            ``one_hot``.
        first_self_connection: Whether the first layer also has a self-connection.
        radial: Arguments of ``nn.RadialEmbedding``, such as ``{"n_radial": 8}``; all layers share it.
        layer: Further arguments of ``layers.NequIPLayer``.
        readout: Arguments of ``readouts.ScaledMLPReadout``, such as ``{"readout_hidden": [16]}``.
        element_scale: Give each element a scale s, see ``readouts.ElementScaled``.
        baseline: E0, scale, heads, repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Batzner et al., Nat. Commun. 13, 2453 (2022); the program nequip 0.19.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        channels: int | Sequence[int] = 32,
        n_layers: int = 4,
        l_max: int = 2,
        parity: str = "natural",
        hidden_irreps: o3.Irreps | str | Sequence[str] | None = None,
        embedding_channels: int | None = None,
        one_hot: bool = False,
        self_connection: str | None = None,
        first_self_connection: bool = False,
        radial: Mapping[str, Any] | None = None,
        layer: Mapping[str, Any] | None = None,
        readout: Mapping[str, Any] | None = None,
        element_scale: bool = False,
        baseline: Baseline | None = None,
    ):
        elements = checked_symbols(elements)
        if n_layers < 1:
            raise WiringError(f"NequIP needs at least one layer, but n_layers is {n_layers}")
        hidden = _hidden_irreps(channels, l_max, parity, hidden_irreps, n_layers)
        n_heads = 1 if baseline is None else len(baseline.heads)
        n_embedding = embedding_channels or hidden[0].count(EVEN)
        embedding: Featurizer = (NodeEmbedding if one_hot else ElementEmbedding)(elements, n_embedding)
        shared_radial = RadialEmbedding(elements, cutoff, **{"prefactor": 2.0 / cutoff, "p": 6, **(radial or {})})
        if self_connection is None:
            self_connection = "element" if one_hot else "embedding"
        arguments: dict[str, Any] = {
            "l_max": l_max,
            "parity": "even" if parity == "even" else "natural",
            "radial": shared_radial,
        }
        arguments |= {"embedding": embedding} if self_connection == "embedding" else {}
        layers: list[NequIPLayer] = []
        irreps = embedding.irreps_out
        for t in range(n_layers):
            connection = self_connection if t > 0 or first_self_connection else "none"
            options = {**arguments, "self_connection": connection, **(layer or {})}
            layers.append(NequIPLayer(elements, cutoff, irreps, hidden[t], **options))
            irreps = layers[-1].irreps_out
        last_readout: Readout = ScaledMLPReadout(irreps, n_outputs=n_heads, **(readout or {}))
        readouts = [ElementScaled(elements, last_readout) if element_scale else last_readout]
        super().__init__(elements, Branch(cutoff, embedding, layers, readouts), baseline)


def _hidden_irreps(
    channels: int | Sequence[int], l_max: int, parity: str, hidden_irreps: Any, n_layers: int
) -> list[o3.Irreps]:
    """Return the irreps that each layer should return; the last layer returns only scalars."""
    if parity not in ("natural", "both", "even"):
        raise WiringError(f"parity should be natural, both or even, but is {parity!r}")
    if hidden_irreps is not None and not isinstance(hidden_irreps, o3.Irreps | str):
        if len(hidden_irreps) != n_layers:
            raise WiringError(
                f"hidden_irreps should be one entry, or one for each of {n_layers} layers, but is {hidden_irreps!r}"
            )
        return [o3.Irreps(irreps) for irreps in hidden_irreps]
    if hidden_irreps is None:
        counts = [channels] * (l_max + 1) if isinstance(channels, int) else list(channels)
        if len(counts) != l_max + 1 or min(counts) < 1:
            raise WiringError(f"channels should be positive, one number or {l_max + 1}, but is {channels!r}")
        parities = {"natural": lambda l: [(-1) ** l], "both": lambda l: [1, -1], "even": lambda l: [1]}[parity]
        hidden = o3.Irreps([(n, (l, p)) for l, n in enumerate(counts) for p in parities(l)])
    else:
        hidden = o3.Irreps(hidden_irreps)
    if not hidden.count(EVEN):
        raise WiringError(f"NequIP needs 0e features, but hidden_irreps is {hidden}")
    return [hidden] * (n_layers - 1) + [o3.Irreps([(hidden.count(EVEN), EVEN)])]
