"""Derivatives of the invariants of the cluster expansion by the densities that they are products of, all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from atomgraph.nn.ace_functions import ClusterFunction, Factor

_AT_ONCE = 2**23  # numbers in a portion


class ClusterSlopes:
    r""":math:`\partial B_{if}/\partial A_{ic} = \sum_{ts} C_{ft}\, [c_{ts} = c] \prod_{s' \ne s} A_{i c_{ts'}}` of one central element.

    functions: of the element, in order.  column: where A holds a factor, as ``ClusterProducts`` takes it.  n_columns: of A.
    A product without one of its factors is made once for all functions that have it; the sum is one sparse matrix.
    """

    def __init__(
        self, functions: Sequence[ClusterFunction], column: Callable[[Factor, bool], int], n_columns: int, width: int
    ):
        self.width, self.n_columns = width, n_columns
        place: dict[tuple[int, ...], int] = {}
        entries: dict[tuple[int, int], float] = {}
        for f, function in enumerate(functions):
            for factors, value in function.monomials().items():
                key = sorted(column(factor, function.rank == 1) for factor in factors)
                for s, c in enumerate(key):
                    rest = place.setdefault(tuple(key[:s] + key[s + 1 :]), len(place))
                    entry = (f * n_columns + c, rest)
                    entries[entry] = entries.get(entry, 0.0) + value
        by_rank: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        for rest, number in place.items():
            by_rank.setdefault(len(rest), []).append((rest, number))
        self._rests = [
            (np.array([rest for rest, _ in members], dtype=np.int64).reshape(len(members), rank), [n for _, n in members])
            for rank, members in by_rank.items()
        ]
        rows = np.array([row for row, _ in entries], dtype=np.int64)
        self._touched, where = np.unique(rows, return_inverse=True)
        self._index = np.stack([where, np.array([rest for _, rest in entries], dtype=np.int64)])
        self._value = np.array(list(entries.values()))
        self._shape = (len(self._touched), len(place))

    @torch.no_grad()
    def __call__(self, densities: Tensor) -> Tensor:
        """(n_atoms, n_columns) to (n_atoms, width, n_columns)."""
        device, dtype = densities.device, densities.dtype
        index, value = torch.from_numpy(self._index).to(device), torch.from_numpy(self._value).to(device, dtype)
        matrix = torch.sparse_coo_tensor(index, value, self._shape, check_invariants=False).coalesce()
        touched = torch.from_numpy(self._touched).to(device)
        found = densities.new_zeros(len(densities), self.width * self.n_columns)
        at_once = max(1, _AT_ONCE // max(self._shape[1], 1))
        for first in range(0, len(densities), at_once):
            rows = densities[first : first + at_once].T.contiguous()
            found[first : first + at_once, touched] = (matrix @ self._products(rows)).T
        return found.view(len(densities), self.width, self.n_columns)

    def _products(self, rows: Tensor) -> Tensor:
        """(n_columns, n_atoms) to (n_rests, n_atoms)."""
        made = rows.new_ones(self._shape[1], rows.shape[1])
        for columns, numbers in self._rests:
            if columns.shape[1] == 0:
                continue
            table = torch.from_numpy(columns).to(rows.device)
            product = rows.index_select(0, table[:, 0])
            for s in range(1, table.shape[1]):
                product = product * rows.index_select(0, table[:, s])
            made[torch.tensor(numbers, device=rows.device)] = product
        return made
