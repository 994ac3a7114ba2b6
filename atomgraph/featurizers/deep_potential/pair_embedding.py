"""Embedding networks for pairs of neighbours, one per unordered pair of elements."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.part import Part
from atomgraph.nn.residual_mlp import NetworkWeights, ResidualMLP


class PairEmbedding(Part):
    r"""One network per unordered pair of elements, :math:`g_{tu}(x)` with :math:`t \le u` in row :math:`u(u+1)/2 + t`.

    Args:
        elements: Chemical symbols.
        hidden: Widths of the layers; the last one is the number of features.
        activation: Name of the activation function, see ``nn.deepmd_activation``.
        timestep: Whether residual layers have timesteps.

    Raises:
        WiringError: If a width is below one, or the activation is unknown.
    """

    def __init__(
        self,
        elements: Sequence[str],
        hidden: Sequence[int] = (25, 50, 100),
        activation: str = "tanh",
        timestep: bool = False,
    ):
        super().__init__()
        self.elements = checked_symbols(elements)
        n = len(self.elements)
        self.mlp = ResidualMLP(1, hidden, None, activation, n * (n + 1) // 2, timestep)
        self.channels = int(hidden[-1])

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Networks of the new pairs."""
        rows = edit.rows
        pairs = [pair_row(*sorted((rows[t], rows[u]))) for u in range(len(rows)) for t in range(u + 1)]
        return self.mlp.tables(pairs, "mlp")

    def networks(self) -> list[NetworkWeights]:
        """Return the networks in the order of the rows."""
        return self.mlp.networks()

    def forward(self, network: NetworkWeights, x: Tensor) -> Tensor:
        """Return features of one network, (n, channels), of inputs x, (n, 1)."""
        return self.mlp.apply_network(network, x)


def pair_row(t: int, u: int) -> int:
    """Return the row of the pair of elements with rows t ≤ u."""
    return u * (u + 1) // 2 + t
