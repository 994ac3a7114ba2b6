"""Layer of Allegro: the tensors of an edge are multiplied by the sum over the edges of the same centre."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers.allegro_embedding import edge_irreps
from atomgraph.layers.edge_tensor_product import EdgeTensorProduct
from atomgraph.layers.mean_neighbours import DividesByNeighbours, MeanNeighbours
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.edge_harmonics import edge_harmonics
from atomgraph.nn.equivariant.radial_network import ScaledMLP
from atomgraph.nn.irreps import as_scalars
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.nn.protocols import EdgeLayer
from atomgraph.ops.scatter import sum_to


class AllegroLayer(DividesByNeighbours, EdgeLayer):
    r"""One layer of Allegro. All features belong to edges, and sums run over edges of one centre only.

    .. math:: E_{i u l m} = \frac{1}{\sqrt{\bar n}} \sum_j w_{ij u l} Y_{l m}(\hat r_{ij}), \qquad
              V'_{ij} = \mathrm{product}(V_{ij}, E_i), \qquad
              [z', w'] = \mathrm{MLP}([z_0, \dots, z_t, V'_{l=0}])

    The latent scalars z' are appended to those of the earlier layers. The order of the features of edges is that of
    ``layers.AllegroEmbedding``. The last layer returns only the latent scalars.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        irreps_in: Irreps of the features of atoms, scalars; they are not changed.
        tensor_irreps_in: Irreps of V, with multiplicity one.
        tensor_irreps_out: Irreps of V', with multiplicity one, ``0e`` first.
        n_scalars: Number of latent scalars of all earlier layers.
        channels: Number of latent scalars z'.
        tensor_channels: Number U of channels of the tensors.
        l_max: Largest degree of the spherical harmonics.
        hidden: Widths of the hidden layers of the perceptron.
        activation: Name of its activation function.
        by_channel: Whether the product has separate weights for each channel.
        is_last: Whether the layer returns only latent scalars.
        neighbours_by_element: Use one mean number of neighbours :math:`\bar n` per element of the centre.

    Raises:
        WiringError: If features of atoms are not scalars, or no path leads to V'.

    Source: Musaelian et al., Nat. Commun. 14, 579 (2023); the program nequip-allegro 0.8.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        irreps_in: o3.Irreps | str | int,
        tensor_irreps_in: o3.Irreps | str,
        tensor_irreps_out: o3.Irreps | str,
        n_scalars: int,
        *,
        channels: int = 64,
        tensor_channels: int = 32,
        l_max: int = 2,
        hidden: Sequence[int] = (64,),
        activation: str = "silu",
        by_channel: bool = True,
        is_last: bool = False,
        neighbours_by_element: bool = False,
    ):
        super().__init__()
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.irreps_in = self.irreps_out = as_scalars(irreps_in, "AllegroLayer")
        self.n_scalars, self.channels, self.tensor_channels, self.l_max = n_scalars, channels, tensor_channels, l_max
        self.is_last = is_last
        tensor_irreps_in, tensor_irreps_out = o3.Irreps(tensor_irreps_in), o3.Irreps(tensor_irreps_out)
        n_weights = tensor_channels * (l_max + 1)
        self.edge_irreps_in = edge_irreps(n_scalars, n_weights, tensor_channels, tensor_irreps_in)
        if is_last:
            self.edge_irreps_out = o3.Irreps(f"{n_scalars + channels}x0e")
        else:
            self.edge_irreps_out = edge_irreps(n_scalars + channels, n_weights, tensor_channels, tensor_irreps_out)
        harmonics = o3.Irreps.spherical_harmonics(l_max)
        self.product = EdgeTensorProduct(tensor_irreps_in, harmonics, tensor_irreps_out, tensor_channels, by_channel)
        widths = [n_scalars + tensor_channels, *hidden, channels + (0 if is_last else n_weights)]
        self.network = ScaledMLP(widths, activation, 2**0.5)
        self.network.group = "product"
        self.neighbours = MeanNeighbours(self.elements if neighbours_by_element else None)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return no weights: the mean numbers of neighbours return theirs."""
        return {}

    def forward(  # type: ignore[override]
        self, h: Tensor, graph: AtomicGraph, edges: Edges, edge_features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the features h of atoms unchanged, and features of edges, (n_edges, edge_irreps_out.dim).

        Args:
            h: Features of atoms, (n_atoms, irreps_in.dim).
            graph: The graph.
            edges: Edges of the graph.
            edge_features: Features of edges, (n_edges, edge_irreps_in.dim).
        """
        n_weights = self.tensor_channels * (self.l_max + 1)
        sizes = [self.n_scalars, n_weights, edge_features.shape[1] - self.n_scalars - n_weights]
        scalars, weights, tensors = edge_features.split(sizes, dim=1)
        padded_edges = PaddedEdges.of(edges)
        blocks = padded_edges.pad(self._by_channel(tensors)).transpose(1, 2)  # (n_blocks, U, block_size, dim of V)
        products = self.product(blocks, self._centre_tensors(weights, edges), padded_edges)
        products = products.transpose(1, 2).flatten(0, 1).index_select(0, padded_edges.slot)  # (n_edges, U, dim of V')
        latents = self.network(torch.cat([scalars, products[:, :, 0]], dim=1))
        if self.is_last:
            return h, torch.cat([scalars, latents], dim=1)
        columns = self.product.irreps_out.slices()
        return h, torch.cat([scalars, latents, *(products[:, :, irrep].flatten(1) for irrep in columns)], dim=1)

    def _by_channel(self, tensors: Tensor) -> Tensor:
        """Return the tensors of edges, (n_edges, U · dim of V) sorted by irrep, as (n_edges, U, dim of V)."""
        irreps = [irrep for _, irrep in self.product.irreps_edge]
        parts = tensors.split([self.tensor_channels * irrep.dim for irrep in irreps], dim=1)
        return torch.cat([part.unflatten(1, (self.tensor_channels, -1)) for part in parts], dim=2)

    def _centre_tensors(self, weights: Tensor, edges: Edges) -> Tensor:
        """Return the tensors E of the atoms, (U, n_atoms, (l_max + 1)²)."""
        harmonics = edge_harmonics(edges, self.l_max)
        degrees = [2 * l + 1 for l in range(self.l_max + 1)]
        by_degree = weights.unflatten(1, (self.tensor_channels, self.l_max + 1)).unbind(2)
        parts = zip(by_degree, harmonics.split(degrees, dim=1), strict=True)
        products = torch.cat([weight[:, :, None] * harmonic[:, None, :] for weight, harmonic in parts], dim=2)
        sums = sum_to(products, edges.centre, edges.n_atoms)  # (n_atoms, U, (l_max + 1)²)
        return self.neighbours.divide_by_root(sums, edges.element).transpose(0, 1)


def tensor_irreps(l_max: int, parity: str, n_layers: int) -> list[o3.Irreps]:
    """Return the irreps of the tensors before the first layer and after each layer, with multiplicity one.

    An irrep is kept if a product leads to it, and if a product leads from it to the irreps of the next layer; only ``0e`` is
    left after the last layer.

    Args:
        l_max: Largest degree.
        parity: ``natural`` for irreps of parity (−1)^l, or ``both``.
        n_layers: Number of layers.
    """
    harmonics = [irrep for _, irrep in o3.Irreps.spherical_harmonics(l_max)]
    parities = (1, -1) if parity == "both" else (None,)
    allowed = [o3.Irrep(l, (-1) ** l if p is None else p) for l in range(l_max + 1) for p in parities]
    levels = [harmonics]
    for t in range(n_layers):
        targets = allowed if t < n_layers - 1 else [o3.Irrep(0, 1)]
        levels.append([out for out in targets if any(out in v * e for v in levels[-1] for e in harmonics)])
    for t in reversed(range(n_layers)):
        levels[t] = [v for v in levels[t] if any(out in v * e for e in harmonics for out in levels[t + 1])]
    return [o3.Irreps([(1, irrep) for irrep in level]) for level in levels]
