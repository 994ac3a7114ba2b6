"""Evaluator: the protocol of objects that compute energies, forces and stresses, and functions for evaluation in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.errors import GraphError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph

EDGE_BUDGET = {"cuda": 100_000}  # largest number of edges in a batch of predictions, by device
DEFAULT_EDGE_BUDGET = 8_000  # for other devices, where larger batches need memory and are at most a few percent faster
EDGES_PER_ATOM = 8  # a batch has at most budget / EDGES_PER_ATOM atoms, because atoms need memory too


@runtime_checkable
class Evaluator(Protocol):
    """Computes energies, forces and stresses of graphs: a potential, a compiled potential, a committee, another program.

    Attributes:
        elements: Chemical symbols of the elements that can be evaluated.
        cutoff: Cutoff radius, Å. Graphs need all edges up to this length.
        heads: Names of the heads; there is at least one.
        head: The head for graphs without a head. None if there are several heads and none was chosen.
        device: The device on which graphs are evaluated.
    """

    @property
    def elements(self) -> list[str]: ...

    @property
    def cutoff(self) -> float: ...

    @property
    def heads(self) -> list[str]: ...

    @property
    def head(self) -> str | None: ...

    @property
    def device(self) -> torch.device: ...

    def evaluate(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute energies and their derivatives.

        Args:
            graph: One structure, or a batch.
            forces: Whether forces are computed.
            stress: Whether stresses are computed.

        Returns:
            Detached tensors: ``energy`` (n_graphs,) eV, ``node_energy`` (n_atoms,) eV, ``forces`` (n_atoms, 3) eV/Å, ``stress``
            (n_graphs, 3, 3) eV/Å³, positive in tension, NaN for structures without volume; and ``uncertainty`` (n_graphs,)
            eV, the standard deviation of the energy, if there is an estimator.
        """
        ...


def head_index(evaluator: Evaluator, head: str) -> int:
    """Return the index of a head in ``evaluator.heads``.

    Raises:
        GraphError: For an unknown head.
    """
    if head not in evaluator.heads:
        raise GraphError(f"unknown head {head!r}; this potential has {', '.join(evaluator.heads)}")
    return evaluator.heads.index(head)


@runtime_checkable
class UncertaintyEstimator(Protocol):
    """Estimates standard deviations of the predictions of a potential."""

    def energy_uncertainty(self, graph: AtomicGraph) -> Tensor:
        """Compute standard deviations of energies.

        Args:
            graph: One structure, or a batch. Each structure has a head.

        Returns:
            Standard deviations, (n_graphs,), eV.
        """
        ...


def iter_predict_graphs(
    evaluator: Evaluator,
    graphs: Iterable[AtomicGraph],
    *,
    forces: bool = True,
    stress: bool = True,
    edge_budget: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Evaluate graphs in batches, and yield the results graph by graph.

    Args:
        evaluator: A potential, or another evaluator.
        graphs: Graphs, in any iterable; generators are read lazily.
        forces: Whether forces are computed.
        stress: Whether stresses are computed.
        edge_budget: Largest number of edges in a batch; None: depends on the device. A batch contains at most an eighth of
            this number of atoms. A larger structure is evaluated alone.

    Yields:
        The dict of each graph from ``split_batch``, in order; ``energy`` and ``uncertainty`` are floats.
    """
    default_budget = EDGE_BUDGET.get(evaluator.device.type, DEFAULT_EDGE_BUDGET)
    budget = default_budget if edge_budget is None else edge_budget
    for batch in budget_batches(graphs, budget, max(budget // EDGES_PER_ATOM, 1)):
        batch_result = evaluator.evaluate(batch.to(evaluator.device), forces=forces, stress=stress)
        for result in split_batch(batch_result, batch):
            yield result | {name: float(result[name]) for name in ("energy", "uncertainty") if name in result}


def split_batch(result: Mapping[str, Tensor], batch: AtomicGraph) -> Iterator[dict[str, Any]]:
    """Split the results of a batch into those of its structures.

    Args:
        result: Tensors of the batch, by name.
        batch: The batch of graphs.

    Yields:
        float64 arrays of each structure by name, in order; the axis of structures is removed.
    """
    arrays: dict[str, Any] = {name: value.to("cpu", torch.float64).numpy() for name, value in result.items()}
    ends = np.cumsum(np.bincount(batch.graph_of_atom.cpu(), minlength=batch.n_graphs))[:-1]
    per_atom = {"node_energy", *(name for name, quantity in QUANTITIES.items() if quantity.per == "atom")}
    for name in arrays.keys() & per_atom:
        arrays[name] = np.split(arrays[name], ends)
    for i in range(batch.n_graphs):
        yield {name: rows[i] for name, rows in arrays.items()}
