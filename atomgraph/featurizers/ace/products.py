"""Products of neighbour densities, each computed once, and the invariants that are sums of these products."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from atomgraph.featurizers.ace.functions import ClusterFunction, Factor
from atomgraph.nn.constants import Constants
from atomgraph.ops.scatter import sum_to

_MAX_PRODUCTS = 2**20  # largest number of products in a group of atoms; they fit into the cache of a core
_MAX_PRODUCTS_ON_DEVICE = 2**26  # the same limit on a GPU


class ClusterProducts(torch.nn.Module):
    r"""Invariants :math:`B_{if} = \sum_t C_{ft} \prod_{s} A_{i c_{ts}}` of densities :math:`A_{ic}`, for functions f.

    The columns c of A are sorted in each product t. A product of ν factors is then the product of its first ν − 1 factors,
    which is computed once, times one factor.

    Args:
        functions: Functions of each central element.
        column: Function ``(factor, is_single) -> column`` that returns the column of a factor in A; ``is_single`` is True for
            functions of one factor.
    """

    def __init__(self, functions: Sequence[Sequence[ClusterFunction]], column: Callable[[Factor, bool], int]):
        super().__init__()
        self.width = max(len(element_functions) for element_functions in functions)
        rows_by_functions: dict[tuple[ClusterFunction, ...], list[int]] = {}
        for row, element_functions in enumerate(functions):
            rows_by_functions.setdefault(tuple(element_functions), []).append(row)
        self._rows = list(rows_by_functions.values())  # rows of the elements to which each table applies
        self._tables = [_ProductTable(element_functions, column) for element_functions in rows_by_functions]

    def forward(self, densities: Tensor, element: Tensor) -> Tensor:
        """Compute the invariants.

        Args:
            densities: Densities A, (n_atoms, n_columns).
            element: Row of each atom's element, (n_atoms,).

        Returns:
            Invariants B, (n_atoms, width). Elements with fewer functions have zeros in the last columns.
        """
        if len(self._tables) == 1:
            return self._tables[0].sums(densities, self.width)
        result, all_atoms = [], []
        for rows, table in zip(self._rows, self._tables, strict=True):
            atoms = torch.isin(element, torch.tensor(rows, device=element.device)).nonzero()[:, 0]
            result.append(table.sums(densities.index_select(0, atoms), self.width))
            all_atoms.append(atoms)
        return densities.new_zeros(len(element), self.width).index_copy(0, torch.cat(all_atoms), torch.cat(result))


class _ProductTable:
    """Index tables for one list of functions, by rank (number of factors).

    A table has for each product: the product of one factor less (``left``), and its last factor (``right``).
    """

    def __init__(self, functions: Sequence[ClusterFunction], column: Callable[[Factor, bool], int]):
        coefficients_by_rank: list[dict[tuple[int, ...], dict[int, float]]] = []  # [rank − 1][product][function]
        for f, function in enumerate(functions):
            while len(coefficients_by_rank) < function.rank:
                coefficients_by_rank.append({})
            for factors, value in function.monomials().items():
                key = tuple(sorted(column(factor, function.rank == 1) for factor in factors))
                coefficients = coefficients_by_rank[function.rank - 1].setdefault(key, {})
                coefficients[f] = coefficients.get(f, 0.0) + value
        for rank in range(len(coefficients_by_rank), 2, -1):
            for key in coefficients_by_rank[rank - 1]:
                coefficients_by_rank[rank - 2].setdefault(key[:-1], {})
        self._tables_by_rank = []
        lower_positions: dict[tuple[int, ...], int] = {}
        for rank, products in enumerate(coefficients_by_rank, start=1):
            positions = {key: i for i, key in enumerate(sorted(products))}
            entries = [(f, key, value) for key, values in products.items() for f, value in values.items()]
            entries.sort(key=lambda entry: (entry[0], entry[1]))
            self._tables_by_rank.append(
                Constants(
                    left=_int_array(key[0] if rank <= 2 else lower_positions[key[:-1]] for key in positions),
                    right=_int_array(key[-1] for key in positions),
                    product=_int_array(positions[key] for _, key, _ in entries),
                    function=_int_array(f for f, _, _ in entries),
                    value=np.array([value for _, _, value in entries], dtype=np.float64),
                )
            )
            lower_positions = positions
        self._max_products = max((len(products) for products in coefficients_by_rank), default=1)

    def sums(self, densities: Tensor, width: int) -> Tensor:
        """Compute the functions, (n_atoms, width), of densities, (n_atoms, n_columns), for groups of atoms."""
        limit = _MAX_PRODUCTS if densities.device.type == "cpu" else _MAX_PRODUCTS_ON_DEVICE
        group_size = max(limit // self._max_products, 16)
        return torch.cat([self._group_sums(rows.T.contiguous(), width).T for rows in densities.split(group_size)])

    def _group_sums(self, densities: Tensor, width: int) -> Tensor:
        """Compute the functions, (width, n_atoms), of densities, (n_columns, n_atoms)."""
        result = densities.new_zeros(width, densities.shape[1])
        products = densities
        for rank, rank_table in enumerate(self._tables_by_rank, start=1):
            table = rank_table.like(densities)
            products = (densities if rank <= 2 else products).index_select(0, table["left"])
            if rank > 1:
                products = products * densities.index_select(0, table["right"])
            if len(table["function"]):
                terms = products.index_select(0, table["product"]) * table["value"][:, None]
                result = result + sum_to(terms, table["function"], width)
        return result


def _int_array(numbers: Iterable[int]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.int64)
