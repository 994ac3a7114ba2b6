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
from atomgraph.fitting.few_directions import projected
from atomgraph.fitting.solvers import sparse_points
from atomgraph.fitting.solvers.errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.branch import Branch
from atomgraph.potential import Potential
from atomgraph.readouts import SparseKernel

_EDGES = 4_000  # in a batch
_NOTHING = 1e-8  # the share of the largest singular value below which environments do not differ


@dataclass(frozen=True)
class Selection:
    """How sparse points are chosen: ``greedy`` by what the kernel leaves unexplained, ``cur`` by leverage, ``farthest`` by
    distance, ``random``.

    seed: of random numbers.  environments: at most so many of each element are looked at, drawn evenly.
    """

    method: Literal["greedy", "cur", "farthest", "random"] = "greedy"
    seed: int = 0
    environments: int = 20_000

    def choose(
        self, candidates: Tensor, n_points: int, of_what: str, kernel: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """(n_points, n_features) of the candidates (n, n_features); FittingError where there are fewer."""
        if len(candidates) < n_points:
            raise FittingError(
                f"{n_points} sparse points of {of_what} were asked for, but the training structures hold {len(candidates)} "
                "environments; ask for fewer points, or give more structures"
            )
        if self.method == "greedy":
            rows = sparse_points.greedy(candidates, n_points, kernel)
        elif self.method == "random":
            rows = sparse_points.random(len(candidates), n_points, self.seed)
        elif self.method == "farthest":
            rows = sparse_points.farthest_point(candidates, n_points)
        else:
            rows = sparse_points.cur(candidates, n_points, seed=self.seed)
        return candidates[rows.to(candidates.device)]


@torch.no_grad()
def place_sparse_points(potential: Potential, graphs: Sequence[AtomicGraph], selection: Selection) -> None:
    """Choose the points of every kernel of the potential from the structures, and set them.

    Readouts of the kind ``SparseKernel`` get points of each element, less what they hold of directions in which environments
    do not differ, so that slopes cost what the other directions do; ``PairKernel`` gets lengths spread evenly over those
    that occur, ``TripleKernel`` triples that occur.
    Raises FittingError where a kernel wants more points than there are environments.
    """
    for branch in potential.model.branches:
        if isinstance(branch.featurizer, PairKernel):
            _place_lengths(branch.featurizer, potential, graphs)
        if isinstance(branch.featurizer, TripleKernel):
            _place_triples(branch.featurizer, potential, graphs, selection)
        for depth, readout in enumerate(branch.readouts):
            if isinstance(readout, SparseKernel):
                _place_environments(readout, branch, depth, potential, graphs, selection)


def _place_environments(
    readout: SparseKernel,
    branch: Branch,
    depth: int,
    potential: Potential,
    graphs: Sequence[AtomicGraph],
    selection: Selection,
) -> None:
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
    found: dict[int, list[Tensor]] = {}
    first = 0
    for batch in _batches(potential, graphs):
        edges = model.edges(batch).within(branch.cutoff)
        h = branch.features(batch, edges)[depth]
        mine = torch.from_numpy(drawn[first : first + batch.n_atoms]).to(h.device)
        first += batch.n_atoms
        for element in torch.unique(edges.element).tolist():
            found.setdefault(element, []).append(h[mine & (edges.element == element)])
    n_points = readout.points.shape[1]
    readout.points.zero_()
    for element, parts in found.items():
        what = f"{readout.elements[element]}"
        candidates = torch.cat(parts)
        points = selection.choose(candidates, n_points, what, partial(readout.between, element=element))
        dot_product = readout.kernel == "dot_product"
        readout.points[element] = projected(points, candidates, _NOTHING) if dot_product else points


def _place_lengths(kernel: PairKernel, potential: Potential, graphs: Sequence[AtomicGraph]) -> None:
    shortest = float("inf")
    for batch in _batches(potential, graphs):
        edges = potential.model.edges(batch)
        lengths = edges.length[kernel.bonds(edges)]
        shortest = min(shortest, float(lengths.min())) if len(lengths) else shortest
    if shortest < kernel.cutoff:
        n = len(kernel.points)
        steps = torch.arange(n, dtype=torch.float64, device=kernel.points.device) / n
        kernel.place(shortest + (kernel.cutoff - shortest) * steps)


def _place_triples(
    kernel: TripleKernel, potential: Potential, graphs: Sequence[AtomicGraph], selection: Selection
) -> None:
    found = [kernel.triples_of(potential.model.edges(batch)) for batch in _batches(potential, graphs)]
    every = torch.cat(found)
    if len(every) > selection.environments:
        rows = np.random.default_rng(selection.seed).choice(len(every), selection.environments, replace=False)
        every = every[torch.from_numpy(rows).to(every.device)]
    if len(every):
        scaled = selection.choose(every / kernel.theta, len(kernel.points), "triples", _of_triples)
        kernel.place(scaled * kernel.theta)


def _of_triples(x: Tensor, y: Tensor) -> Tensor:
    """The squared exponential of triples in units of θ."""
    return torch.exp(-0.5 * torch.cdist(x, y).square())


def _batches(potential: Potential, graphs: Sequence[AtomicGraph]) -> Iterator[AtomicGraph]:
    return (batch.to(potential.device) for batch in budget_batches(graphs, _EDGES))
