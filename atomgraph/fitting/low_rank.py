"""Many directions in few dimensions: sparse points are hundreds or thousands, the space that they span is small."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_ROUNDING = 1e-13  # of the largest singular value
_WORTH_IT = 0.7  # of the number of directions


@dataclass(frozen=True, eq=False)
class LowRankRows:
    """Directions d = ``mix`` @ ``base``. base: (r, n_features), orthonormal.

    Args:
        mix: (n, r).
    """

    base: Tensor
    mix: Tensor

    @classmethod
    def of(cls, directions: Tensor) -> LowRankRows | None:
        """Of directions (n, n_features); None where they span nearly as many dimensions as there are directions."""
        U, s, Vh = torch.linalg.svd(directions, full_matrices=False)
        rank = int((s > _ROUNDING * s[0]).sum())
        if not 0 < rank < _WORTH_IT * len(directions):
            return None
        return cls(Vh[:rank], U[:, :rank] * s[:rank])


def projected(rows: Tensor, candidates: Tensor, tolerance: float) -> Tensor:
    """Rows without what they hold of directions in which the candidates (n, n_features) all but vanish.

    Args:
        tolerance: The share of the candidates' largest singular value that counts as nothing.
    """
    _, s, Vh = torch.linalg.svd(torch.linalg.qr(candidates, mode="r").R, full_matrices=False)
    base = Vh[s > tolerance * s[0]]
    return rows @ base.T @ base
