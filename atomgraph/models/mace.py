"""MACE: an element embedding, layers of equivariant products, and one readout per layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.mace import MACELayer, envelope_target
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.protocols import Readout
from atomgraph.ops.scatter import sum_to
from atomgraph.readouts import MultiHeadMLP, ScaledLinear, ZeroReadout

SIZES = {  # hidden irreps of MACE-MP-0
    "small": "128x0e",
    "medium": "128x0e+128x1o",
    "large": "128x0e+128x1o+128x2e",
}
DEFAULT_HIDDEN = "64x0e+64x1o"
EVEN, ODD = o3.Irrep(0, 1), o3.Irrep(0, -1)


class MACE(EnergyModel):
    r"""Higher-order equivariant message passing: each layer computes symmetric products of densities of neighbours.

    .. math:: h^{(0)}_i = W_{z_i}, \qquad h^{(t)} = \mathrm{MACELayer}_t(h^{(t-1)}), \qquad
              \varepsilon_i = \sum_t \mathcal R_t(h_i^{(t)})

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius of one layer, Å. Energies of atoms depend on atoms up to T cutoffs away.
        size: Published hidden irreps: ``small``, ``medium`` or ``large`` (128 channels, ten Bessel functions); None:
            ``hidden_irreps``.
        hidden_irreps: Irreps of the features, with equal numbers of channels; None: those of ``size``, or 64x0e+64x1o.
        n_layers: Number T of layers.
        l_max: Largest degree of the spherical harmonics.
        order: Correlation order ν of the products (body order ν + 1), one number for all layers or a list.
        interaction: Name in ``layers.mace.INTERACTIONS``, one name for all layers or a list.
        radial: Arguments of ``nn.RadialEmbedding``, such as ``{"n_radial": 8}``; None: the defaults. All layers share
            the embedding.
        layer: Further arguments of ``layers.MACELayer``, one mapping for all layers or a list; None: no further arguments.
        readout: Arguments of the last readout; None: ``{"readout_hidden": 16}``. ``{"readout_hidden": None}`` gives a linear
            readout.
        readout_last_only: Whether only the last layer has a readout.
        last_layer_scalars: Whether the last layer returns only irreps ``0e``.
        global_state: Dependence of the features on charge and spin, see ``featurizers.NodeEmbedding``; None: no dependence.
        state_energy: Whether charge and spin also contribute an energy of the structure that is not a sum over atoms.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Batatia et al., NeurIPS 2022; shapes of ``size``: Batatia et al., arXiv:2401.00096.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        size: str | None = None,
        hidden_irreps: o3.Irreps | str | None = None,
        n_layers: int = 2,
        l_max: int = 3,
        order: int | Sequence[int] = 3,
        interaction: str | Sequence[str] = "residual",
        radial: Mapping[str, Any] | None = None,
        layer: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        readout: Mapping[str, Any] | None = None,
        readout_last_only: bool = False,
        last_layer_scalars: bool = True,
        global_state: Mapping[str, Any] | None = None,
        state_energy: bool = False,
        baseline: Baseline | None = None,
    ):
        elements = checked_symbols(elements)
        hidden = _hidden_irreps(size, hidden_irreps)
        channels = hidden.count(EVEN)
        if n_layers < 1 or not channels:
            raise WiringError(f"MACE needs at least one layer and 0e features, but has {n_layers} and {hidden}")
        n_heads = 1 if baseline is None else len(baseline.heads)
        interactions = _per_layer("interaction", interaction, n_layers)
        defaults = {"envelope_on": envelope_target(*interactions)} | ({"n_radial": 10} if size else {})
        shared_radial = RadialEmbedding(elements, cutoff, **{**defaults, **(radial or {})})
        embedding = NodeEmbedding(elements, channels, global_state)
        layers: list[MACELayer] = []
        irreps_in = embedding.irreps_out
        layer_arguments = _per_layer("layer", layer or {}, n_layers)
        orders = _per_layer("order", order, n_layers)
        for t in range(n_layers):
            arguments = {"interaction": interactions[t], "order": orders[t], "l_max": l_max, "radial": shared_radial}
            if t > 0:
                arguments["irreps_message"] = _message_irreps(hidden, l_max, layer_arguments[t])
            is_last = t == n_layers - 1
            irreps_out = o3.Irreps([(channels, EVEN)]) if is_last and last_layer_scalars else hidden
            layers.append(MACELayer(elements, cutoff, irreps_in, irreps_out, **{**arguments, **layer_arguments[t]}))
            irreps_in = irreps_out
        earlier_readout = ZeroReadout if readout_last_only else ScaledLinear
        readouts: list[Readout] = [earlier_readout(earlier_layer.irreps_out, n_heads) for earlier_layer in layers[:-1]]
        readouts.append(_last_readout(irreps_in, n_heads, {"readout_hidden": 16, **(readout or {})}))
        super().__init__(elements, Branch(cutoff, embedding, layers, readouts), baseline)
        self.state_readout = ScaledLinear(embedding.irreps_out, n_heads) if global_state and state_energy else None

    def structure_energy(self, graph: AtomicGraph) -> Tensor | None:
        """Energies of charge and spin that are not sums over atoms, (n_graphs,), eV; None without ``state_energy``."""
        if self.state_readout is None:
            return None
        edges = self.edges(graph)
        embedding = self.branches[0].featurizer(graph, edges)
        head = graph.head[graph.graph_of_atom]
        energy = self.baseline.select_head(self.state_readout(embedding, graph, edges), head)
        return sum_to(energy.double(), graph.graph_of_atom, graph.n_graphs)


def _hidden_irreps(size: str | None, hidden_irreps: o3.Irreps | str | None) -> o3.Irreps:
    """Return the hidden irreps of a size or of the argument; WiringError if both are given."""
    if size is None:
        return o3.Irreps(DEFAULT_HIDDEN if hidden_irreps is None else hidden_irreps)
    if hidden_irreps is not None:
        raise WiringError(
            f"size {size!r} is a set of hidden features; give size or hidden_irreps={str(hidden_irreps)!r}, not both"
        )
    check_name("size", size, SIZES)
    return o3.Irreps(SIZES[size])


def _per_layer(name: str, value: Any, n_layers: int) -> list[Any]:
    """Return a list with one value per layer, from such a list or from one value for all layers."""
    if isinstance(value, str | int | Mapping):
        return [value] * n_layers
    if len(value) != n_layers:
        raise WiringError(f"{name} should be one value, or one for each of {n_layers} layers, but is {value!r}")
    return list(value)


def _message_irreps(hidden: o3.Irreps, l_max: int, layer_arguments: Mapping[str, Any]) -> o3.Irreps:
    """Return the irreps of messages after the first layer: those of the harmonics, or all up to l_max if there are 0o."""
    channels = hidden.count(EVEN)
    if hidden.count(ODD):
        return o3.Irreps([(channels, (l, p)) for l in range(l_max + 1) for p in (-1, 1)])
    natural = layer_arguments.get("parity", "natural") == "natural"
    return o3.Irreps([(channels, irrep) for _, irrep in o3.Irreps.spherical_harmonics(l_max, -1 if natural else 1)])


def _last_readout(irreps: o3.Irreps, n_heads: int, arguments: dict[str, Any]) -> Readout:
    """Return the readout of the last layer, linear if ``readout_hidden`` is None."""
    readout_hidden = arguments.pop("readout_hidden")
    if readout_hidden is None:
        return ScaledLinear(irreps, n_heads)
    return MultiHeadMLP(irreps, readout_hidden, n_outputs=n_heads, **arguments)
