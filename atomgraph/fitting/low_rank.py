"""Low-rank factors of many directions, such as those of sparse points, which span few dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_ROUNDING = 1e-13  # of the largest singular value
_WORTH_IT = 0.7  # largest rank, relative to the number of directions


@dataclass(frozen=True, eq=False)
class LowRankRows:
    """Directions d = ``mix`` @ ``base``.

    Attributes:
        base: (r, n_features), orthonormal.
        mix: (n, r).
    """

    base: Tensor
    mix: Tensor

    @classmethod
    def of(cls, directions: Tensor) -> LowRankRows | None:
        """The factors of directions (n, n_features); None if their rank is not small."""
        U, s, Vh = torch.linalg.svd(directions, full_matrices=False)
        rank = int((s > _ROUNDING * s[0]).sum())
        if not 0 < rank < _WORTH_IT * len(directions):
            return None
        return cls(Vh[:rank], U[:, :rank] * s[:rank])


def projected(rows: Tensor, candidates: Tensor, tolerance: float) -> Tensor:
    """Rows, projected on the directions in which the candidates (n, n_features) do not vanish.

    Args:
        tolerance: Singular values below this fraction of the largest one count as zero.
    """
    _, s, Vh = torch.linalg.svd(torch.linalg.qr(candidates, mode="r").R, full_matrices=False)
    base = Vh[s > tolerance * s[0]]
    return rows @ base.T @ base
