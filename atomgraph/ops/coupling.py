"""Coupling of angular momenta: Wigner's 3j symbols for real harmonics, and couplings of ν factors to one irrep.

Signs are those of e3nn 0.4.4, with which all published MACE models were trained. Weights can therefore be exchanged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.old_names import old_names_of

FLIPPED_SIGNS = {  # sorted (l1, l2, l3) up to l = 8 whose symbol changed its sign after e3nn 0.4.4; l1 + l2 + l3 is odd
    *((1, l, l) for l in range(2, 9)),
    *((3, 4, 6), (3, 5, 7), (3, 6, 8), (4, 4, 5), (4, 5, 6), (4, 6, 7), (4, 7, 8)),
    *((5, 5, 5), (5, 6, 6), (5, 7, 7), (5, 8, 8)),
}  # fmt: skip
_MAX_INTERMEDIATE_DEGREE = 11  # largest degree of intermediate irreps in couplings of four factors


@cache
def wigner_3j(l1: int, l2: int, l3: int) -> Tensor:
    r"""Wigner's 3j symbol for real spherical harmonics, scaled to unit Frobenius norm.

    :math:`\sum_{m_1 m_2} C^{l_1 l_2 l_3}_{m_1 m_2 m_3} x_{m_1} y_{m_2}` transforms like :math:`Y_{l_3}`.
    The result is cached; do not modify it. Signs are those of e3nn 0.4.4 up to l = 8, and those of the installed e3nn for
    larger l.

    Returns:
        Symbol C, (2l₁+1, 2l₂+1, 2l₃+1), float64.
    """
    symbol: Tensor = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
    return -symbol if tuple(sorted((l1, l2, l3))) in FLIPPED_SIGNS else symbol


@dataclass(frozen=True, eq=False)
class Coupling:
    """One coupling of ν factors to an irrep, as a list of entries (M; i₁ … i_ν). Entries with equal indices are added.

    Attributes:
        irrep: Irrep of the result.
        m: Component M of the irrep, (n_entries,).
        factors: Components i of the factors, (n_entries, ν).
        values: Coefficients, (n_entries,).
    """

    irrep: o3.Irrep
    m: np.ndarray
    factors: np.ndarray
    values: np.ndarray


@cache
def couplings(irreps_in: str, irrep_out: str, order: int) -> tuple[Coupling, ...]:
    r"""All couplings of ``order`` equal factors to one irrep, in the order of MACE's paths.

    Factors are coupled one after another, each time with :math:`\sqrt{2l+1}\,C^{l\, l'\, l''}`. All intermediate irreps are
    used; for four factors, only irreps with parity (−1)^l and l ≤ 11. The couplings are linearly dependent, because the
    product of equal factors is symmetric.

    Args:
        irreps_in: Irreps of one factor, with multiplicity one.
        irrep_out: Irrep of the result.
        order: Number of factors.

    Source: Batatia et al., NeurIPS 2022, Eq. 10.
    """
    target, irreps = o3.Irrep(irrep_out), o3.Irreps(irreps_in)
    natural_only = order == 4
    results = _single_factors(irreps)
    for step in range(2, order + 1):
        required = target if step == order else None
        results = [c for left in results for c in _couple_factor(left, irreps, natural_only, required)]
        results.sort(key=lambda coupling: (coupling.irrep.l, coupling.irrep.p))
    return tuple(coupling for coupling in results if coupling.irrep == target)


def n_couplings(irreps_in: str, irrep_out: str, order: int) -> int:
    """Count the ``couplings`` of the same arguments without computing them."""
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
    """Compute MACE's tensor U of all ``couplings`` with the same arguments.

    Returns:
        U, (2L+1, n, … n, n_paths), or (n, … n, n_paths) for L = 0; float64. n is the dimension of ``irreps_in``, and n_paths
        may be 0.
    """
    terms, n = couplings(irreps_in, irrep_out, order), o3.Irreps(irreps_in).dim
    n_components = o3.Irrep(irrep_out).dim
    tensor = np.zeros((n_components, *[n] * order, len(terms)))
    for path, coupling in enumerate(terms):
        np.add.at(tensor[..., path], (coupling.m, *coupling.factors.T), coupling.values)
    return torch.from_numpy(tensor if n_components > 1 else tensor[0])


def _single_factors(irreps: o3.Irreps) -> list[Coupling]:
    """Couplings of one factor, by the unit matrix of each irrep."""
    result = []
    for (_, irrep), columns in zip(irreps, irreps.slices(), strict=True):
        component = np.arange(columns.start, columns.stop)[:, None]
        result.append(Coupling(irrep, np.arange(irrep.dim), component, np.ones(irrep.dim)))
    return result


def _couple_factor(left: Coupling, irreps: o3.Irreps, natural_only: bool, required: o3.Irrep | None) -> list[Coupling]:
    """Couple one more factor to ``left``, to every allowed irrep, or to the required irrep only."""
    result = []
    for (_, irrep), columns in zip(irreps, irreps.slices(), strict=True):
        for out in left.irrep * irrep:
            if (required is not None and out != required) or (natural_only and not _is_natural(out)):
                continue
            symbol = wigner_3j(out.l, left.irrep.l, irrep.l).numpy() * out.dim**0.5
            m_out, m_left, m_right = np.nonzero(symbol)
            weight = symbol[m_out, m_left, m_right]
            left_entry, symbol_entry = np.nonzero(left.m[:, None] == m_left[None, :])
            new_column = columns.start + m_right[symbol_entry][:, None]
            factors = np.concatenate([left.factors[left_entry], new_column], axis=1)
            result.append(Coupling(out, m_out[symbol_entry], factors, left.values[left_entry] * weight[symbol_entry]))
    return result


def _is_natural(irrep: o3.Irrep) -> bool:
    """Natural parity, (−1)^l, and a degree that MACE allows."""
    return irrep.p == (-1) ** irrep.l and irrep.l <= _MAX_INTERMEDIATE_DEGREE


__getattr__ = old_names_of(__name__)
