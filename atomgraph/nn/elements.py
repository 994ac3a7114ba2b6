"""Chemical elements of a model as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import atomic_numbers as _numbers
from ase.data import chemical_symbols
from torch import Tensor

from atomgraph.errors import GraphError, WiringError, nearest


def checked_symbols(elements: Sequence[str]) -> list[str]:
    """Return the chemical symbols as a list.

    Raises:
        WiringError: If the list is empty, or a symbol is repeated or unknown.
    """
    if isinstance(elements, str) or len(elements) == 0:
        raise WiringError(f"elements should be a list of chemical symbols such as ['H', 'O'], but is {elements!r}")
    for symbol in elements:
        if symbol not in _numbers or symbol == "X":
            raise WiringError(f"unknown chemical symbol {symbol!r}{nearest(str(symbol), chemical_symbols[1:])}")
    if len(set(elements)) != len(elements):
        raise WiringError(f"elements repeats a symbol: {', '.join(elements)}")
    return list(elements)


class ElementTable(torch.nn.Module):
    """Table from atomic numbers to rows 0 … n_elements − 1, in the order of the given symbols."""

    _row: Tensor

    def __init__(self, elements: Sequence[str]):
        super().__init__()
        self.symbols = checked_symbols(elements)
        row = torch.full((len(chemical_symbols) + 1,), -1, dtype=torch.int64)  # −1: not an element of the model
        row[[_numbers[symbol] for symbol in self.symbols]] = torch.arange(len(self.symbols))
        self.register_buffer("_row", row, persistent=False)

    def __len__(self) -> int:
        return len(self.symbols)

    def forward(self, atomic_numbers: Tensor) -> Tensor:
        """Return the row of each atom's element, (n_atoms,).

        Raises:
            GraphError: If the table does not contain an element.
        """
        row = self._row[atomic_numbers.clamp(0, len(self._row) - 1)]
        if (row < 0).any():
            numbers = atomic_numbers[row < 0].unique().tolist()
            unknown = [chemical_symbols[z] if 0 <= z < len(chemical_symbols) else str(z) for z in numbers]
            raise GraphError(
                f"unknown elements {', '.join(unknown)}; the elements of this model are {', '.join(self.symbols)}. "
                f"Train with {', '.join(unknown)} among the elements, or remove structures that contain them."
            )
        return row
