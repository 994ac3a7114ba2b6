"""Generalised Clebsch-Gordan coefficients, which couple products of real spherical harmonics to invariants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from atomgraph.errors import WiringError

_ROUNDING = 1e-13
_LARGEST = 2**22  # coefficients of one invariant
_HIGHEST = 12  # degree of the harmonics that exist


@cache
def clebsch_gordan(l1: int, l2: int, l3: int) -> np.ndarray:
    r""":math:`\langle l_1 m_1 l_2 m_2 | l_3 m_3 \rangle` in the Condon-Shortley convention, (2l₁+1, 2l₂+1, 2l₃+1), float64.

    Zero if the triangle inequality is violated. The result is cached; do not modify it.

    Source: Varshalovich et al., Quantum Theory of Angular Momentum (1988), 8.2.1 (3).
    """
    table = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        return table
    f = [math.factorial(k) for k in range(l1 + l2 + l3 + 2)]
    size = (2 * l3 + 1) * f[l3 + l1 - l2] * f[l3 - l1 + l2] * f[l1 + l2 - l3] / f[l1 + l2 + l3 + 1]
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1):
            m3 = m1 + m2
            root = f[l3 + m3] * f[l3 - m3] * f[l1 - m1] * f[l1 + m1] * f[l2 - m2] * f[l2 + m2]
            first = max(0, l2 - l3 - m1, l1 - l3 + m2)
            last = min(l1 + l2 - l3, l1 - m1, l2 + m2)
            total = 0.0
            for k in range(first, last + 1):
                below = f[k] * f[l1 + l2 - l3 - k] * f[l1 - m1 - k] * f[l2 + m2 - k]
                total += (-1) ** k / (below * f[l3 - l2 + m1 + k] * f[l3 - l1 - m2 + k])
            table[m1 + l1, m2 + l2, m3 + l3] = math.sqrt(size * root) * total
    return table


@cache
def coupling_tree(rank: int) -> tuple[tuple[int, int], ...]:
    """The pairs that are coupled, in order, to couple ``rank`` factors to one.

    Factors have the numbers 0 … rank − 1, and results of pairs rank, rank + 1, …. First come (0, 1), (2, 3) …, then pairs of
    their results in the same way; an odd last factor comes at the end. This is the tree of pacemaker's ``lint``.
    """
    first_pairs = [(2 * i, 2 * i + 1) for i in range(rank // 2)]
    pairs = list(first_pairs)
    results = list(range(rank, rank + len(pairs)))
    while len(results) > 1:
        pairs.append((results[0], results[1]))
        results = [*results[2:], rank + len(pairs) - 1]
    if rank % 2 and rank > 1:
        pairs.append((results[0], rank - 1))
    return tuple(pairs)


def inner_couplings(ls: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All couplings of degrees ``ls`` to 0: tuples of the intermediate degrees, len(ls) − 2 each, in increasing order."""
    tree, rank = coupling_tree(len(ls)), len(ls)
    if rank == 1:
        if ls[0] == 0:
            yield ()
        return

    def extended(known: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        left, right = (known[i] for i in tree[len(known) - rank])
        if len(known) == 2 * rank - 2:
            if left == right:
                yield known[rank:]
            return
        for l in range(abs(left - right), left + right + 1):
            yield from extended((*known, l))

    yield from extended(tuple(ls))


@cache
def invariant(ls: tuple[int, ...], inner: tuple[int, ...]) -> np.ndarray:
    r"""Coefficients of an invariant: (2l₁+1, 2l₂+1, …), float64, of products of real harmonics in the order m = −l … l.

    .. math:: B = \sum_{m_1 m_2 \dots} C_{m_1 m_2 \dots} A_{l_1 m_1} A_{l_2 m_2} \dots

    For :math:`A_{lm} = \sum_j Y_{lm}(\hat r_j)`, B equals the invariant of ``complex_invariant`` with complex harmonics. The
    result is cached; do not modify it.

    Args:
        ls: Degrees, of even sum.
        inner: Intermediate degrees, in the order of the tree.

    Raises:
        WiringError: If the sum of degrees is odd, and as in ``complex_invariant``.

    Source: Drautz, Phys. Rev. B 99, 014104 (2019); Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022).
    """
    if sum(ls) % 2:
        raise WiringError(f"the degrees {list(ls)} have an odd sum: their product changes sign under reflection")
    tensor = complex_invariant(ls, inner)
    for l in ls:  # tensordot moves the first axis to the end; after the loop the order is restored
        tensor = np.tensordot(tensor, _real_from_complex(l), axes=(0, 0))
    return np.where(np.abs(tensor.real) > _ROUNDING, tensor.real, 0.0)


@cache
def complex_invariant(ls: tuple[int, ...], inner: tuple[int, ...]) -> np.ndarray:
    """Generalised Clebsch-Gordan coefficients along the tree, (2l₁+1, 2l₂+1, …), float64.

    The result is cached; do not modify it.

    Args:
        ls: Degrees of the factors.
        inner: Intermediate degrees.

    Raises:
        WiringError: If they do not couple to 0, above degree 12, or for more than four million coefficients.

    Source: Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022).
    """
    if math.prod(2 * l + 1 for l in ls) > _LARGEST or max(ls) > _HIGHEST:
        raise WiringError(
            f"the degrees {list(ls)} are too many or too high: at most {_HIGHEST}, and {_LARGEST} products"
        )
    if inner not in set(inner_couplings(ls)):
        raise WiringError(f"the degrees {list(ls)} do not couple to 0 through {list(inner)}")
    if len(ls) == 1:
        return np.ones(1)
    degree = [*ls, *inner, 0]
    tensors = {i: np.eye(2 * l + 1) for i, l in enumerate(ls)}  # axes: m of some factors, then M of their coupling
    order: dict[int, tuple[int, ...]] = {i: (i,) for i in range(len(ls))}
    for step, (left, right) in enumerate(coupling_tree(len(ls))):
        new = len(ls) + step
        half = np.tensordot(tensors.pop(left), clebsch_gordan(degree[left], degree[right], degree[new]), axes=(-1, 0))
        both = np.tensordot(half, tensors.pop(right), axes=(-2, -1))
        tensors[new] = np.moveaxis(both, len(order[left]), -1)
        order[new] = order.pop(left) + order.pop(right)
    ((last, tensor),) = tensors.items()
    tensor = np.transpose(tensor[..., 0], np.argsort(order[last]))
    return np.where(np.abs(tensor) > _ROUNDING, tensor, 0.0)


@cache
def _real_from_complex(l: int) -> np.ndarray:
    r"""T of :math:`Y_{lm} = \sum_{m'} T_{mm'} Y^{real}_{lm'}`, Condon-Shortley's sign in the complex ones only."""
    table = np.zeros((2 * l + 1, 2 * l + 1), dtype=complex)
    table[l, l] = 1.0
    for m in range(1, l + 1):
        table[l - m, l + m], table[l - m, l - m] = 0.5**0.5, -1j * 0.5**0.5
        table[l + m, l + m], table[l + m, l - m] = (-1) ** m * 0.5**0.5, (-1) ** m * 1j * 0.5**0.5
    return table
