"""Sparse points of kernels, chosen from the atomic environments of the training structures."""

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
from atomgraph.fitting.low_rank import project
from atomgraph.fitting.solvers import sparse_points
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.branch import Branch
from atomgraph.potential import Potential
from atomgraph.readouts import SparseKernel

_EDGE_BUDGET = 4_000  # edges per batch
MIN_VARIANCE = 1e-8  # smallest remaining variance of a point, relative to the largest value of the kernel
_SINGULAR_TOLERANCE = 1e-8  # singular values of environments below this fraction of the largest count as zero


@dataclass(frozen=True)
class SparsePointSelection:
    """Method for the choice of sparse points.

    Attributes:
        method: ``greedy`` chooses points of largest remaining variance, ``cur`` of high leverage, ``farthest`` of largest
            distance from all other points; ``random`` draws them with equal probabilities.
        seed: Seed of the random numbers.
        environments: Largest number of environments per element, or of triples, among which points are chosen; a larger set is
            sampled at random.
    """

    method: Literal["greedy", "cur", "farthest", "random"] = "greedy"
    seed: int = 0
    environments: int = 20_000

    def choose(self, candidates: Tensor, n_points: int, kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Choose linearly independent sparse points.

        Args:
            candidates: Features of environments, (n, n_features).
            n_points: Largest number of points.
            kernel: Function of (n, n_features) and (m, n_features) to (n, m).

        Returns:
            Points, (n_chosen, n_features), with n_chosen at most n_points.
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
        return points[sparse_points.independent_points(kernel(points, points), MIN_VARIANCE).to(points.device)]


@torch.no_grad()
def choose_sparse_points(
    potential: Potential, graphs: Sequence[AtomicGraph], selection: SparsePointSelection
) -> list[str]:
    """Choose the sparse points of every kernel of a potential from the structures, and set them.

    - ``SparseKernel`` gets environments of each element. For dot products, components of the points along directions in
      which the environments hardly vary are removed, so that derivatives are needed in fewer directions.
    - ``PairKernel`` gets distances with equal spacing, from the shortest bond of its pair of elements to the cutoff, which
      is not included.
    - ``TripleKernel`` gets triples of the structures.

    Linearly dependent points are removed. The number of basis functions of a kernel is fixed; without a point, a basis
    function is zero.

    Args:
        potential: Potential; the points of its kernels are changed.
        graphs: Training structures.
        selection: Method of the choice.

    Returns:
        One message per kernel, or per element of a ``SparseKernel``, that has fewer points than requested.
    """
    messages: list[str] = []
    for branch in potential.model.branches:
        if isinstance(branch.featurizer, PairKernel):
            messages += _choose_lengths(branch.featurizer, potential, graphs)
        if isinstance(branch.featurizer, TripleKernel):
            messages += _choose_triples(branch.featurizer, potential, graphs, selection)
        for depth, readout in enumerate(branch.readouts):
            if isinstance(readout, SparseKernel):
                messages += _choose_environments(readout, branch, depth, potential, graphs, selection)
    return messages


def _choose_environments(
    readout: SparseKernel,
    branch: Branch,
    depth: int,
    potential: Potential,
    graphs: Sequence[AtomicGraph],
    selection: SparsePointSelection,
) -> list[str]:
    """Set the points of a readout, for all elements; return messages."""
    model = potential.model
    atomic_numbers = np.concatenate([graph.atomic_numbers.numpy() for graph in graphs])
    rows = model.element_table(torch.from_numpy(atomic_numbers).to(potential.device)).cpu().numpy()
    is_candidate = np.zeros(len(atomic_numbers), dtype=bool)
    generator = np.random.default_rng(selection.seed)
    for element in np.unique(rows):
        atoms = np.flatnonzero(rows == element)
        if len(atoms) > selection.environments:
            atoms = generator.choice(atoms, selection.environments, replace=False)
        is_candidate[atoms] = True
    features_by_element: dict[int, list[Tensor]] = {}
    offset = 0
    for batch in _batches(potential, graphs):
        edges = model.edges(batch).within(branch.cutoff)
        h = branch.features(batch, edges)[depth]
        is_batch_candidate = torch.from_numpy(is_candidate[offset : offset + batch.n_atoms]).to(h.device)
        offset += batch.n_atoms
        for element in torch.unique(edges.element).tolist():
            features_by_element.setdefault(element, []).append(h[is_batch_candidate & (edges.element == element)])
    n_points = readout.points.shape[1]
    readout.points.zero_()
    messages: list[str] = []
    for element, parts in features_by_element.items():
        candidates = torch.cat(parts)
        points = selection.choose(candidates, n_points, partial(readout.kernel_matrix, element=element))
        is_dot_product = readout.kernel == "dot_product"
        points = project(points, candidates, _SINGULAR_TOLERANCE) if is_dot_product else points
        readout.points[element, : len(points)] = points
        if len(points) < n_points:
            name = f"environments of {readout.elements[element]}"
            messages.append(_too_few_message(name, len(points), n_points, len(candidates)))
    return messages


def _choose_lengths(kernel: PairKernel, potential: Potential, graphs: Sequence[AtomicGraph]) -> list[str]:
    """Set the distances of a pair kernel; return messages."""
    shortest = float("inf")
    for batch in _batches(potential, graphs):
        edges = potential.model.edges(batch)
        lengths = edges.length[kernel.bond_rows(edges)]
        shortest = min(shortest, float(lengths.min())) if len(lengths) else shortest
    if shortest < kernel.cutoff:
        n = len(kernel.points)
        steps = torch.arange(n, dtype=torch.float64, device=kernel.points.device) / n
        kernel.set_points(shortest + (kernel.cutoff - shortest) * steps)
    n, rows = len(kernel.points), sparse_points.independent_points(kernel.prior(), MIN_VARIANCE)
    kernel.select_points(rows)
    pair = "-".join(kernel.elements[row] for row in kernel.pair)
    return [_too_few_message(f"lengths of {pair}", len(rows), n)] if len(rows) < n else []


def _choose_triples(
    kernel: TripleKernel, potential: Potential, graphs: Sequence[AtomicGraph], selection: SparsePointSelection
) -> list[str]:
    """Set the triples of a triple kernel; return messages."""
    triples = torch.cat(
        [kernel.triple_coordinates(potential.model.edges(batch)) for batch in _batches(potential, graphs)]
    )
    if len(triples) > selection.environments:
        rows = np.random.default_rng(selection.seed).choice(len(triples), selection.environments, replace=False)
        triples = triples[torch.from_numpy(rows).to(triples.device)]
    if not len(triples):
        return []
    n, points = len(kernel.points), selection.choose(triples / kernel.theta, len(kernel.points), _triple_kernel)
    # copies of the last point; select_points sets their weights to zero
    padding = points[-1:].expand(n - len(points), -1)
    kernel.set_points(torch.cat([points, padding]) * kernel.theta)
    kernel.select_points(torch.arange(len(points), device=points.device))
    elements = "-".join(kernel.elements[row] for row in (kernel.neighbours[0], kernel.centre, kernel.neighbours[1]))
    return [_too_few_message(f"triples {elements}", len(points), n, len(triples))] if len(points) < n else []


def _too_few_message(name: str, n_points: int, n_requested: int, n_candidates: int | None = None) -> str:
    """Return a message for a kernel with fewer points than requested."""
    among = "" if n_candidates is None else f" among {n_candidates}"
    return f"{n_points} sparse points for {name}{among}, not {n_requested}: more would be linearly dependent"


def _triple_kernel(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared exponential kernel of triples in units of θ, from (n, 3) and (m, 3) to (n, m)."""
    return torch.exp(-0.5 * torch.cdist(x, y).square())


def _batches(potential: Potential, graphs: Sequence[AtomicGraph]) -> Iterator[AtomicGraph]:
    """Iterate over the graphs in batches, on the device of the potential."""
    return (batch.to(potential.device) for batch in budget_batches(graphs, _EDGE_BUDGET))
