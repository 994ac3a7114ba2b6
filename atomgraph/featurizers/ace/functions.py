"""Functions of the atomic cluster expansion: products of neighbour densities, coupled to invariants, per central element."""

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
Factor = tuple[int, int, int, int]  # row of the neighbours' element, n from 0, l, m
HIGHEST_RANK = 6  # largest number of factors of a function


@dataclass(frozen=True, order=True)
class ClusterFunction:
    """One invariant, a coupled product of neighbour densities.

    Attributes:
        neighbours: Row of the neighbours' element of each factor.
        ns: Number n of the radial function of each factor, from 1.
        ls: Degree l of each factor.
        inner: Intermediate degrees of the coupling, in the order of ``coupling_tree``.
    """

    neighbours: tuple[int, ...]
    ns: tuple[int, ...]
    ls: tuple[int, ...]
    inner: tuple[int, ...] = ()

    @property
    def rank(self) -> int:
        """Number of factors, which is the body order minus one."""
        return len(self.ns)

    def monomials(self) -> dict[tuple[Factor, ...], float]:
        """Coefficients of all products of factors; a product is a sorted tuple of factors."""
        coefficients: dict[tuple[Factor, ...], float] = {}
        tensor = invariant(self.ls, self.inner)
        for entry in np.argwhere(tensor):
            indices = entry.tolist()  # index l + m of each factor
            factors = zip(self.neighbours, [n - 1 for n in self.ns], self.ls, indices, strict=True)
            key = tuple(sorted((z, n, l, i - l) for z, n, l, i in factors))
            coefficients[key] = coefficients.get(key, 0.0) + float(tensor[tuple(indices)])
        return {key: value for key, value in coefficients.items() if abs(value) > 1e-13}


def cluster_functions(entries: Sequence[Entry], elements: Sequence[str]) -> list[list[ClusterFunction]]:
    """Make the functions of each central element.

    Args:
        entries: Mappings ``{centre, neighbours, ns, ls, inner}``, one per function. ``inner`` is optional for up to three
            factors.
        elements: Chemical symbols.

    Returns:
        Functions of each element, in the order of the entries.

    Raises:
        WiringError: If an entry does not describe a function; the message contains the entry.
    """
    result: list[list[ClusterFunction]] = [[] for _ in elements]
    for entry in entries:
        unknown = set(entry) - {"centre", "neighbours", "ns", "ls", "inner"}
        if unknown:
            raise WiringError(f"a cluster function has no key {', '.join(map(str, sorted(unknown)))}: {dict(entry)}")
        try:
            rows = [_row(symbol, elements) for symbol in (entry["centre"], *entry["neighbours"])]
            ns, ls = tuple(index(n) for n in entry["ns"]), tuple(index(l) for l in entry["ls"])
            inner = entry.get("inner")
            inner = ls[2:3] * (len(ls) == 3) if inner is None else tuple(index(l) for l in inner)
        except WiringError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise WiringError(
                f"a cluster function needs centre, neighbours, ns and ls, but got {dict(entry)} ({error})"
            ) from None
        if not 1 <= len(rows) - 1 == len(ns) == len(ls) <= HIGHEST_RANK or min(ns) < 1 or min(ls) < 0:
            raise WiringError(
                f"a cluster function has 1 to {HIGHEST_RANK} neighbours, each with n ≥ 1 and l ≥ 0: {dict(entry)}"
            )
        function = ClusterFunction(tuple(rows[1:]), ns, ls, inner)
        invariant(ls, inner)  # raises an error for degrees that cannot be coupled
        result[rows[0]].append(function)
    return result


def pacemaker_functions(elements: Sequence[str], n_max: Sequence[int], l_max: Sequence[int]) -> list[dict[str, Any]]:
    """Return entries for all linearly independent functions up to the given n and l, as pacemaker selects them.

    Args:
        elements: Chemical symbols.
        n_max: Largest n (from 1) of functions of one, two, three … factors, pacemaker's ``nradmax_by_orders``.
        l_max: Largest l of functions of one, two, three … factors, pacemaker's ``lmax_by_orders``.

    Returns:
        Entries ``{centre, neighbours, ns, ls, inner}``.

    Raises:
        WiringError: If ``n_max`` and ``l_max`` differ in length, or have more than six numbers.
    """
    if len(n_max) != len(l_max) or not 1 <= len(n_max) <= HIGHEST_RANK or min(n_max) < 0 or min(l_max) < 0:
        raise WiringError(
            f"n_max and l_max should each have one number ≥ 0 per order, up to {HIGHEST_RANK}, but are {n_max} and {l_max}"
        )
    entries = []
    for rank, (rank_n_max, rank_l_max) in enumerate(zip(n_max, l_max, strict=True), 1):
        all_kinds = list(product(range(len(elements)), range(1, rank_n_max + 1)))  # (element, n)
        for kinds in combinations_with_replacement(all_kinds, rank):
            kind_number = {kind: i for i, kind in reversed(list(enumerate(kinds)))}
            for ls, inner in _independent_couplings(tuple(kind_number[kind] for kind in kinds), rank_l_max):
                entry = {"neighbours": [elements[z] for z, _ in kinds], "ns": [n for _, n in kinds], "ls": list(ls)}
                entries.append(entry | {"inner": list(inner)})
    return [{"centre": centre} | entry for centre in elements for entry in entries]


@cache
def _independent_couplings(kinds: tuple[int, ...], l_max: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Return degrees and intermediate degrees of linearly independent functions.

    Args:
        kinds: Index of the kind (element, n) of each factor; equal indices are equal kinds.
        l_max: Largest degree.
    """
    result = []
    for ls in product(range(l_max + 1 if len(kinds) > 1 else 1), repeat=len(kinds)):
        # the degrees of factors of the same kind increase, because their order has no effect
        ordered = all(a != b or l <= k for a, b, l, k in zip(kinds, kinds[1:], ls, ls[1:], strict=False))
        if ordered and sum(ls) % 2 == 0:
            result += [(ls, inner) for inner in _independent_inner(kinds, ls)]
    return tuple(result)


def _independent_inner(kinds: tuple[int, ...], ls: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield intermediate degrees, in increasing order, whose functions are linearly independent of all earlier functions."""
    column: dict[tuple[Factor, ...], int] = {}
    basis = np.zeros((0, 0))  # orthonormal rows
    for inner in inner_couplings(ls):
        monomials = ClusterFunction(kinds, (1,) * len(kinds), ls, inner).monomials()
        for key in monomials:
            column.setdefault(key, len(column))
        row = np.zeros(len(column))
        row[[column[key] for key in monomials]] = list(monomials.values())
        basis = np.pad(basis, ((0, 0), (0, len(column) - basis.shape[1])))
        norm = float(np.linalg.norm(row))
        for _ in range(2):  # the second projection removes rounding errors of the first
            row = row - (row @ basis.T) @ basis
        residual_norm = float(np.linalg.norm(row))
        if residual_norm > 1e-8 * max(norm, 1e-8):
            basis = np.vstack([basis, row / residual_norm])
            yield inner


def _row(symbol: str, elements: Sequence[str]) -> int:
    if symbol not in elements:
        raise WiringError(f"unknown element {symbol!r} in a cluster function{nearest(str(symbol), elements)}")
    return list(elements).index(symbol)
