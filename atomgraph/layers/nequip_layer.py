"""Layer of NequIP: a convolution of equivariant features of neighbours, a self-connection, and a gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, check_name
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.embedding_linear import EmbeddingLinear
from atomgraph.layers.mean_neighbours import DividesByNeighbours, MeanNeighbours
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.convolution import Convolution
from atomgraph.nn.equivariant.edge_harmonics import arranged_harmonics
from atomgraph.nn.equivariant.gate import Gate
from atomgraph.nn.equivariant.irrep_blocks import Blocks, from_blocks, to_blocks
from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.equivariant.radial_network import ScaledMLP
from atomgraph.nn.part import Part
from atomgraph.nn.protocols import MessageLayer

SELF_CONNECTIONS = ("none", "linear", "element", "embedding")
PARITIES = ("natural", "even")


class NequIPLayer(DividesByNeighbours, MessageLayer):
    r"""One layer of NequIP.

    .. math:: h'_i = \mathrm{gate}\Big(W_2 \frac{1}{\sqrt{\bar n}} \sum_j w(r_{ij}) \otimes (W_1 h_j) \otimes Y(\hat r_{ij})
              + S_{z_i} h_i \Big) \; [+\, h_i]

    S is the self-connection, w the output of a network of the radial embedding, and :math:`\bar n` the mean number of
    neighbours in the training data.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        irreps_in: Irreps of the features h, each irrep once.
        irreps_out: Irreps that the gate should return, each irrep once. Irreps to which no path leads are dropped.
        l_max: Largest degree of the spherical harmonics Y.
        parity: Parity of the harmonics: ``natural`` for :math:`(-1)^l`, or ``even``. With ``even``, the features are
            equivariant to rotations but not to reflections, so mirror images can have different energies.
        radial: Embedding of distances; Bessel functions if None.
        radial_hidden: Widths of the hidden layers of the radial network.
        activation_gain: Factor on the activation of the radial network; None: the value in ``nn.activation.E3NN_GAINS``.
        self_connection: Self-connection S: ``none``; ``linear``, equal for all elements; ``element``, with one matrix per
            element; or ``embedding``, with matrices that depend on the element through ``embedding``.
        embedding: Embedding of elements for the self-connection ``embedding``.
        residual: Add the features h to the output, if the irreps are equal.
        neighbours_by_element: Use one :math:`\bar n` for each element of the neighbour j.
        solid_harmonics: Use :math:`r^l\, Y_l(\hat r)` with r in Å instead of Y, as SevenNet-0 does.
        bias: Add trained numbers to the invariant outputs of W₁ and W₂.
        coupling_dtype: Dtype to which coupling coefficients are rounded, see ``nn.Convolution``.

    Raises:
        WiringError: If a name is unknown, no path leads to the output, or an embedding is missing.

    Source: Batzner et al., Nat. Commun. 13, 2453 (2022); the programs nequip 0.19 and SevenNet.
    """

    inner_groups: ClassVar = {"network": "radial"}

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        irreps_in: o3.Irreps | str,
        irreps_out: o3.Irreps | str,
        *,
        l_max: int = 2,
        parity: str = "natural",
        radial: RadialEmbedding | None = None,
        radial_hidden: Sequence[int] = (128,),
        activation_gain: float | None = 2**0.5,
        self_connection: str = "element",
        embedding: Part | None = None,
        residual: bool = False,
        neighbours_by_element: bool = False,
        solid_harmonics: bool = False,
        bias: bool = False,
        coupling_dtype: str = "float64",
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        check_name("self_connection", self_connection, SELF_CONNECTIONS)
        check_name("parity", parity, PARITIES)
        self.irreps_in, self.l_max, self.solid_harmonics = o3.Irreps(irreps_in), l_max, solid_harmonics
        self.harmonics = o3.Irreps.spherical_harmonics(l_max, p=-1 if parity == "natural" else 1)
        self.irreps_out = reachable_irreps(self.irreps_in, self.harmonics, o3.Irreps(irreps_out))
        if not self.irreps_out:
            raise WiringError(
                f"no path leads from the irreps {self.irreps_in} to {o3.Irreps(irreps_out)} with l_max = {l_max}"
            )
        self.radial = RadialEmbedding(self.elements, cutoff) if radial is None else radial
        self.gate = Gate(self.irreps_out, gate_activation="silu", odd_scalars=True)
        self.up = EquivariantLinear(self.irreps_in, self.irreps_in, bias)
        self.convolution = Convolution(self.irreps_in, self.harmonics, self.gate.irreps_in, coupling_dtype)
        widths = [self.radial.n_radial, *radial_hidden, self.convolution.n_weights]
        self.network = ScaledMLP(widths, activation_gain=activation_gain)
        self.neighbours = MeanNeighbours(self.elements if neighbours_by_element else None)
        self.mix = EquivariantLinear(self.convolution.irreps_out, self.gate.irreps_in, bias)
        self.self_connection = self._make_self_connection(self_connection, embedding)
        self.residual = residual and self.irreps_in == self.irreps_out

    def _make_self_connection(self, kind: str, embedding: Part | None) -> Any:
        if kind == "linear":
            return EquivariantLinear(self.irreps_in, self.gate.irreps_in)
        if kind == "element":
            return ElementLinear(len(self.elements), self.irreps_in, self.gate.irreps_in)
        if kind == "embedding":
            if embedding is None:
                raise WiringError("the self-connection 'embedding' needs the argument embedding")
            return EmbeddingLinear(embedding, self.irreps_in, self.gate.irreps_in)
        return None

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return no weights, because the parts inside the layer return their weights of elements."""
        return {}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return new features, (n_atoms, irreps_out.dim), of features h, (n_atoms, irreps_in.dim)."""
        blocks = to_blocks(h, self.irreps_in)
        message = self.mix(self._sums(self.up(blocks), edges))
        if self.self_connection is not None:
            element = () if isinstance(self.self_connection, EquivariantLinear) else (edges.element,)
            connection = self.self_connection(blocks, *element)
            message = {irrep: block + connection[irrep] for irrep, block in message.items()}
        result = from_blocks(self.gate(message), self.irreps_out)
        return result + h if self.residual else result

    def _sums(self, up: Blocks, edges: Edges) -> Blocks:
        """Return the convolution, divided by the root of the mean number of neighbours."""
        up = {irrep: self.neighbours.divide_by_root(block, edges.element) for irrep, block in up.items()}
        layout = self.convolution.edge_layout(edges)
        features, envelope = self.radial(edges)
        weights: Tensor = self.network(layout.arrange(features))
        if envelope is not None:
            weights = weights * layout.arrange(envelope)[..., None]
        harmonics = arranged_harmonics(edges, layout, self.l_max, self.solid_harmonics)
        return self.convolution(up, weights, harmonics, layout)


def reachable_irreps(irreps_in: o3.Irreps, harmonics: o3.Irreps, irreps: o3.Irreps) -> o3.Irreps:
    """Return those of the irreps that products of input irreps and harmonics contain, with scalars first.

    Args:
        irreps_in: Irreps of the features.
        harmonics: Irreps of the harmonics.
        irreps: Irreps from which some are chosen.
    """
    products = {irrep for _, feature in irreps_in for _, harmonic in harmonics for irrep in feature * harmonic}
    kept = [(n, irrep) for n, irrep in irreps if irrep in products]
    return o3.Irreps(sorted(kept, key=lambda entry: entry[1].l > 0))  # stable: scalars before the others
