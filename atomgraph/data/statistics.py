"""What the training part says before anything is learned: E0, scales, neighbours. Each number comes with its origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from ase.data import chemical_symbols

from atomgraph.data.frame_names import number_of
from atomgraph.errors import DataError
from atomgraph.graph.geometry import edge_vectors
from atomgraph.graph.structure import AtomicGraph

Value = TypeVar("Value", float, dict[str, float])


@dataclass(frozen=True)
class Statistic(Generic[Value]):
    """A number (or one per element) and where it came from, both for the potential's file."""

    value: Value
    origin: str

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "origin": self.origin}


def isolated_e0(graphs: Sequence[AtomicGraph]) -> Statistic[dict[str, float]]:
    """E0 in eV of each element that occurs, from frames of one atom alone (no neighbour within the cutoff).

    Several frames of one element must agree to 1 meV; DataError otherwise, and where an element has none.
    """
    labels: dict[str, list[float]] = {}
    for graph in graphs:
        if graph.n_atoms == 1 and graph.n_edges == 0 and bool(graph.energy_mask[0]):
            labels.setdefault(chemical_symbols[int(graph.atomic_numbers[0])], []).append(float(graph.energy[0]))
    missing = [symbol for symbol in elements_of(graphs) if symbol not in labels]
    if missing:
        raise DataError(
            f"no isolated atom with an energy for {', '.join(missing)} in the training part; add such frames, give e0 by hand, "
            "or use e0: least_squares"
        )
    for symbol, energies in labels.items():
        if max(energies) - min(energies) > 1e-3:
            raise DataError(
                f"isolated atoms of {symbol} have energies from {min(energies):.6f} to {max(energies):.6f} eV; keep one of them"
            )
    n_frames = sum(map(len, labels.values()))
    value = {symbol: float(np.mean(labels[symbol])) for symbol in elements_of(graphs)}
    return Statistic(value, f"isolated atoms in the training part ({number_of(n_frames, 'frame')})")


def least_squares_e0(graphs: Sequence[AtomicGraph]) -> Statistic[dict[str, float]]:
    r"""E0 in eV by least squares, :math:`\min_{E0} \sum_s (E_s/N_s - \sum_z n_{sz} E0_z / N_s)^2`, of minimum norm.

    Where compositions do not determine every element (rank below the number of elements) the smallest solution is taken, and
    the origin says so.

    Raises:
        DataError: Where no frame has an energy.
    """
    elements, table, energy = compositions(graphs)
    n_atoms = table.sum(1)
    solution, _, rank, _ = np.linalg.lstsq(table / n_atoms[:, None], energy / n_atoms, rcond=1e-10)
    origin = (
        f"least squares over {number_of(len(energy), 'energy')} of the training part, rank {rank} of {len(elements)}"
    )
    if rank < len(elements):
        origin += "; minimum norm, so single values have no meaning"
    return Statistic(dict(zip(elements, map(float, solution), strict=True)), origin)


def energy_scale(graphs: Sequence[AtomicGraph]) -> Statistic[float]:
    """RMS of the force components, in eV/Å: the scale of local energies in eV. DataError without forces or where all are 0."""
    parts = [graph.forces[graph.forces_mask] for graph in graphs if bool(graph.forces_mask.any())]
    forces = torch.cat(parts) if parts else torch.zeros(0, 3)
    rms = float(forces.square().mean().sqrt()) if len(forces) else 0.0
    if rms == 0.0:
        raise DataError("the training part has no force other than zero to take a scale from; give a scale by hand")
    return Statistic(rms, f"RMS of {forces.numel()} force components of the training part, eV/Å")


def energy_spread(graphs: Sequence[AtomicGraph], e0: dict[str, float]) -> Statistic[float]:
    """Standard deviation of the energies per atom above E0, in eV: a scale where there are no forces."""
    per_atom = _above_e0(graphs, e0)
    spread = float(per_atom.std())
    if spread == 0.0:
        raise DataError("all energies per atom of the training part are equal; give a scale by hand")
    return Statistic(spread, f"standard deviation of {len(per_atom)} energies per atom of the training part, eV")


def mean_energy(graphs: Sequence[AtomicGraph], e0: dict[str, float]) -> Statistic[float]:
    """Mean over structures of (energy − Σ E0)/n_atoms, in eV: the shift of local energies."""
    per_atom = _above_e0(graphs, e0)
    return Statistic(
        float(per_atom.mean()), f"mean of {len(per_atom)} energies per atom of the training part above E0, eV"
    )


def average_neighbours(graphs: Sequence[AtomicGraph], cutoff: float | None = None) -> Statistic[float]:
    """Edges per atom within a cutoff (that of the graphs if None): what message sums are divided by."""
    n_atoms = sum(graph.n_atoms for graph in graphs)
    if not n_atoms:
        raise DataError("there is no atom to count neighbours of")
    reach = float(graphs[0].cutoff[0])
    if cutoff is not None and cutoff < reach:
        n_edges = sum(_edges_within(graph, cutoff) for graph in graphs)
        reach = cutoff
    else:
        n_edges = sum(graph.n_edges for graph in graphs)
    return Statistic(
        n_edges / n_atoms, f"mean over {number_of(n_atoms, 'atom')} of the training part within {reach:g} Å"
    )


def elements_of(graphs: Sequence[AtomicGraph]) -> list[str]:
    """Chemical symbols that occur, by atomic number."""
    numbers = torch.cat([graph.atomic_numbers for graph in graphs]).unique() if graphs else torch.zeros(0)
    return [chemical_symbols[int(number)] for number in numbers]


def compositions(graphs: Sequence[AtomicGraph]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Of the structures with an energy: elements, (n_structures, n_elements) numbers of atoms, (n_structures,) energies, eV."""
    labelled = [graph for graph in graphs if bool(graph.energy_mask[0])]
    if not labelled:
        raise DataError("the training part has no energy to take E0 from; give e0 by hand")
    elements = elements_of(graphs)
    column = {chemical_symbols.index(symbol): place for place, symbol in enumerate(elements)}
    table = np.zeros((len(labelled), len(elements)))
    for row, graph in zip(table, labelled, strict=True):
        for number, count in zip(*graph.atomic_numbers.unique(return_counts=True), strict=True):
            row[column[int(number)]] = int(count)
    return elements, table, np.array([float(graph.energy[0]) for graph in labelled])


def _above_e0(graphs: Sequence[AtomicGraph], e0: dict[str, float]) -> np.ndarray:
    """(n_structures,) energies per atom beyond E0, eV; DataError for an element without E0."""
    elements, table, energy = compositions(graphs)
    missing = [symbol for symbol in elements if symbol not in e0]
    if missing:
        raise DataError(f"E0 is missing for {', '.join(missing)}")
    return (energy - table @ np.array([e0[symbol] for symbol in elements])) / table.sum(1)


def _edges_within(graph: AtomicGraph, cutoff: float) -> int:
    return int((edge_vectors(graph).norm(dim=1) < cutoff).sum())
