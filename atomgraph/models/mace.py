"""MACE: an element embedding, layers of equivariant products, and a readout a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.mace import MACELayer, envelope_target
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.element_edit import ElementEdit, rebuild
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.protocols import Readout
from atomgraph.ops.scatter import sum_to
from atomgraph.readouts import MultiHeadMLP, ScaledLinear, ZeroReadout

SIZES = {  # the shapes of MACE-MP-0
    "small": "128x0e",
    "medium": "128x0e+128x1o",
    "large": "128x0e+128x1o+128x2e",
}
HIDDEN = "64x0e+64x1o"
EVEN, ODD = o3.Irrep(0, 1), o3.Irrep(0, -1)


class MACE(EnergyModel):
    r"""Higher-order equivariant message passing: products of a density of neighbours, layer by layer.

    .. math:: h^{(0)}_i = W_{z_i}, \qquad h^{(t)} = \mathrm{MACELayer}_t(h^{(t-1)}), \qquad
              \varepsilon_i = \sum_t \mathcal R_t(h_i^{(t)})

    Args:
        elements: Chemical symbols.
        cutoff: Å, of one layer; an atom feels others n_layers cutoffs away.
        size: ``small``, ``medium`` or ``large``, the published shapes (128 channels, ten Bessel functions); or
        hidden_irreps: Irreps of the features, equally many channels of each; the last layer gives their ``0e`` only.
        n_layers: T.
        l_max: Of the harmonics.
        order: Of the products (ν; body order ν + 1), one for all layers or a list.
        interaction: A name in ``layers.mace.INTERACTIONS``, one for all layers or a list.
        radial: Arguments of ``nn.RadialEmbedding``, such as ``{"n_radial": 8}``; all layers share it.
        layer: Further arguments of ``layers.MACELayer``, one mapping for all layers or a list.
        readout: Arguments of the last readout, ``{"readout_hidden": 16}``; ``{"readout_hidden": None}`` makes it
            linear.
        readout_last_only: Only the last layer has a readout.
        last_layer_scalars: False lets the last layer keep all irreps.
        global_state: Charge and spin that the features know (``featurizers.NodeEmbedding``).
        state_energy: They tell an energy of the whole structure, too, which belongs to no atom.
        baseline: E0, scale, heads, repulsion.

    Raises:
        WiringError: For what makes no model.

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
        irreps = _hidden(size, hidden_irreps)
        channels = irreps.count(EVEN)
        if n_layers < 1 or not channels:
            raise WiringError(f"MACE needs at least one layer and 0e features, but has {n_layers} and {irreps}")
        heads = 1 if baseline is None else len(baseline.heads)
        kinds = _of_layers("interaction", interaction, n_layers)
        usual = {"envelope_on": envelope_target(*kinds)} | ({"n_radial": 10} if size else {})
        shared = RadialEmbedding(elements, cutoff, **{**usual, **(radial or {})})
        embedding = NodeEmbedding(elements, channels, global_state)
        layers: list[MACELayer] = []
        given = embedding.irreps_out
        for t, (further, kind, nu) in enumerate(
            zip(
                _of_layers("layer", layer or {}, n_layers),
                kinds,
                _of_layers("order", order, n_layers),
                strict=True,
            )
        ):
            last = t == n_layers - 1
            arguments = {"irreps_message": _message(irreps, l_max, further)} if t > 0 else {}
            arguments |= {"interaction": kind, "order": nu, "l_max": l_max, "radial": shared, **further}
            expected = o3.Irreps([(channels, EVEN)]) if last and last_layer_scalars else irreps
            layers.append(MACELayer(elements, cutoff, given, expected, **arguments))
            given = expected
        readouts: list[Readout] = [
            ZeroReadout(each.irreps_out, heads) if readout_last_only else ScaledLinear(each.irreps_out, heads)
            for each in layers[:-1]
        ]
        readouts.append(_last_readout(given, heads, {"readout_hidden": 16, **(readout or {})}))
        super().__init__(elements, Branch(cutoff, embedding, layers, readouts), baseline)
        self.state_readout = ScaledLinear(embedding.irreps_out, heads) if global_state and state_energy else None

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With a transform of distances for the new elements."""
        arguments = super().element_arguments(edit)
        return arguments | {"radial": rebuild(arguments["radial"] or {}, edit)}

    def structure_energy(self, graph: AtomicGraph) -> Tensor | None:
        """(n_graphs,) eV that belong to no atom: what charge and spin tell of the whole structure; None without."""
        if self.state_readout is None:
            return None
        edges = self.edges(graph)
        embedding = self.branches[0].featurizer(graph, edges)
        energy = self.baseline.of_head(self.state_readout(embedding, graph, edges), graph.head[graph.graph_of_atom])
        return sum_to(energy.double(), graph.graph_of_atom, graph.n_graphs)


def _hidden(size: str | None, hidden: o3.Irreps | str | None) -> o3.Irreps:
    if size is None:
        return o3.Irreps(HIDDEN if hidden is None else hidden)
    if hidden is not None:
        raise WiringError(
            f"size {size!r} is a set of hidden features; give size or hidden_irreps={str(hidden)!r}, not both"
        )
    if size not in SIZES:
        raise WiringError(f"unknown size {size!r}{nearest(str(size), SIZES)}")
    return o3.Irreps(SIZES[size])


def _of_layers(name: str, value: Any, n_layers: int) -> list[Any]:
    """One value a layer."""
    if isinstance(value, str | int | Mapping):
        return [value] * n_layers
    if len(value) != n_layers:
        raise WiringError(f"{name} should be one value, or one for each of {n_layers} layers, but is {value!r}")
    return list(value)


def _message(hidden: o3.Irreps, l_max: int, further: Mapping[str, Any]) -> o3.Irreps:
    """Irreps of a later layer's messages: the harmonics', or with odd scalars around all irreps up to l_max."""
    channels = hidden.count(EVEN)
    if hidden.count(ODD):
        return o3.Irreps([(channels, (l, p)) for l in range(l_max + 1) for p in (-1, 1)])
    natural = further.get("parity", "natural") == "natural"
    return o3.Irreps([(channels, irrep) for _, irrep in o3.Irreps.spherical_harmonics(l_max, -1 if natural else 1)])


def _last_readout(irreps: o3.Irreps, heads: int, arguments: dict[str, Any]) -> Readout:
    hidden = arguments.pop("readout_hidden")
    if hidden is None:
        return ScaledLinear(irreps, heads)
    return MultiHeadMLP(irreps, hidden, n_outputs=heads, **arguments)
