"""Which environments become sparse points: by what a kernel leaves unexplained, by leverage, by distance or by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from scipy.linalg.lapack import dpstrf
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.triangular import triangularise

BLOCK = 4096
Blocks = Tensor | Iterable[Tensor]


def random(n_environments: int, n_points: int, seed: int = 0) -> Tensor:
    """Indices (n_points,), rising, of different environments drawn evenly."""
    _check_count(n_points, n_environments)
    drawn = np.random.default_rng(seed).choice(n_environments, n_points, replace=False)
    return torch.from_numpy(np.sort(drawn)).to(torch.int64)


@torch.no_grad()
def leverage_scores(descriptors: Blocks, rank: int | None = None) -> Tensor:
    r"""How much each environment shapes the leading right singular vectors of all, (N,), on the processor.

    .. math:: \ell_i = \sum_{j \le rank} U_{ij}^2 = \sum_{j \le rank} (x_i \cdot v_j / s_j)^2, \qquad X = U s V^T

    Args:
        descriptors: (N, D), or blocks (·, D) that can be gone through twice; V and s come from the streamed triangular
            factor, so that memory holds D² numbers, a block, and one score for each environment.
        rank: All above rounding unless given.
    """
    factor: Tensor | None = None
    for block in _blocks(descriptors):
        rows = block if factor is None else torch.cat([factor, block])
        width = block.shape[1]
        if len(rows) < width:
            rows = torch.cat([rows, rows.new_zeros(width - len(rows), width)])
        factor, _ = triangularise(rows, width)
    if factor is None:
        raise FittingError("there are no environments to choose sparse points from")
    _, s, Vh = torch.linalg.svd(factor)
    above = int((s > 10 * len(s) * torch.finfo(s.dtype).eps * s[0]).sum())
    if rank is not None and rank < 1:
        raise FittingError(f"leverage scores are of rank 1 or more, but {rank} was asked for")
    kept = above if rank is None else min(rank, above)
    towards = Vh[:kept].T / s[:kept]
    return torch.cat([(block @ towards).square().sum(1).cpu() for block in _blocks(descriptors)])


def cur(descriptors: Blocks, n_points: int, rank: int | None = None, seed: int | None = None) -> Tensor:
    """Indices (n_points,) of the environments of highest leverage, highest first; with a seed, drawn in proportion to it.

    Drawing is without replacement, and spreads the choice where many environments are nearly the same.

    Args:
        rank: Of the leverage scores, n_points unless given.

    Source: Mahoney and Drineas, PNAS 106, 697 (2009).
    """
    scores = leverage_scores(descriptors, n_points if rank is None else rank)
    _check_count(n_points, len(scores))
    if seed is not None:  # the largest of u^(1/score): Efraimidis and Spirakis, Inf. Process. Lett. 97, 181 (2006)
        waits = torch.from_numpy(np.random.default_rng(seed).exponential(size=len(scores)))
        scores = scores / waits
    return scores.argsort(descending=True, stable=True)[:n_points]


@torch.no_grad()
def farthest_point(descriptors: Blocks, n_points: int, start: int = 0) -> Tensor:
    """Indices (n_points,), each the environment farthest from all before it, in the order they were taken.

    Where fewer environments than asked for are different, each is returned once.

    Args:
        descriptors: (N, D), or blocks (·, D) that can be gone through n_points times; distances are Euclidean. Memory
            holds one block, and one distance for each environment.

    Source: Gonzalez, Theor. Comput. Sci. 38, 293.
    """
    sizes = [len(block) for block in _blocks(descriptors)]
    _check_count(n_points, sum(sizes))
    if not 0 <= start < sum(sizes):
        raise FittingError(f"the first of {sum(sizes)} environments cannot be number {start}")
    chosen, latest = [start], _row(descriptors, start)
    nearest = torch.full((sum(sizes),), float("inf"), dtype=torch.float64)
    while len(chosen) < n_points:
        first, farthest, distance = 0, -1, 0.0
        following = latest
        for block in _blocks(descriptors):
            part = nearest[first : first + len(block)]
            torch.minimum(part, (block - latest).square().sum(1).cpu(), out=part)
            if len(part) and float(part.max()) > distance:
                place = int(part.argmax())
                farthest, distance, following = first + place, float(part[place]), block[place].clone()
            first += len(block)
        if farthest < 0:
            break
        chosen.append(farthest)
        latest = following
    return torch.tensor(chosen, dtype=torch.int64)


@torch.no_grad()
def greedy(descriptors: Tensor, n_points: int, kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    r"""Indices (n_points,), each the environment of which those before it explain least, in the order they were taken.

    .. math:: i_{m+1} = \arg\max_i\ k(x_i, x_i) - k_i^T K_m^{-1} k_i

    what is left being the variance of a Gaussian process that has seen the first m: a pivoted Cholesky factor of the kernel of
    all environments, of which n_points rows are made and held, (n_points, N). The first is the environment most like the mean
    of all: where k(x, x) is the same for all, as for SOAP, nothing else tells it.
    Where fewer environments than asked for differ, only as many are returned as explain the others.

    Args:
        kernel: (n, D) and (m, D) to (n, m).

    Source: De Marchi, Schaback and Wendland, Adv. Comput. Math. 23, 317 (2005).
    """
    _check_count(n_points, len(descriptors))
    every = descriptors.to(torch.float64)
    left = torch.cat([kernel(part, part).diagonal() for part in every.split(256)])
    nothing = 100.0 * torch.finfo(left.dtype).eps * float(left.max())
    rows = left.new_empty(n_points, len(left))
    chosen = left.new_empty(n_points, dtype=torch.int64)
    likeness = kernel(every.mean(0)[None], every)[0] / left.clamp_min(nothing).sqrt()
    for m in range(n_points):
        pivot = left.argmax() if m else likeness.argmax()
        if float(left[pivot]) <= nothing:
            return chosen[:m].cpu()
        row = kernel(every[pivot][None], every)[0] - rows[:m, pivot] @ rows[:m]
        rows[m] = row / left[pivot].sqrt()
        left = left - rows[m].square()
        left[pivot] = 0.0
        chosen[m] = pivot
    return chosen.cpu()


@torch.no_grad()
def independent(K: Tensor, tolerance: float) -> Tensor:
    r"""Indices, rising, of sparse points none of which the others before it determine.

    A pivoted Cholesky factor of K takes the point of largest remaining variance :math:`k_{ss} - k_s^T K^{-1} k_s`, again and
    again, until none has more than the tolerance. The points that are left out are combinations of those that are kept.

    Args:
        K: Kernel of the points, (m, m), symmetric. Points with a variance of zero are left out.
        tolerance: The least remaining variance, in units of the largest diagonal entry of K.

    Source: Higham, Wiley Interdiscip. Rev. Comput. Stat. 1, 251 (2009); LAPACK's dpstrf.
    """
    matrix = np.asfortranarray(K.detach().cpu().double().numpy())
    largest = float(matrix.diagonal().max(initial=0.0))
    if not largest > 0:
        return torch.zeros(0, dtype=torch.int64)
    _, order, rank, _ = dpstrf(matrix, tol=tolerance * largest, overwrite_a=True)
    return torch.from_numpy(np.sort(order[:rank] - 1).astype(np.int64))


def _row(descriptors: Blocks, index: int) -> Tensor:
    for block in _blocks(descriptors):
        if index < len(block):
            return block[index].clone()
        index -= len(block)
    raise FittingError("the blocks of descriptors changed between two passes")


def _blocks(descriptors: Blocks) -> Iterator[Tensor]:
    if isinstance(descriptors, Tensor):
        descriptors = (descriptors,)
    elif isinstance(descriptors, Iterator):
        raise FittingError(
            "blocks of descriptors are read more than once; give a list, or an object that can be iterated again"
        )
    for block in descriptors:
        for first in range(0, len(block), BLOCK):
            yield block[first : first + BLOCK].to(torch.float64)


def _check_count(n_points: int, n_environments: int) -> None:
    if not 1 <= n_points <= n_environments:
        raise FittingError(
            f"{n_points} sparse points cannot be chosen from {n_environments} environments; ask for 1 to that many"
        )
