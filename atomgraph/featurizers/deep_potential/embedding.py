"""Embedding networks of Deep Potential: features of a neighbour from one number, its weighted inverse distance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.part import Part
from atomgraph.nn.residual_mlp import ResidualMLP

Function = Callable[[Tensor, int], Tensor]


class Embedding(Part):
    """Functions of one number, (n, 1) to (n, channels), one for each group of pairs of elements.

    Attributes:
        elements: Chemical symbols.
        channels: Number M of features.
        two_sided: Whether the functions also depend on the element of the centre. A group is then
            ``centre + n_elements · neighbour``, else ``neighbour``.
    """

    elements: list[str]
    channels: int
    two_sided: bool

    def groups(self, centre: Tensor, neighbour: Tensor) -> Tensor:
        """Return the group of each pair of rows of elements, int64."""
        return centre + len(self.elements) * neighbour if self.two_sided else neighbour

    def edge_groups(self, edges: Edges) -> Tensor:
        """Return the group of each edge, (n_edges,), int64."""
        return self.groups(edges.element_of_centre, edges.element_of_neighbour)

    @abstractmethod
    def functions(self) -> Function:
        """Return the function ``(x, group) -> features``, (n, 1) to (n, channels)."""

    @abstractmethod
    def by_element(self, x: Tensor) -> Tensor:
        """Return the features of one number for each pair of elements.

        Args:
            x: Number for each element of the centre, (n_elements,).

        Returns:
            Features, (n_elements of the centre, n_elements of the neighbour, channels).
        """


class EmbeddingNetworks(Embedding):
    r"""One network per element of the neighbour, :math:`G_{ij} = g_{z_j}(x)`, or per pair, :math:`g_{z_i z_j}(x)`.

    Args:
        elements: Chemical symbols.
        hidden: Widths of the layers; the last one is the number of features.
        two_sided: Use one network for each ordered pair of elements.
        activation: Name of the activation function, see ``nn.deepmd_activation``.
        timestep: Whether residual layers have timesteps.

    Raises:
        WiringError: If a width is below one, or the activation is unknown.

    Source: Zhang et al., NeurIPS 31, 4436 (2018).
    """

    def __init__(
        self,
        elements: Sequence[str],
        hidden: Sequence[int] = (25, 50, 100),
        two_sided: bool = False,
        activation: str = "tanh",
        timestep: bool = False,
    ):
        super().__init__()
        self.elements, self.two_sided = checked_symbols(elements), two_sided
        n = len(self.elements)
        self.mlp = ResidualMLP(1, hidden, None, activation, n * n if two_sided else n, timestep)
        self.channels = int(hidden[-1])

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Networks of the new elements or pairs."""
        rows, n = edit.rows, len(self.elements)
        return self.mlp.tables([c + n * j for j, c in product(rows, rows)] if self.two_sided else rows, "mlp")

    def functions(self) -> Function:
        """Return the function ``(x, group) -> features``, (n, 1) to (n, channels)."""
        networks = self.mlp.networks()
        return lambda x, group: self.mlp.apply_network(networks[group], x)

    def by_element(self, x: Tensor) -> Tensor:
        """Return the features of one number for each pair of elements, (n_elements, n_elements, channels)."""
        n = len(self.elements)
        if self.two_sided:
            inputs = x.repeat(n)[:, None, None]  # the centre changes fastest: (n², 1, 1)
            return self.mlp.apply_all(inputs).view(n, n, -1).transpose(0, 1)
        return self.mlp.apply_all(x[None, :, None].expand(n, -1, -1)).transpose(0, 1)


class TypeEmbedding(Embedding):
    r"""One network for all elements, :math:`G_{ij} = g([x, T_{z_j}])` or :math:`g([x, T_{z_j}, T_{z_i}])`.

    T are trained vectors, one per element. This is ``se_atten`` of deepmd-kit without attention layers.

    Args:
        elements: Chemical symbols.
        hidden: Widths of the layers; the last one is the number of features.
        type_channels: Length of the vectors T.
        two_sided: Whether the vector of the centre is an input of the network.
        activation: Name of the activation function, see ``nn.deepmd_activation``.
        timestep: Whether residual layers have timesteps.

    Raises:
        WiringError: If a width or the length of the vectors is below one, or the activation is unknown.

    Source: Zhang et al., npj Comput. Mater. 10, 94 (2024); the program deepmd-kit 3.
    """

    def __init__(
        self,
        elements: Sequence[str],
        hidden: Sequence[int] = (25, 50, 100),
        type_channels: int = 8,
        two_sided: bool = False,
        activation: str = "tanh",
        timestep: bool = False,
    ):
        super().__init__()
        if type_channels < 1:
            raise WiringError(f"type_channels should be at least 1, but is {type_channels}")
        self.elements, self.two_sided = checked_symbols(elements), two_sided
        self.vectors = torch.nn.Parameter(torch.randn(len(self.elements), type_channels))
        self.mlp = ResidualMLP(1 + type_channels * (1 + two_sided), hidden, None, activation, 1, timestep)
        self.channels = int(hidden[-1])

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the table of vectors as a linear map of one-hot elements."""
        return matrices(self, "vectors")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Vectors of the new elements."""
        return {"vectors": self.vectors[edit.rows]}

    def functions(self) -> Function:
        """Return the function ``(x, group) -> features``, (n, 1) to (n, channels)."""
        (network,), n = self.mlp.networks(), len(self.elements)

        def features(x: Tensor, group: int) -> Tensor:
            rows = [group // n, group % n] if self.two_sided else [group]
            return self.mlp.apply_network(
                network, torch.cat([x, *(self.vectors[row].expand(len(x), -1) for row in rows)], dim=1)
            )

        return features

    def by_element(self, x: Tensor) -> Tensor:
        """Return the features of one number for each pair of elements, (n_elements, n_elements, channels)."""
        n = len(self.elements)
        inputs = [x[:, None, None].expand(-1, n, -1), self.vectors[None].expand(n, -1, -1)]
        inputs += [self.vectors[:, None].expand(-1, n, -1)] if self.two_sided else []
        (network,) = self.mlp.networks()
        return self.mlp.apply_network(network, torch.cat(inputs, dim=2).flatten(0, 1)).view(n, n, -1)
