"""Protocols of objects that give energies, forces and stress, and batched evaluation with any of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from atomgraph.data import budget_batches
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph

EDGE_BUDGET = {"cuda": 100_000}  # edges in a batch of predictions, by device
SMALL_BUDGET = 8_000  # elsewhere, where larger batches take memory and save at most a few percent of the time
FEW_EDGES = 8  # edges per atom below which the number of atoms limits a batch: atoms take memory, too


@runtime_checkable
class Evaluator(Protocol):
    """Energies, forces and stress of graphs: a potential, a compiled potential, a committee, a foreign calculator.

    Attributes:
        elements: Chemical symbols that can be evaluated.
        cutoff: Å; graphs need every edge up to here.
        heads: Names of the heads, one or more.
        head: The head of graphs that choose none; None where it is not chosen.
        device: Where graphs are evaluated.
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
        """Detached results.

        Args:
            graph: One structure, or a batch.
            forces: Whether forces are computed.
            stress: Whether stresses are computed.

        Returns:
            ``energy`` (n_graphs,) eV, ``node_energy`` (n_atoms,) eV, ``forces`` (n_atoms, 3) eV/Å, ``stress`` (n_graphs, 3, 3)
            eV/Å³, positive in tension, NaN without volume. With an estimator ``uncertainty`` (n_graphs,) eV.
        """
        ...


@runtime_checkable
class UncertaintyEstimator(Protocol):
    """Standard deviations of a potential's predictions."""

    def energy_uncertainty(self, graph: AtomicGraph) -> Tensor:
        """Standard deviations of energies.

        Args:
            graph: One structure, or a batch; its heads are chosen.

        Returns:
            (n_graphs,), eV.
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
    """Results of graphs, one by one, evaluated in batches.

    Args:
        evaluator: A potential, or another evaluator.
        graphs: They may be made while they are asked for.
        forces: Whether forces are computed.
        stress: Whether stresses are computed.
        edge_budget: Largest number of edges in a batch; chosen by the device if None. A batch has at most an eighth of it in
            atoms. A larger structure is a batch by itself.

    Yields:
        ``split_batch``'s dict of each graph, in order; ``energy`` and ``uncertainty`` are floats.
    """
    budget = EDGE_BUDGET.get(evaluator.device.type, SMALL_BUDGET) if edge_budget is None else edge_budget
    for batch in budget_batches(graphs, budget, max(budget // FEW_EDGES, 1)):
        result = evaluator.evaluate(batch.to(evaluator.device), forces=forces, stress=stress)
        for structure in split_batch(result, batch):
            numbers = {name: float(structure[name]) for name in ("energy", "uncertainty") if name in structure}
            yield structure | numbers


def split_batch(result: Mapping[str, Tensor], batch: AtomicGraph) -> Iterator[dict[str, Any]]:
    """Results of a batch, structure by structure, in order.

    Args:
        result: Of the batch.
        batch: The graphs.

    Yields:
        float64 arrays without the axis of structures.
    """
    arrays: dict[str, Any] = {name: value.to("cpu", torch.float64).numpy() for name, value in result.items()}
    ends = np.cumsum(np.bincount(batch.graph_of_atom.cpu(), minlength=batch.n_graphs))[:-1]
    per_atom = {"node_energy", *(name for name, quantity in QUANTITIES.items() if quantity.per == "atom")}
    for name in arrays.keys() & per_atom:
        arrays[name] = np.split(arrays[name], ends)
    for i in range(batch.n_graphs):
        yield {name: rows[i] for name, rows in arrays.items()}
