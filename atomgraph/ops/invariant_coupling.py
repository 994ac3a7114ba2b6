"""Generalised Clebsch-Gordan coefficients, which couple products of real spherical harmonics to invariants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from atomgraph.errors import WiringError

_ROUNDING = 1e-13  # smaller coefficients are rounding errors
_MAX_COEFFICIENTS = 2**22  # largest number of coefficients of one invariant
_MAX_DEGREE = 12  # highest degree of the spherical harmonics in atomgraph


@cache
def clebsch_gordan(l1: int, l2: int, l3: int) -> np.ndarray:
    r"""Clebsch-Gordan coefficients :math:`\langle l_1 m_1 l_2 m_2 | l_3 m_3 \rangle` in the Condon-Shortley convention.

    The result is cached; do not modify it.

    Returns:
        Coefficients, (2l₁+1, 2l₂+1, 2l₃+1), float64; zeros if the triangle inequality is violated.

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
            k_min = max(0, l2 - l3 - m1, l1 - l3 + m2)
            k_max = min(l1 + l2 - l3, l1 - m1, l2 + m2)
            total = 0.0
            for k in range(k_min, k_max + 1):
                denominator = f[k] * f[l1 + l2 - l3 - k] * f[l1 - m1 - k] * f[l2 + m2 - k]
                total += (-1) ** k / (denominator * f[l3 - l2 + m1 + k] * f[l3 - l1 - m2 + k])
            table[m1 + l1, m2 + l2, m3 + l3] = math.sqrt(size * root) * total
    return table


@cache
def coupling_tree(rank: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs to couple, in this order, so that ``rank`` factors give one result.

    Factors have the numbers 0 … rank − 1. The results of the pairs have the numbers rank, rank + 1, … The first pairs are
    (0, 1), (2, 3) …; the results are paired in the same way. If rank is odd, the last factor is coupled at the end. This is
    the tree of pacemaker's ``lint``.
    """
    pairs = [(2 * i, 2 * i + 1) for i in range(rank // 2)]
    results = list(range(rank, rank + len(pairs)))
    while len(results) > 1:
        pairs.append((results[0], results[1]))
        results = [*results[2:], rank + len(pairs) - 1]
    if rank % 2 and rank > 1:
        pairs.append((results[0], rank - 1))
    return tuple(pairs)


def inner_couplings(ls: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Iterate over all couplings of degrees ``ls`` to 0, in increasing order.

    Yields:
        Intermediate degrees of a coupling, len(ls) − 2 of them, in the order of ``coupling_tree``.
    """
    tree, rank = coupling_tree(len(ls)), len(ls)
    if rank == 1:
        if ls[0] == 0:
            yield ()
        return

    def extend(degrees: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the intermediate degrees of all couplings that start with these degrees of factors and results."""
        left, right = (degrees[i] for i in tree[len(degrees) - rank])
        if len(degrees) == 2 * rank - 2:
            if left == right:
                yield degrees[rank:]
            return
        for l in range(abs(left - right), left + right + 1):
            yield from extend((*degrees, l))

    yield from extend(tuple(ls))


@cache
def invariant(ls: tuple[int, ...], inner: tuple[int, ...]) -> np.ndarray:
    r"""Compute the coefficients of an invariant of products of real harmonics.

    .. math:: B = \sum_{m_1 m_2 \dots} C_{m_1 m_2 \dots} A_{l_1 m_1} A_{l_2 m_2} \dots

    For :math:`A_{lm} = \sum_j Y_{lm}(\hat r_j)`, B equals the invariant of ``complex_invariant`` with complex harmonics. The
    result is cached; do not modify it.

    Args:
        ls: Degrees of the factors, with an even sum.
        inner: Intermediate degrees, in the order of ``coupling_tree``.

    Returns:
        Coefficients C, (2l₁+1, 2l₂+1, …), float64, in the order m = −l … l.

    Raises:
        WiringError: If the sum of the degrees is odd, or for any reason of ``complex_invariant``.

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
    """Compute generalised Clebsch-Gordan coefficients, by coupling pairs along ``coupling_tree``.

    The result is cached; do not modify it.

    Args:
        ls: Degrees of the factors.
        inner: Intermediate degrees, in the order of ``coupling_tree``.

    Returns:
        Coefficients, (2l₁+1, 2l₂+1, …), float64.

    Raises:
        WiringError: If the degrees do not couple to 0, if a degree is above 12, or if there are more than four million
            coefficients.

    Source: Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022).
    """
    if math.prod(2 * l + 1 for l in ls) > _MAX_COEFFICIENTS or max(ls) > _MAX_DEGREE:
        raise WiringError(
            f"the degrees {list(ls)} are not supported: a degree is at most {_MAX_DEGREE}, and an invariant has at most "
            f"{_MAX_COEFFICIENTS} coefficients"
        )
    if inner not in set(inner_couplings(ls)):
        raise WiringError(f"the degrees {list(ls)} do not couple to 0 through {list(inner)}")
    if len(ls) == 1:
        return np.ones(1)
    degree = [*ls, *inner, 0]
    tensors = {i: np.eye(2 * l + 1) for i, l in enumerate(ls)}  # axes: m of some factors, then M of their coupling
    axes: dict[int, tuple[int, ...]] = {i: (i,) for i in range(len(ls))}  # the factor of each axis m
    for step, (left, right) in enumerate(coupling_tree(len(ls))):
        result = len(ls) + step
        symbol = clebsch_gordan(degree[left], degree[right], degree[result])
        tensor = np.tensordot(np.tensordot(tensors.pop(left), symbol, axes=(-1, 0)), tensors.pop(right), axes=(-2, -1))
        tensors[result] = np.moveaxis(tensor, len(axes[left]), -1)
        axes[result] = axes.pop(left) + axes.pop(right)
    ((root, tensor),) = tensors.items()
    tensor = np.transpose(tensor[..., 0], np.argsort(axes[root]))
    return np.where(np.abs(tensor) > _ROUNDING, tensor, 0.0)


@cache
def _real_from_complex(l: int) -> np.ndarray:
    r"""Matrix T in :math:`Y_{lm} = \sum_{m'} T_{mm'} Y^{real}_{lm'}`; only the complex Y have the Condon-Shortley sign."""
    table = np.zeros((2 * l + 1, 2 * l + 1), dtype=complex)
    table[l, l] = 1.0
    for m in range(1, l + 1):
        table[l - m, l + m], table[l - m, l - m] = 0.5**0.5, -1j * 0.5**0.5
        table[l + m, l + m], table[l + m, l - m] = (-1) ** m * 0.5**0.5, (-1) ** m * 1j * 0.5**0.5
    return table
