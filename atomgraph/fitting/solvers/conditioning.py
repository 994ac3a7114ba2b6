"""How well a linear problem determines its unknowns, and words for it when it does not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError


@dataclass(frozen=True)
class Conditioning:
    """Singular values of a triangular factor whose columns were scaled to length one, falling, (n,), and what follows.

    Attributes:
        rank: How many of them are above ``tolerance`` times the largest.
        undetermined: Indices of the columns that take part in what is not determined, most first; empty at full rank.
        unseen: How many columns are zero in every row.
    """

    singular_values: Tensor
    rank: int
    tolerance: float
    undetermined: tuple[int, ...]
    unseen: int

    @property
    def condition_number(self) -> float:
        """The largest singular value over the smallest; inf where that is zero."""
        largest, smallest = float(self.singular_values[0]), float(self.singular_values[-1])
        return largest / smallest if smallest > 0 else float("inf")

    @property
    def is_full(self) -> bool:
        return self.rank == len(self.singular_values)


def conditioning_of(factor: Tensor, tolerance: float | None = None) -> Conditioning:
    """Conditioning of a factor (n, n); the tolerance is 10 n ε unless given.

    The scaling takes out the units of the columns, which change no solution: van der Sluis, Numer. Math. 14, 14 (1969).
    """
    n = factor.shape[1]
    tolerance = 10 * n * torch.finfo(factor.dtype).eps if tolerance is None else tolerance
    norms = torch.linalg.vector_norm(factor, dim=0)
    scaled = factor / torch.where(norms > 0, norms, 1.0)
    values = torch.linalg.svdvals(scaled)
    rank = int((values > tolerance * values[0]).sum())
    undetermined: tuple[int, ...] = ()
    if rank < n:
        share = torch.linalg.svd(scaled).Vh[rank:].square().sum(0)
        order = share.argsort(descending=True)
        undetermined = tuple(order[share[order] > 1e-6].tolist())
    return Conditioning(values, rank, tolerance, undetermined, int((norms == 0).sum()))


def require_full_rank(conditioning: Conditioning, n_rows: int, with_prior: bool) -> None:
    """FittingError that explains a rank deficiency, if there is one, and the ways out."""
    if conditioning.is_full:
        return
    n, columns = len(conditioning.singular_values), conditioning.undetermined
    named = ", ".join(map(str, columns[:6])) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
    prior = "the data and the prior together" if with_prior else "the data alone"
    unseen = f"; {conditioning.unseen} of them are zero in every row" if conditioning.unseen else ""
    raise FittingError(
        f"{prior} determine {conditioning.rank} of {n} unknowns from {n_rows} observations (rank {conditioning.rank} at "
        f"relative tolerance {conditioning.tolerance:.1e}); undetermined are combinations of columns {named}{unseen}. "
        f"Ways out: {'a stronger' if with_prior else 'a ridge'} prior on all weights, fewer functions, or more and other data"
    )
