"""Derivatives of the invariants of the cluster expansion by the densities that they are products of, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from atomgraph.featurizers.ace.functions import ClusterFunction, Factor
from atomgraph.featurizers.density import JacobianBlock
from atomgraph.nn.constants import Constants


class ClusterJacobian:
    r""":math:`\partial B_{if}/\partial A_{ic} = \sum_{ts} C_{ft}\, [c_{ts} = c] \prod_{s' \ne s} A_{i c_{ts'}}` of one element.

    Most functions depend on few densities: those of two factors on one degree l, those of many factors on the lowest n and l.
    So functions that are alike make a block with the densities they share. A product without one of its factors is made once
    for all functions that have it; the sum is one sparse matrix for a channel.

    Args:
        functions: Of the element, in order.
        column: Where A holds a factor, as ``ClusterProducts`` takes it.
        n_each: Columns of A of each channel, one channel after another.
    """

    def __init__(self, functions: Sequence[ClusterFunction], column: Callable[[Factor, bool], int], n_each: int):
        place: dict[tuple[int, ...], int] = {}
        entries: dict[tuple[int, tuple[int, ...]], dict[tuple[int, int, int], float]] = {}  # by block: c, f, rest
        for f, function in enumerate(functions):
            kind = (function.rank, *(function.ls if function.rank == 2 else ()))
            for factors, value in function.monomials().items():
                key = sorted(column(factor, function.rank == 1) for factor in factors)
                for s, c in enumerate(key):
                    number = place.setdefault(tuple(key[:s] + key[s + 1 :]), len(place))
                    of_block = entries.setdefault((c // n_each, kind), {})
                    entry = (c % n_each, f, number)
                    of_block[entry] = of_block.get(entry, 0.0) + value
        self._n_rests = len(place)
        self._rests = _by_rank(place)
        self._channels: dict[int, tuple[list[tuple[Constants, int, int]], Constants, int]] = {}
        for channel in sorted({channel for channel, _ in entries}):
            blocks = [entries[key] for key in sorted(entries) if key[0] == channel]
            self._channels[channel] = self._stacked(blocks)

    @property
    def n_numbers(self) -> int:
        """Derivatives of an atom, those that are zero in a block included."""
        return sum(rows for _, _, rows in self._channels.values())

    @torch.no_grad()
    def blocks(self, densities: Tensor, channels: Iterable[int]) -> Iterator[JacobianBlock]:
        """Of densities (n_atoms, n_columns), by the densities of these channels."""
        products = self._products(densities.T.contiguous())
        for channel in channels:
            if channel not in self._channels:
                continue
            blocks, matrix, n_rows = self._channels[channel]
            table = matrix.like(densities)
            shape = (n_rows, self._n_rests)
            sparse = torch.sparse_coo_tensor(
                table["index"], table["value"], shape, check_invariants=False, is_coalesced=True
            )
            stacked = sparse @ products
            first = 0
            for names, n_columns, n_features in blocks:
                last = first + n_columns * n_features
                jacobian = stacked[first:last].T.contiguous().view(-1, n_columns, n_features)
                named = names.like(densities)
                yield JacobianBlock(channel, named["features"], named["columns"], jacobian)
                first = last

    def _stacked(
        self, blocks: Sequence[Mapping[tuple[int, int, int], float]]
    ) -> tuple[list[tuple[Constants, int, int]], Constants, int]:
        """Names and sizes of the blocks of a channel, and the matrix from products to derivatives, blocks one below another."""
        result, rows, rests, values, first = [], [], [], [], 0
        for block in blocks:
            c, f, rest = np.array(list(block), dtype=np.int64).T
            columns, of_column = np.unique(c, return_inverse=True)
            features, of_feature = np.unique(f, return_inverse=True)
            rows.append(first + of_column * len(features) + of_feature)
            rests.append(rest)
            values.append(np.array(list(block.values())))
            result.append((Constants(columns=columns, features=features), len(columns), len(features)))
            first += len(columns) * len(features)
        index, value = np.stack([np.concatenate(rows), np.concatenate(rests)]), np.concatenate(values)
        order = np.lexsort(index[::-1])
        return result, Constants(index=index[:, order], value=value[order]), first

    def _products(self, rows: Tensor) -> Tensor:
        """(n_columns, n_atoms) to (n_rests, n_atoms): the products without a factor, the empty one being 1."""
        built, table = rows.new_ones(self._n_rests, rows.shape[1]), self._rests.like(rows)
        for rank in range(1, len(table) // 2 + 1):
            factors = [rows.index_select(0, columns) for columns in table[f"rests{rank}"].unbind(1)]
            built[table[f"places{rank}"]] = reduce(torch.mul, factors)
        return built


def _by_rank(place: Mapping[tuple[int, ...], int]) -> Constants:
    """Products of 1, 2 … factors: their columns (n, rank) and where they stand."""
    highest = max(map(len, place), default=0)
    table = {}
    for rank in range(1, highest + 1):
        members = [(rest, number) for rest, number in place.items() if len(rest) == rank]
        table[f"rests{rank}"] = np.array([rest for rest, _ in members], dtype=np.int64).reshape(-1, rank)
        table[f"places{rank}"] = np.array([number for _, number in members], dtype=np.int64)
    return Constants(**table)
