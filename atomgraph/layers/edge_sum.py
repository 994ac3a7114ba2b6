"""Sum of features of edges over the edges of each atom."""

from __future__ import annotations

from collections.abc import Sequence

from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.mean_neighbours import DividesByNeighbours, MeanNeighbours
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_network import ScaledMLP
from atomgraph.nn.irreps import as_irreps, as_scalars
from atomgraph.nn.protocols import EdgeLayer
from atomgraph.ops.scatter import sum_to


class EdgeSum(DividesByNeighbours, EdgeLayer):
    r"""Features of atoms, :math:`h_i = \frac{1}{\sqrt{2 \bar n}} \sum_j g(e_{ij})`, from scalar features e of edges.

    g is a perceptron without its last linear layer, and :math:`\bar n` is the mean number of neighbours in the training data.
    With a linear readout, the energy is a sum of a perceptron over the edges.

    Args:
        elements: Chemical symbols.
        irreps_in: Irreps of the features of atoms, which are not used.
        edge_irreps_in: Irreps of the features of edges, scalars.
        hidden: Widths of the hidden layers; without them the features of edges are summed.
        activation: Name of the activation function.
        neighbours_by_element: Use one :math:`\bar n` per element of the centre.

    Raises:
        WiringError: If features of edges are not scalars, or the activation is unknown.

    Source: Musaelian et al., Nat. Commun. 14, 579 (2023); the program nequip-allegro 0.8.
    """

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        edge_irreps_in: o3.Irreps | str | int,
        hidden: Sequence[int] = (),
        activation: str = "silu",
        neighbours_by_element: bool = False,
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.irreps_in, self.edge_irreps_in = as_irreps(irreps_in), as_scalars(edge_irreps_in, "EdgeSum")
        widths = [self.edge_irreps_in.dim, *hidden]
        self.network = ScaledMLP(widths, activation, 2**0.5) if hidden else None
        if self.network is not None:
            self.network.group = "readout"
        self.irreps_out = o3.Irreps([(widths[-1], "0e")])
        self.neighbours = MeanNeighbours(self.elements if neighbours_by_element else None)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return no weights: the mean numbers of neighbours return theirs."""
        return {}

    def forward(  # type: ignore[override]
        self, h: Tensor, graph: AtomicGraph, edges: Edges, edge_features: Tensor
    ) -> Tensor:
        """Return features of atoms, (n_atoms, irreps_out.dim).

        Args:
            h: Features of atoms, (n_atoms, irreps_in.dim).
            graph: The graph.
            edges: Edges of the graph.
            edge_features: Features of edges, (n_edges, edge_irreps_in.dim).
        """
        if self.network is not None:
            edge_features = self.network.gain * self.network.activation(self.network(edge_features))
        sums = sum_to(edge_features, edges.centre, edges.n_atoms)
        return self.neighbours.divide_by_root(sums, edges.element, factor=2.0)
