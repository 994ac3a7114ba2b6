"""Derivatives of the invariants of the atomic cluster expansion with respect to densities, in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from atomgraph.featurizers.ace.functions import ClusterFunction, Factor
from atomgraph.featurizers.density import JacobianBlock
from atomgraph.nn.constants import Constants
from atomgraph.old_names import OldAttribute


class ClusterJacobian:
    r"""Jacobian :math:`\partial B_{if}/\partial A_{ic} = \sum_{ts} C_{ft}\, [c_{ts} = c] \prod_{s' \ne s} A_{i c_{ts'}}`.

    The Jacobian is that of one central element; products t, their coefficients C and columns c are those of
    ``ClusterProducts``. Most functions depend on few densities: a function of two factors depends only on densities of one
    degree l, a function of many factors only on densities with low n and l. Similar functions are therefore in one block,
    with the densities on which they depend. A product without one of its factors (a partial product) is computed
    once for all functions. The sum is the product with one sparse matrix per channel.

    Args:
        functions: Functions of the element, in order.
        column: Function ``(factor, is_single) -> column``, as in ``ClusterProducts``; ``is_single`` tells whether the factor is
            the only one of its function.
        n_per_channel: Number of columns of A per channel; the columns are sorted by channel.
    """

    def __init__(self, functions: Sequence[ClusterFunction], column: Callable[[Factor, bool], int], n_per_channel: int):
        positions: dict[tuple[int, ...], int] = {}  # row index of each partial product, by the columns of its factors
        # block (channel, kind): coefficients by (column in the channel, function, partial product)
        entries: dict[tuple[int, tuple[int, ...]], dict[tuple[int, int, int], float]] = {}
        for f, function in enumerate(functions):
            kind = (function.rank, *(function.ls if function.rank == 2 else ()))
            for factors, value in function.monomials().items():
                columns = sorted(column(factor, function.rank == 1) for factor in factors)
                for s, c in enumerate(columns):
                    position = positions.setdefault(tuple(columns[:s] + columns[s + 1 :]), len(positions))
                    block = entries.setdefault((c // n_per_channel, kind), {})
                    entry = (c % n_per_channel, f, position)
                    block[entry] = block.get(entry, 0.0) + value
        self._n_partial = len(positions)
        self._partial_tables = _tables_by_rank(positions)
        # by channel: index tables and shape of each block, matrix of all blocks, number of rows of the matrix
        self._channels: dict[int, tuple[list[tuple[Constants, int, int]], Constants, int]] = {}
        for channel in sorted({channel for channel, _ in entries}):
            blocks = [entries[key] for key in sorted(entries) if key[0] == channel]
            self._channels[channel] = self._stack_blocks(blocks)

    @property
    def n_values(self) -> int:
        """Number of derivatives per atom in all blocks, including zeros."""
        return sum(rows for _, _, rows in self._channels.values())

    @torch.no_grad()
    def blocks(self, densities: Tensor, channels: Iterable[int]) -> Iterator[JacobianBlock]:
        """Iterate over the blocks of the Jacobian.

        Args:
            densities: Densities A, (n_atoms, n_columns).
            channels: Channels of the densities by which the functions are differentiated.
        """
        products = self._partial_products(densities.T.contiguous())
        for channel in channels:
            if channel not in self._channels:
                continue
            blocks, matrix, n_rows = self._channels[channel]
            table = matrix.like(densities)
            shape = (n_rows, self._n_partial)
            sparse = torch.sparse_coo_tensor(
                table["index"], table["value"], shape, check_invariants=False, is_coalesced=True
            )
            derivatives = sparse @ products
            start = 0
            for index_tables, n_columns, n_features in blocks:
                end = start + n_columns * n_features
                jacobian = derivatives[start:end].T.contiguous().view(-1, n_columns, n_features)
                indices = index_tables.like(densities)
                yield JacobianBlock(channel, indices["features"], indices["columns"], jacobian)
                start = end

    def _stack_blocks(
        self, blocks: Sequence[Mapping[tuple[int, int, int], float]]
    ) -> tuple[list[tuple[Constants, int, int]], Constants, int]:
        """Build the sparse matrix of a channel, from partial products to the derivatives of all blocks.

        Returns:
            Index tables, number of columns and number of features of each block; matrix; and its number of rows.
        """
        result, rows, partial, values, start = [], [], [], [], 0
        for block in blocks:
            c, f, position = np.array(list(block), dtype=np.int64).T
            columns, column_index = np.unique(c, return_inverse=True)
            features, feature_index = np.unique(f, return_inverse=True)
            rows.append(start + column_index * len(features) + feature_index)
            partial.append(position)
            values.append(np.array(list(block.values())))
            result.append((Constants(columns=columns, features=features), len(columns), len(features)))
            start += len(columns) * len(features)
        index, value = np.stack([np.concatenate(rows), np.concatenate(partial)]), np.concatenate(values)
        order = np.lexsort(index[::-1])
        return result, Constants(index=index[:, order], value=value[order]), start

    def _partial_products(self, densities: Tensor) -> Tensor:
        """Compute the partial products, (n_partial, n_atoms), of densities, (n_columns, n_atoms); 1 for no factor."""
        products = densities.new_ones(self._n_partial, densities.shape[1])
        table = self._partial_tables.like(densities)
        for rank in range(1, len(table) // 2 + 1):
            factors = [densities.index_select(0, columns) for columns in table[f"columns{rank}"].unbind(1)]
            products[table[f"positions{rank}"]] = reduce(torch.mul, factors)
        return products

    n_numbers = OldAttribute("n_values")


def _tables_by_rank(positions: Mapping[tuple[int, ...], int]) -> Constants:
    """Columns, (n, rank), and positions, (n,), of the partial products of rank = 1, 2 … factors."""
    max_rank = max(map(len, positions), default=0)
    table = {}
    for rank in range(1, max_rank + 1):
        members = [(columns, position) for columns, position in positions.items() if len(columns) == rank]
        table[f"columns{rank}"] = np.array([columns for columns, _ in members], dtype=np.int64).reshape(-1, rank)
        table[f"positions{rank}"] = np.array([position for _, position in members], dtype=np.int64)
    return Constants(**table)
