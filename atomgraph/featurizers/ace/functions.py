"""Functions of the atomic cluster expansion: which products of neighbour densities, coupled how, for which central element."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, product
from operator import index
from typing import Any

import numpy as np

from atomgraph.errors import WiringError, nearest
from atomgraph.ops.invariant_coupling import inner_couplings, invariant

Entry = Mapping[str, Any]
Factor = tuple[int, int, int, int]  # row of the neighbours' element, n, l, m, counted from 0
HIGHEST_RANK = 6


@dataclass(frozen=True, order=True)
class ClusterFunction:
    """One invariant: for each factor the row of the neighbours' element, n (from 1) and l; the inner couplings."""

    neighbours: tuple[int, ...]
    ns: tuple[int, ...]
    ls: tuple[int, ...]
    inner: tuple[int, ...] = ()

    @property
    def rank(self) -> int:
        """The number of factors; the body order less one."""
        return len(self.ns)

    def monomials(self) -> dict[tuple[Factor, ...], float]:
        """Products of factors, each product sorted, with their coefficients; equal products added up."""
        sums: dict[tuple[Factor, ...], float] = {}
        tensor = invariant(self.ls, self.inner)
        for place in np.argwhere(tensor):
            m = place.tolist()
            factors = zip(self.neighbours, [n - 1 for n in self.ns], self.ls, m, strict=True)
            key = tuple(sorted((z, n, l, i - l) for z, n, l, i in factors))
            sums[key] = sums.get(key, 0.0) + float(tensor[tuple(m)])
        return {key: value for key, value in sums.items() if abs(value) > 1e-13}


def cluster_functions(entries: Sequence[Entry], elements: Sequence[str]) -> list[list[ClusterFunction]]:
    """Functions per central element, in the order of the entries, from ``{centre, neighbours, ns, ls, inner}``.

    ``inner`` may be left out where it is settled: up to three factors. WiringError names an entry that makes no function.
    """
    result: list[list[ClusterFunction]] = [[] for _ in elements]
    for entry in entries:
        strange = set(entry) - {"centre", "neighbours", "ns", "ls", "inner"}
        if strange:
            raise WiringError(f"a cluster function has no {sorted(strange)}, which came in {dict(entry)}")
        try:
            rows = [_row(symbol, elements) for symbol in (entry["centre"], *entry["neighbours"])]
            ns, ls = tuple(index(n) for n in entry["ns"]), tuple(index(l) for l in entry["ls"])
            inner = entry.get("inner")
            inner = ls[2:3] * (len(ls) == 3) if inner is None else tuple(index(l) for l in inner)
        except WiringError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise WiringError(
                f"a cluster function needs centre, neighbours, ns and ls; {dict(entry)} ({error})"
            ) from None
        if not 1 <= len(rows) - 1 == len(ns) == len(ls) <= HIGHEST_RANK or min(ns) < 1 or min(ls) < 0:
            raise WiringError(
                f"a cluster function has 1 to {HIGHEST_RANK} neighbours, each with n ≥ 1 and l ≥ 0: {dict(entry)}"
            )
        function = ClusterFunction(tuple(rows[1:]), ns, ls, inner)
        invariant(ls, inner)
        result[rows[0]].append(function)
    return result


def pacemaker_functions(elements: Sequence[str], n_max: Sequence[int], l_max: Sequence[int]) -> list[dict[str, Any]]:
    """Entries for every function up to n and l, none of them a sum of others: pacemaker's ``nradmax_by_orders`` and
    ``lmax_by_orders`` for ``ALL`` elements.

    Args:
        n_max, l_max: The largest n (from 1) and l of functions of one, two, three … factors; as many of either.

    Raises:
        WiringError: Unless they are as many, and at most six.
    """
    if len(n_max) != len(l_max) or not 1 <= len(n_max) <= HIGHEST_RANK or min(n_max) < 0 or min(l_max) < 0:
        raise WiringError(
            f"n_max and l_max should be one number per order, up to {HIGHEST_RANK}: {n_max} and {l_max} came"
        )
    entries = []
    for rank, (n_top, l_top) in enumerate(zip(n_max, l_max, strict=True), 1):
        kinds = list(product(range(len(elements)), range(1, n_top + 1)))
        for chosen in combinations_with_replacement(kinds, rank):
            first = {kind: i for i, kind in reversed(list(enumerate(chosen)))}
            for ls, inner in _independent(tuple(first[kind] for kind in chosen), l_top):
                entry = {"neighbours": [elements[z] for z, _ in chosen], "ns": [n for _, n in chosen], "ls": list(ls)}
                entries.append(entry | {"inner": list(inner)})
    return [{"centre": centre} | entry for centre in elements for entry in entries]


@cache
def _independent(kinds: tuple[int, ...], l_max: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Degrees and inner couplings of independent functions of factors of these kinds, equal numbers being equal kinds."""
    result = []
    for ls in product(range(l_max + 1 if len(kinds) > 1 else 1), repeat=len(kinds)):
        ordered = all(a != b or l <= k for a, b, l, k in zip(kinds, kinds[1:], ls, ls[1:], strict=False))
        if ordered and sum(ls) % 2 == 0:
            result += [(ls, inner) for inner in _basis(kinds, ls)]
    return tuple(result)


def _basis(kinds: tuple[int, ...], ls: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The inner couplings, in rising order, that give a function which those before do not."""
    column: dict[tuple[Factor, ...], int] = {}
    known = np.zeros((0, 0))
    for inner in inner_couplings(ls):
        monomials = ClusterFunction(kinds, (1,) * len(kinds), ls, inner).monomials()
        for key in monomials:
            column.setdefault(key, len(column))
        row = np.zeros(len(column))
        row[[column[key] for key in monomials]] = list(monomials.values())
        known = np.pad(known, ((0, 0), (0, len(column) - known.shape[1])))
        size = float(np.linalg.norm(row))
        for _ in range(2):
            row = row - (row @ known.T) @ known
        left = float(np.linalg.norm(row))
        if left > 1e-8 * max(size, 1e-8):
            known = np.vstack([known, row / left])
            yield inner


def _row(symbol: str, elements: Sequence[str]) -> int:
    if symbol not in elements:
        raise WiringError(f"unknown element {symbol!r} in a cluster function{nearest(str(symbol), elements)}")
    return list(elements).index(symbol)
