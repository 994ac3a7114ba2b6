"""Coupling of angular momenta: Wigner's 3j symbols for real harmonics, and chains that couple ν factors to one irrep.

Signs are those of e3nn 0.4.4, with which all published MACE models were trained, so weights can be exchanged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

OTHER_SIGN = {  # sorted (l1, l2, l3) up to l = 8 whose sign e3nn changed after 0.4.4; all have odd sums
    *((1, l, l) for l in range(2, 9)),
    *((3, 4, 6), (3, 5, 7), (3, 6, 8), (4, 4, 5), (4, 5, 6), (4, 6, 7), (4, 7, 8)),
    *((5, 5, 5), (5, 6, 6), (5, 7, 7), (5, 8, 8)),
}  # fmt: skip
_NATURAL_UP_TO = 11  # largest degree of intermediate irreps with four factors


@cache
def wigner_3j(l1: int, l2: int, l3: int) -> Tensor:
    r"""Wigner's 3j symbol for real spherical harmonics, (2l₁+1, 2l₂+1, 2l₃+1), of unit Frobenius norm, float64.

    :math:`\sum_{m_1 m_2} C^{l_1 l_2 l_3}_{m_1 m_2 m_3} x_{m_1} y_{m_2}` transforms like :math:`Y_{l_3}`.
    The result is cached; do not modify it. Signs are those of e3nn 0.4.4 up to l = 8, and those of the installed e3nn beyond.
    """
    symbol: Tensor = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
    return -symbol if tuple(sorted((l1, l2, l3))) in OTHER_SIGN else symbol


@dataclass(frozen=True, eq=False)
class Coupling:
    """One coupling of ν factors to an irrep: its nonzero entries (M; i₁ … i_ν). An entry may be a sum of several.

    Attributes:
        irrep: The irrep.
        m: (n_entries,) component M of the irrep.
        factors: (n_entries, ν) components of the factors.
        values: (n_entries,).
    """

    irrep: o3.Irrep
    m: np.ndarray
    factors: np.ndarray
    values: np.ndarray


@cache
def couplings(irreps_in: str, irrep_out: str, order: int) -> tuple[Coupling, ...]:
    r"""All chains of couplings of ``order`` factors, each of ``irreps_in``, to one irrep; in the order of MACE's paths.

    Each step from the left is :math:`\sqrt{2l+1}\,C^{l\, l'\, l''}`. All intermediate irreps are kept; with four factors, only
    those of natural parity. The chains are linearly dependent, because the product of equal factors is symmetric.

    Args:
        irreps_in: Irreps of one factor, with multiplicity one.
        irrep_out: The irrep to couple to.
        order: Number of factors.

    Source: Batatia et al., NeurIPS 2022, Eq. 10.
    """
    target, irreps = o3.Irrep(irrep_out), o3.Irreps(irreps_in)
    natural = order == 4
    chains = _single(irreps)
    for step in range(2, order + 1):
        only = target if step == order else None
        chains = [c for left in chains for c in _coupled(left, irreps, natural, only)]
        chains.sort(key=lambda chain: (chain.irrep.l, chain.irrep.p))
    return tuple(chain for chain in chains if chain.irrep == target)


def n_couplings(irreps_in: str, irrep_out: str, order: int) -> int:
    """The number of ``couplings``, without computing them."""
    target, irreps = o3.Irrep(irrep_out), o3.Irreps(irreps_in)
    count = Counter(irrep for _, irrep in irreps)
    for step in range(2, order + 1):
        next_count: Counter[o3.Irrep] = Counter()
        for left, n in count.items():
            for _, irrep in irreps:
                for out in left * irrep:
                    if (step < order or out == target) and (order != 4 or _is_natural(out)):
                        next_count[out] += n
        count = next_count
    return count[target]


def coupling_tensor(irreps_in: str, irrep_out: str, order: int) -> Tensor:
    """MACE's U: ([2L+1,] n, … n, n_paths), with the leading axis for L > 0 only; float64; n_paths may be 0."""
    chains, n = couplings(irreps_in, irrep_out, order), o3.Irreps(irreps_in).dim
    rows = o3.Irrep(irrep_out).dim
    dense = np.zeros((rows, *[n] * order, len(chains)))
    for p, chain in enumerate(chains):
        np.add.at(dense[..., p], (chain.m, *chain.factors.T), chain.values)
    return torch.from_numpy(dense if rows > 1 else dense[0])


def _single(irreps: o3.Irreps) -> list[Coupling]:
    chains = []
    for (_, irrep), columns in zip(irreps, irreps.slices(), strict=True):
        component = np.arange(columns.start, columns.stop)[:, None]
        chains.append(Coupling(irrep, np.arange(irrep.dim), component, np.ones(irrep.dim)))
    return chains


def _coupled(left: Coupling, irreps: o3.Irreps, natural: bool, only: o3.Irrep | None) -> list[Coupling]:
    """All couplings with one more factor, to ``only`` if it is given."""
    chains = []
    for (_, irrep), columns in zip(irreps, irreps.slices(), strict=True):
        for out in left.irrep * irrep:
            if (only is not None and out != only) or (natural and not _is_natural(out)):
                continue
            symbol = wigner_3j(out.l, left.irrep.l, irrep.l).numpy() * out.dim**0.5
            to, of_left, of_right = np.nonzero(symbol)
            weight = symbol[to, of_left, of_right]
            entry, pick = np.nonzero(left.m[:, None] == of_left[None, :])
            factors = np.concatenate([left.factors[entry], columns.start + of_right[pick][:, None]], axis=1)
            chains.append(Coupling(out, to[pick], factors, left.values[entry] * weight[pick]))
    return chains


def _is_natural(irrep: o3.Irrep) -> bool:
    return irrep.p == (-1) ** irrep.l and irrep.l <= _NATURAL_UP_TO
