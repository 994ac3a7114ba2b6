"""Conditioning of a linear problem: singular values, rank, and an error message for undetermined weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.old_names import OldAttribute, old_names_of


@dataclass(frozen=True)
class Conditioning:
    """Singular values of a triangular factor with columns scaled to length one.

    Attributes:
        singular_values: Singular values, (n,), descending.
        rank: Number of singular values above ``tolerance`` times the largest.
        tolerance: Relative tolerance of the rank.
        undetermined: Indices of the columns that contribute to undetermined combinations (the null space), the largest
            contribution first; empty at full rank.
        n_zero_columns: Number of columns that are zero in every row.
    """

    singular_values: Tensor
    rank: int
    tolerance: float
    undetermined: tuple[int, ...]
    n_zero_columns: int
    unseen = OldAttribute("n_zero_columns")

    @property
    def condition_number(self) -> float:
        """Ratio of the largest to the smallest singular value; inf if the smallest is zero."""
        largest, smallest = float(self.singular_values[0]), float(self.singular_values[-1])
        return largest / smallest if smallest > 0 else float("inf")

    @property
    def is_full(self) -> bool:
        """Whether the rank equals the number of columns."""
        return self.rank == len(self.singular_values)


def compute_conditioning(R: Tensor, tolerance: float | None = None) -> Conditioning:
    """Return the conditioning of a triangular matrix.

    Columns are scaled, because their units do not change the solution: van der Sluis, Numer. Math. 14, 14 (1969).

    Args:
        R: Triangular matrix, (n, n).
        tolerance: Relative tolerance of the rank; None for 10 n ε, with the machine precision ε.
    """
    n = R.shape[1]
    tolerance = 10 * n * torch.finfo(R.dtype).eps if tolerance is None else tolerance
    norms = torch.linalg.vector_norm(R, dim=0)
    scaled = R / torch.where(norms > 0, norms, 1.0)
    values = torch.linalg.svdvals(scaled)
    rank = int((values > tolerance * values[0]).sum())
    undetermined: tuple[int, ...] = ()
    if rank < n:
        contribution = torch.linalg.svd(scaled).Vh[rank:].square().sum(0)  # of each column to the null space
        order = contribution.argsort(descending=True)
        undetermined = tuple(order[contribution[order] > 1e-6].tolist())
    return Conditioning(values, rank, tolerance, undetermined, int((norms == 0).sum()))


def check_full_rank(conditioning: Conditioning, n_rows: int, has_prior: bool) -> None:
    """Raise an error with the undetermined columns, unless the rank is full.

    Args:
        conditioning: Conditioning of the triangular factor.
        n_rows: Number of observations, for the message.
        has_prior: Whether the triangular factor includes a prior.

    Raises:
        FittingError: If the rank is below the number of columns.
    """
    if conditioning.is_full:
        return
    n, columns = len(conditioning.singular_values), conditioning.undetermined
    indices = ", ".join(map(str, columns[:6])) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
    information = "the data and the prior together" if has_prior else "the data alone"
    n_zero = conditioning.n_zero_columns
    zero_text = f"; {n_zero} of them are zero in every row" if n_zero else ""
    raise FittingError(
        f"{information} determine {conditioning.rank} of {n} unknowns from {n_rows} observations (rank {conditioning.rank} at "
        f"relative tolerance {conditioning.tolerance:.1e}); undetermined are combinations of columns {indices}{zero_text}. "
        f"Ways out: {'a stronger' if has_prior else 'a ridge'} prior on all weights, fewer functions, or more varied data"
    )


__getattr__ = old_names_of(__name__)
