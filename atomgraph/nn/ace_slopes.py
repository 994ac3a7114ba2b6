"""Derivatives of the invariants of the cluster expansion by the densities that they are products of, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from atomgraph.nn.ace_functions import ClusterFunction, Factor
from atomgraph.nn.constants import Constants

_AT_ONCE = 2**23  # numbers in a portion


class ClusterSlopes:
    r""":math:`\partial B_{if}/\partial A_{ic} = \sum_{ts} C_{ft}\, [c_{ts} = c] \prod_{s' \ne s} A_{i c_{ts'}}` of one element.

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
                    number = place.setdefault(tuple(key[:s] + key[s + 1 :]), len(place))
                    entry = (f * n_columns + c, number)
                    entries[entry] = entries.get(entry, 0.0) + value
        by_rank: dict[int, list[tuple[tuple[int, ...], int]]] = {}  # the empty product is 1, and made of nothing
        for rest, number in place.items():
            if rest:
                by_rank.setdefault(len(rest), []).append((rest, number))
        rows = np.array([row for row, _ in entries], dtype=np.int64)
        touched, where = np.unique(rows, return_inverse=True)
        self._n_rests, self._ranks = len(place), sorted(by_rank)
        self._constants = Constants(
            touched=touched,
            index=np.stack([where, np.array([rest for _, rest in entries], dtype=np.int64)]),
            value=np.array(list(entries.values())),
            **{f"rests{rank}": np.array([rest for rest, _ in members]) for rank, members in by_rank.items()},
            **{f"places{rank}": np.array([number for _, number in members]) for rank, members in by_rank.items()},
        )

    @torch.no_grad()
    def __call__(self, densities: Tensor) -> Tensor:
        """(n_atoms, n_columns) to (n_atoms, width, n_columns)."""
        table = self._constants.like(densities)
        shape = (len(table["touched"]), self._n_rests)
        matrix = torch.sparse_coo_tensor(table["index"], table["value"], shape, check_invariants=False).coalesce()
        found = densities.new_zeros(len(densities), self.width * self.n_columns)
        at_once = max(1, _AT_ONCE // max(self._n_rests, 1))
        for first in range(0, len(densities), at_once):
            rows = densities[first : first + at_once].T.contiguous()
            found[first : first + at_once, table["touched"]] = (matrix @ self._products(rows, table)).T
        return found.view(len(densities), self.width, self.n_columns)

    def _products(self, rows: Tensor, table: Mapping[str, Tensor]) -> Tensor:
        """(n_columns, n_atoms) to (n_rests, n_atoms)."""
        made = rows.new_ones(self._n_rests, rows.shape[1])
        for rank in self._ranks:
            factors = [rows.index_select(0, columns) for columns in table[f"rests{rank}"].unbind(1)]
            made[table[f"places{rank}"]] = reduce(torch.mul, factors)
        return made
