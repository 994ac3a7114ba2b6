"""Choice of sparse points among environments: by remaining variance of a kernel, by leverage, by distance or at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from scipy.linalg.lapack import dpstrf
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.triangular import triangularise
from atomgraph.old_names import old_names_of

BLOCK = 4096  # largest number of environments in a block
Blocks = Tensor | Iterable[Tensor]  # descriptors of environments, (N, D), in one tensor or in blocks of rows


def random(n_environments: int, n_points: int, seed: int = 0) -> Tensor:
    """Return the indices of different environments, drawn with equal probabilities, (n_points,), ascending."""
    _check_count(n_points, n_environments)
    rows = np.random.default_rng(seed).choice(n_environments, n_points, replace=False)
    return torch.from_numpy(np.sort(rows)).to(torch.int64)


@torch.no_grad()
def leverage_scores(descriptors: Blocks, rank: int | None = None) -> Tensor:
    r"""Return the leverage scores of environments, (N,), on the CPU.

    .. math:: \ell_i = \sum_{j \le rank} U_{ij}^2 = \sum_{j \le rank} (x_i \cdot v_j / s_j)^2, \qquad X = U s V^T

    Args:
        descriptors: Descriptors of environments, (N, D), or blocks of them that can be read twice. V and s are computed
            from the triangular factor, so the memory holds D² numbers, one block, and one score per environment.
        rank: Number of singular vectors; if None, all whose singular value is above rounding.

    Raises:
        FittingError: If there are no environments, or the rank is below 1.
    """
    triangle: Tensor | None = None
    for block in _blocks(descriptors):
        rows = block if triangle is None else torch.cat([triangle, block])
        n_features = block.shape[1]
        if len(rows) < n_features:
            rows = torch.cat([rows, rows.new_zeros(n_features - len(rows), n_features)])
        triangle, _ = triangularise(rows, n_features)
    if triangle is None:
        raise FittingError("there are no environments to choose sparse points from")
    _, s, Vh = torch.linalg.svd(triangle)
    n_nonzero = int((s > 10 * len(s) * torch.finfo(s.dtype).eps * s[0]).sum())
    if rank is not None and rank < 1:
        raise FittingError(f"the rank of leverage scores should be 1 or more, but is {rank}")
    rank = n_nonzero if rank is None else min(rank, n_nonzero)
    directions = Vh[:rank].T / s[:rank]
    return torch.cat([(block @ directions).square().sum(1).cpu() for block in _blocks(descriptors)])


def cur(descriptors: Blocks, n_points: int, rank: int | None = None, seed: int | None = None) -> Tensor:
    """Return the indices of environments of high leverage, (n_points,).

    Without a seed, these are the environments of highest leverage, in descending order. With a seed, they are drawn without
    replacement, with probabilities proportional to the leverage. Drawing gives more diversity among similar environments.

    Args:
        descriptors: Descriptors of environments, as in ``leverage_scores``.
        n_points: Number of sparse points.
        rank: Rank of the leverage scores; n_points if None.
        seed: Seed of the random numbers; None for no random numbers.

    Raises:
        FittingError: If there are fewer environments than points.

    Source: Mahoney and Drineas, PNAS 106, 697 (2009).
    """
    scores = leverage_scores(descriptors, n_points if rank is None else rank)
    _check_count(n_points, len(scores))
    if seed is not None:  # the largest of u^(1/score): Efraimidis and Spirakis, Inf. Process. Lett. 97, 181 (2006)
        exponential = torch.from_numpy(np.random.default_rng(seed).exponential(size=len(scores)))
        scores = scores / exponential  # same order as u^(1/score), because −log u is exponentially distributed
    return scores.argsort(descending=True, stable=True)[:n_points]


@torch.no_grad()
def farthest_point(descriptors: Blocks, n_points: int, start: int = 0) -> Tensor:
    """Return the indices of sparse points, each the environment farthest from all points before it.

    If fewer than n_points environments are different, each of them is returned once.

    Args:
        descriptors: Descriptors of environments, (N, D), or blocks of them that can be read n_points times. Memory holds
            one block, and one distance per environment.
        n_points: Number of sparse points.
        start: Index of the first point.

    Returns:
        Indices, (n_points,), in the order of choice.

    Raises:
        FittingError: If there are fewer environments than points, or no environment ``start``.

    Source: Gonzalez, Theor. Comput. Sci. 38, 293 (1985).
    """
    sizes = [len(block) for block in _blocks(descriptors)]
    _check_count(n_points, sum(sizes))
    if not 0 <= start < sum(sizes):
        raise FittingError(
            f"start should be between 0 and {sum(sizes) - 1}, the index of an environment, but is {start}"
        )
    points, latest = [start], _row(descriptors, start)
    squared_distances = torch.full((sum(sizes),), float("inf"), dtype=torch.float64)  # to the nearest point
    while len(points) < n_points:
        offset, farthest, largest = 0, -1, 0.0  # −1: all environments are equal to a point
        candidate = latest
        for block in _blocks(descriptors):
            part = squared_distances[offset : offset + len(block)]
            torch.minimum(part, (block - latest).square().sum(1).cpu(), out=part)
            if len(part) and float(part.max()) > largest:
                row = int(part.argmax())
                farthest, largest, candidate = offset + row, float(part[row]), block[row].clone()
            offset += len(block)
        if farthest < 0:
            break
        points.append(farthest)
        latest = candidate
    return torch.tensor(points, dtype=torch.int64)


@torch.no_grad()
def greedy(descriptors: Tensor, n_points: int, kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    r"""Return the indices of sparse points, each the environment of largest remaining variance.

    .. math:: i_{m+1} = \arg\max_i\ k(x_i, x_i) - k_i^T K_m^{-1} k_i

    with the kernel :math:`K_m` between the first m points, and the kernels :math:`k_i` between them and environment i.

    The remaining variance is that of a Gaussian process with data at the first m points. It is computed from a pivoted
    Cholesky factor of the kernel of all environments, of which n_points rows are stored, (n_points, N).

    The first point is the environment most similar to the mean environment, because :math:`k(x, x)` may be equal for all
    environments, as for SOAP. If the remaining variance vanishes, fewer points are returned.

    Args:
        descriptors: Descriptors of environments, (N, D).
        n_points: Number of sparse points.
        kernel: Function of (n, D) and (m, D) to (n, m).

    Returns:
        Indices, (n_points,) or fewer, in the order of choice.

    Raises:
        FittingError: If there are fewer environments than points.

    Source: De Marchi, Schaback and Wendland, Adv. Comput. Math. 23, 317 (2005).
    """
    _check_count(n_points, len(descriptors))
    descriptors = descriptors.to(torch.float64)
    variance = torch.cat([kernel(part, part).diagonal() for part in descriptors.split(256)])
    rounding = 100.0 * torch.finfo(variance.dtype).eps * float(variance.max())
    rows = variance.new_empty(n_points, len(variance))
    points = variance.new_empty(n_points, dtype=torch.int64)
    similarity = kernel(descriptors.mean(0)[None], descriptors)[0] / variance.clamp_min(rounding).sqrt()
    for m in range(n_points):
        pivot = variance.argmax() if m else similarity.argmax()
        if float(variance[pivot]) <= rounding:
            return points[:m].cpu()
        row = kernel(descriptors[pivot][None], descriptors)[0] - rows[:m, pivot] @ rows[:m]
        rows[m] = row / variance[pivot].sqrt()
        variance = variance - rows[m].square()
        variance[pivot] = 0.0
        points[m] = pivot
    return points.cpu()


@torch.no_grad()
def independent_points(K: Tensor, tolerance: float) -> Tensor:
    r"""Return the indices of linearly independent sparse points, ascending.

    A pivoted Cholesky factorisation of K selects the point of largest remaining variance
    :math:`k_{ss} - k_s^T K^{-1} k_s`, until all remaining variances are below the tolerance. Points that are not selected
    are linear combinations of the selected points.

    Args:
        K: Kernel between the points, (m, m), symmetric. Points with a variance of zero are not selected.
        tolerance: Smallest remaining variance, relative to the largest diagonal entry of K.

    Source: Higham, Wiley Interdiscip. Rev. Comput. Stat. 1, 251 (2009); LAPACK's dpstrf.
    """
    matrix = np.asfortranarray(K.detach().cpu().double().numpy())
    largest = float(matrix.diagonal().max(initial=0.0))
    if not largest > 0:
        return torch.zeros(0, dtype=torch.int64)
    _, order, rank, _ = dpstrf(matrix, tol=tolerance * largest, overwrite_a=True)
    return torch.from_numpy(np.sort(order[:rank] - 1).astype(np.int64))


def _row(descriptors: Blocks, index: int) -> Tensor:
    """Return the descriptor of one environment, (D,)."""
    for block in _blocks(descriptors):
        if index < len(block):
            return block[index].clone()
        index -= len(block)
    raise FittingError("the blocks of descriptors changed between two passes")


def _blocks(descriptors: Blocks) -> Iterator[Tensor]:
    """Yield the descriptors in float64, in blocks (n_rows, D) of at most ``BLOCK`` environments."""
    if isinstance(descriptors, Tensor):
        descriptors = (descriptors,)
    elif isinstance(descriptors, Iterator):
        raise FittingError(
            "blocks of descriptors are read more than once; give a list, or an object that can be iterated again"
        )
    for block in descriptors:
        for start in range(0, len(block), BLOCK):
            yield block[start : start + BLOCK].to(torch.float64)


def _check_count(n_points: int, n_environments: int) -> None:
    if not 1 <= n_points <= n_environments:
        raise FittingError(
            f"{n_points} sparse points cannot be chosen from {n_environments} environments; "
            f"choose between 1 and {n_environments}"
        )


__getattr__ = old_names_of(__name__)
