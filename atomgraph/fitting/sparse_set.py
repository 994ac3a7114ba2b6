"""The sparse points of kernels, chosen from the environments of the training structures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.featurizers import PairKernel, TripleKernel
from atomgraph.fitting.low_rank import projected
from atomgraph.fitting.solvers import sparse_points
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.branch import Branch
from atomgraph.potential import Potential
from atomgraph.readouts import SparseKernel

_EDGES = 4_000  # in a batch
DEPENDENT = 1e-8  # of a kernel's largest value: a point that others determine up to this variance is dropped
_NOTHING = 1e-8  # the share of the largest singular value below which environments do not differ


@dataclass(frozen=True)
class Selection:
    """How sparse points are chosen: ``greedy`` by what the kernel leaves unexplained, ``cur`` by leverage, ``farthest`` by
    distance, ``random``.

    Attributes:
        seed: Of random numbers.
        environments: At most so many of each element are looked at, drawn evenly.
    """

    method: Literal["greedy", "cur", "farthest", "random"] = "greedy"
    seed: int = 0
    environments: int = 20_000

    def choose(self, candidates: Tensor, n_points: int, kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """At most n_points of the candidates, all where there are fewer, less those that the others determine.

        Args:
            candidates: Environments, (n, n_features).
            n_points: The largest number of points.
            kernel: Of (n, n_features) and (m, n_features) to (n, m).

        Returns:
            Points, (n_kept, n_features).
        """
        n_points = min(n_points, len(candidates))
        if self.method == "greedy":
            rows = sparse_points.greedy(candidates, n_points, kernel)
        elif self.method == "random":
            rows = sparse_points.random(len(candidates), n_points, self.seed)
        elif self.method == "farthest":
            rows = sparse_points.farthest_point(candidates, n_points)
        else:
            rows = sparse_points.cur(candidates, n_points, seed=self.seed)
        points = candidates[rows.to(candidates.device)]
        return points[sparse_points.independent(kernel(points, points), DEPENDENT).to(points.device)]


@torch.no_grad()
def place_sparse_points(potential: Potential, graphs: Sequence[AtomicGraph], selection: Selection) -> list[str]:
    """Choose the points of every kernel of the potential from the structures, and set them.

    Readouts of the kind ``SparseKernel`` get points of each element, less what they hold of directions in which environments
    do not differ, so that derivatives need the other directions only; ``PairKernel`` gets lengths spread evenly over those
    that occur, ``TripleKernel`` triples that occur. Points that others determine are dropped, and a kernel that asks for more
    points than differ gets those that do; the places of the rest stay empty, with basis functions of zero.

    Returns:
        A line for each kernel that has fewer points than it asked for.
    """
    fewer: list[str] = []
    for branch in potential.model.branches:
        if isinstance(branch.featurizer, PairKernel):
            fewer += _place_lengths(branch.featurizer, potential, graphs)
        if isinstance(branch.featurizer, TripleKernel):
            fewer += _place_triples(branch.featurizer, potential, graphs, selection)
        for depth, readout in enumerate(branch.readouts):
            if isinstance(readout, SparseKernel):
                fewer += _place_environments(readout, branch, depth, potential, graphs, selection)
    return fewer


def _place_environments(
    readout: SparseKernel,
    branch: Branch,
    depth: int,
    potential: Potential,
    graphs: Sequence[AtomicGraph],
    selection: Selection,
) -> list[str]:
    model = potential.model
    numbers = np.concatenate([graph.atomic_numbers.numpy() for graph in graphs])
    rows = model.element_table(torch.from_numpy(numbers).to(potential.device)).cpu().numpy()
    drawn = np.zeros(len(numbers), dtype=bool)
    draw = np.random.default_rng(selection.seed)
    for element in np.unique(rows):
        every = np.flatnonzero(rows == element)
        few = (
            every if len(every) <= selection.environments else draw.choice(every, selection.environments, replace=False)
        )
        drawn[few] = True
    result: dict[int, list[Tensor]] = {}
    first = 0
    for batch in _batches(potential, graphs):
        edges = model.edges(batch).within(branch.cutoff)
        h = branch.features(batch, edges)[depth]
        mine = torch.from_numpy(drawn[first : first + batch.n_atoms]).to(h.device)
        first += batch.n_atoms
        for element in torch.unique(edges.element).tolist():
            result.setdefault(element, []).append(h[mine & (edges.element == element)])
    n_points = readout.points.shape[1]
    readout.points.zero_()
    fewer: list[str] = []
    for element, parts in result.items():
        candidates = torch.cat(parts)
        points = selection.choose(candidates, n_points, partial(readout.between, element=element))
        dot_product = readout.kernel == "dot_product"
        points = projected(points, candidates, _NOTHING) if dot_product else points
        readout.points[element, : len(points)] = points
        if len(points) < n_points:
            fewer.append(_fewer(f"environments of {readout.elements[element]}", len(points), n_points, len(candidates)))
    return fewer


def _place_lengths(kernel: PairKernel, potential: Potential, graphs: Sequence[AtomicGraph]) -> list[str]:
    shortest = float("inf")
    for batch in _batches(potential, graphs):
        edges = potential.model.edges(batch)
        lengths = edges.length[kernel.bonds(edges)]
        shortest = min(shortest, float(lengths.min())) if len(lengths) else shortest
    if shortest < kernel.cutoff:
        n = len(kernel.points)
        steps = torch.arange(n, dtype=torch.float64, device=kernel.points.device) / n
        kernel.place(shortest + (kernel.cutoff - shortest) * steps)
    n, kept = len(kernel.points), sparse_points.independent(kernel.prior(), DEPENDENT)
    kernel.leave_out(kept)
    pair = "-".join(kernel.elements[row] for row in kernel.pair)
    return [_fewer(f"lengths of {pair}", len(kept), n)] if len(kept) < n else []


def _place_triples(
    kernel: TripleKernel, potential: Potential, graphs: Sequence[AtomicGraph], selection: Selection
) -> list[str]:
    result = [kernel.triples_of(potential.model.edges(batch)) for batch in _batches(potential, graphs)]
    every = torch.cat(result)
    if len(every) > selection.environments:
        rows = np.random.default_rng(selection.seed).choice(len(every), selection.environments, replace=False)
        every = every[torch.from_numpy(rows).to(every.device)]
    if not len(every):
        return []
    n, points = len(kernel.points), selection.choose(every / kernel.theta, len(kernel.points), _of_triples)
    kept = torch.arange(len(points), device=points.device)
    rest = points[-1:].expand(n - len(points), -1)
    kernel.place(torch.cat([points, rest]) * kernel.theta)
    kernel.leave_out(kept)
    ends = "-".join(kernel.elements[row] for row in (kernel.neighbours[0], kernel.centre, kernel.neighbours[1]))
    return [_fewer(f"triples {ends}", len(points), n, len(every))] if len(points) < n else []


def _fewer(what: str, kept: int, asked: int, occurring: int | None = None) -> str:
    among = "" if occurring is None else f" among {occurring}"
    return f"{kept} sparse points for {what}{among}, not {asked}: the others would depend on them"


def _of_triples(x: Tensor, y: Tensor) -> Tensor:
    """The squared exponential of triples in units of θ."""
    return torch.exp(-0.5 * torch.cdist(x, y).square())


def _batches(potential: Potential, graphs: Sequence[AtomicGraph]) -> Iterator[AtomicGraph]:
    return (batch.to(potential.device) for batch in budget_batches(graphs, _EDGES))
