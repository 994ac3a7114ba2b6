"""Low-rank factors of a matrix of directions, such as the sparse points of a kernel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.old_names import old_names_of

_ROUNDING = 1e-13  # rounding error, relative to the largest singular value
_MAX_RANK_SHARE = 0.7  # largest rank, relative to the number of directions


@dataclass(frozen=True, eq=False)
class LowRankRows:
    """Low-rank factors of directions, d = ``mix`` @ ``base``.

    Attributes:
        base: Orthonormal rows, (r, n_features).
        mix: Coefficients, (n, r).
    """

    base: Tensor
    mix: Tensor

    @classmethod
    def of(cls, directions: Tensor) -> LowRankRows | None:
        """Return the factors of directions, (n, n_features); None if their rank is above 70 % of n."""
        U, s, Vh = torch.linalg.svd(directions, full_matrices=False)
        rank = int((s > _ROUNDING * s[0]).sum())
        if not 0 < rank < _MAX_RANK_SHARE * len(directions):
            return None
        return cls(Vh[:rank], U[:, :rank] * s[:rank])


def project(rows: Tensor, candidates: Tensor, tolerance: float) -> Tensor:
    """Project rows on the span of candidates.

    Args:
        rows: Rows to project, (n_rows, n_features).
        candidates: Rows that define the span, (n, n_features).
        tolerance: Singular values of the candidates below this fraction of the largest count as zero.

    Returns:
        Projected rows, (n_rows, n_features).
    """
    _, s, Vh = torch.linalg.svd(torch.linalg.qr(candidates, mode="r").R, full_matrices=False)
    base = Vh[s > tolerance * s[0]]
    return rows @ base.T @ base


__getattr__ = old_names_of(__name__)
