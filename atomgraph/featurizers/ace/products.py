"""Products of neighbour densities, each made once, and the invariants that are sums of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from atomgraph.featurizers.ace.functions import ClusterFunction, Factor
from atomgraph.nn.constants import Constants
from atomgraph.ops.scatter import sum_to

_AT_ONCE = 2**20  # products of a portion of atoms: as many as stay in a core's cache
_AT_ONCE_ON_DEVICE = 2**26


class ClusterProducts(torch.nn.Module):
    r"""From densities :math:`A_{ic}` to :math:`B_{if} = \sum_t C_{ft} \prod_{s} A_{i c_{ts}}`, f running over functions.

    Columns of A are sorted in each product, and products share their beginnings: one of ν factors is one of ν − 1 times A.

    Args:
        functions: Per central element.
        column: Where A holds a factor, ``(factor, alone) -> column``, alone for functions of one factor.
            ``forward(densities, element)`` takes (n_atoms, n_columns) and (n_atoms,) rows of the central elements, and
            gives (n_atoms, width), with zeros behind the functions of elements that have fewer than ``width``.
    """

    def __init__(self, functions: Sequence[Sequence[ClusterFunction]], column: Callable[[Factor, bool], int]):
        super().__init__()
        self.width = max(len(of_one) for of_one in functions)
        alike: dict[tuple[ClusterFunction, ...], list[int]] = {}
        for row, of_one in enumerate(functions):
            alike.setdefault(tuple(of_one), []).append(row)
        self._rows = list(alike.values())
        self._tables = [_Table(of_one, column) for of_one in alike]

    def forward(self, densities: Tensor, element: Tensor) -> Tensor:
        if len(self._tables) == 1:
            return self._tables[0].sums(densities, self.width)
        result, places = [], []
        for rows, table in zip(self._rows, self._tables, strict=True):
            mine = torch.isin(element, torch.tensor(rows, device=element.device)).nonzero()[:, 0]
            result.append(table.sums(densities.index_select(0, mine), self.width))
            places.append(mine)
        return densities.new_zeros(len(element), self.width).index_copy(0, torch.cat(places), torch.cat(result))


class _Table:
    """Index tables of the functions of one central element; rows are columns of A, so that picking them is cheap."""

    def __init__(self, functions: Sequence[ClusterFunction], column: Callable[[Factor, bool], int]):
        sums: list[dict[tuple[int, ...], dict[int, float]]] = []  # [order − 1][product][function]
        for f, function in enumerate(functions):
            while len(sums) < function.rank:
                sums.append({})
            for factors, value in function.monomials().items():
                key = tuple(sorted(column(factor, function.rank == 1) for factor in factors))
                of_product = sums[function.rank - 1].setdefault(key, {})
                of_product[f] = of_product.get(f, 0.0) + value
        for order in range(len(sums) - 1, 1, -1):
            for key in sums[order]:
                sums[order - 1].setdefault(key[:-1], {})
        self._levels = []
        before: dict[tuple[int, ...], int] = {}
        for order, products in enumerate(sums):
            place = {key: i for i, key in enumerate(sorted(products))}
            entries = [(f, key, value) for key, of_f in products.items() for f, value in of_f.items()]
            entries.sort(key=lambda entry: (entry[0], entry[1]))
            self._levels.append(
                Constants(
                    left=_whole(key[0] if order < 2 else before[key[:-1]] for key in place),
                    right=_whole(key[-1] for key in place),
                    product=_whole(place[key] for _, key, _ in entries),
                    function=_whole(f for f, _, _ in entries),
                    value=np.array([value for _, _, value in entries], dtype=np.float64),
                )
            )
            before = place
        self._most = max((len(products) for products in sums), default=1)

    def sums(self, densities: Tensor, width: int) -> Tensor:
        """(n_atoms, n_columns) to (n_atoms, width), portions of the atoms one after another."""
        limit = _AT_ONCE if densities.device.type == "cpu" else _AT_ONCE_ON_DEVICE
        at_once = max(limit // self._most, 16)
        return torch.cat([self._sums(rows.T.contiguous(), width).T for rows in densities.split(at_once)])

    def _sums(self, rows: Tensor, width: int) -> Tensor:
        """(n_columns, n_atoms) to (width, n_atoms)."""
        result = rows.new_zeros(width, rows.shape[1])
        built = rows
        for order, level in enumerate(self._levels):
            table = level.like(rows)
            built = (rows if order < 2 else built).index_select(0, table["left"])
            if order > 0:
                built = built * rows.index_select(0, table["right"])
            if len(table["function"]):
                terms = built.index_select(0, table["product"]) * table["value"][:, None]
                result = result + sum_to(terms, table["function"], width)
        return result


def _whole(numbers: Iterable[int]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.int64)
