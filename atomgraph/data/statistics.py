"""Statistics of the training part that a model needs before training: E0, energy scale and shift, number of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from ase.data import chemical_symbols

from atomgraph.data.frame_names import format_count
from atomgraph.errors import DataError
from atomgraph.graph.geometry import edge_vectors
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import old_names_of

Value = TypeVar("Value", float, dict[str, float])


@dataclass(frozen=True)
class Statistic(Generic[Value]):
    """A number, or one number per element, and a text on its origin; both are stored in the file of the potential."""

    value: Value
    origin: str

    def to_json(self) -> dict[str, Any]:
        """Return value and origin as JSON values."""
        return {"value": self.value, "origin": self.origin}


def isolated_e0(graphs: Sequence[AtomicGraph]) -> Statistic[dict[str, float]]:
    """Return E0 of each element, eV, from frames with one atom without neighbours.

    Raises:
        DataError: If an element has no frame, or the energies of its frames differ by more than 1 meV.
    """
    energies_by_symbol: dict[str, list[float]] = {}
    for graph in graphs:
        if graph.n_atoms == 1 and graph.n_edges == 0 and bool(graph.energy_mask[0]):
            energies_by_symbol.setdefault(chemical_symbols[int(graph.atomic_numbers[0])], []).append(
                float(graph.energy[0])
            )
    missing_elements = [symbol for symbol in list_elements(graphs) if symbol not in energies_by_symbol]
    if missing_elements:
        raise DataError(
            f"no isolated atom with an energy for {', '.join(missing_elements)} in the training part; add such frames, set e0 "
            "in the configuration, or use e0: least_squares"
        )
    for symbol, energies in energies_by_symbol.items():
        if max(energies) - min(energies) > 1e-3:
            raise DataError(
                f"isolated atoms of {symbol} have energies from {min(energies):.6f} to {max(energies):.6f} eV; keep one of them"
            )
    n_frames = sum(map(len, energies_by_symbol.values()))
    value = {symbol: float(np.mean(energies_by_symbol[symbol])) for symbol in list_elements(graphs)}
    return Statistic(value, f"isolated atoms in the training part ({format_count(n_frames, 'frame')})")


def least_squares_e0(graphs: Sequence[AtomicGraph]) -> Statistic[dict[str, float]]:
    r"""Return E0 of each element, eV, by least squares, :math:`\min_{E0} \sum_s (E_s/N_s - \sum_z n_{sz} E0_z / N_s)^2`.

    If the compositions do not determine all elements (rank below the number of elements), the result is the solution with
    the smallest norm, and the origin contains the rank.

    Raises:
        DataError: If no frame has an energy.
    """
    elements, counts, energy = compositions(graphs)
    n_atoms = counts.sum(1)
    solution, _, rank, _ = np.linalg.lstsq(counts / n_atoms[:, None], energy / n_atoms, rcond=1e-10)
    origin = (
        f"least squares over {format_count(len(energy), 'energy')} of the training part, rank {rank} of {len(elements)}"
    )
    if rank < len(elements):
        origin += "; minimum norm, so single values have no meaning"
    return Statistic(dict(zip(elements, map(float, solution), strict=True)), origin)


def energy_scale(graphs: Sequence[AtomicGraph]) -> Statistic[float]:
    """Return the RMS of the force components, eV/Å, used as the scale of local energies in eV.

    Raises:
        DataError: If there are no forces, or all forces are zero.
    """
    parts = [graph.forces[graph.forces_mask] for graph in graphs if bool(graph.forces_mask.any())]
    forces = torch.cat(parts) if parts else torch.zeros(0, 3)
    rms = float(forces.square().mean().sqrt()) if len(forces) else 0.0
    if rms == 0.0:
        raise DataError(
            "the training part has no forces, or only zeros, so the scale cannot be computed; set scale in the configuration"
        )
    return Statistic(rms, f"RMS of {forces.numel()} force components of the training part, eV/Å")


def energy_spread(graphs: Sequence[AtomicGraph], e0: dict[str, float]) -> Statistic[float]:
    """Return the standard deviation of energies per atom minus E0, eV, the scale for data without forces.

    Args:
        graphs: Training graphs.
        e0: Energy of an isolated atom by chemical symbol, eV.

    Raises:
        DataError: If the standard deviation is zero, or an element has no E0.
    """
    per_atom = _energies_minus_e0(graphs, e0)
    spread = float(per_atom.std())
    if spread == 0.0:
        raise DataError("all energies per atom of the training part are equal; set scale in the configuration")
    return Statistic(spread, f"standard deviation of {len(per_atom)} energies per atom of the training part, eV")


def mean_energy(graphs: Sequence[AtomicGraph], e0: dict[str, float]) -> Statistic[float]:
    """Return the mean over structures of (energy − Σ E0)/n_atoms, eV, the shift of local energies.

    Args:
        graphs: Training graphs.
        e0: Energy of an isolated atom by chemical symbol, eV.

    Raises:
        DataError: If an element has no E0.
    """
    per_atom = _energies_minus_e0(graphs, e0)
    return Statistic(
        float(per_atom.mean()), f"mean of {len(per_atom)} energies per atom of the training part above E0, eV"
    )


def average_neighbours(graphs: Sequence[AtomicGraph], cutoff: float | None = None) -> Statistic[float]:
    """Return the mean number of neighbours per atom, by which sums of messages are divided.

    Args:
        graphs: Training graphs.
        cutoff: Cutoff radius, Å; the cutoff of the graphs if None or larger than that cutoff.

    Raises:
        DataError: If there are no atoms.
    """
    n_atoms = sum(graph.n_atoms for graph in graphs)
    if not n_atoms:
        raise DataError("the training part has no atoms, so neighbours cannot be counted")
    radius = float(graphs[0].cutoff[0])
    if cutoff is not None and cutoff < radius:
        n_edges = sum(_count_edges(graph, cutoff) for graph in graphs)
        radius = cutoff
    else:
        n_edges = sum(graph.n_edges for graph in graphs)
    return Statistic(
        n_edges / n_atoms, f"mean over {format_count(n_atoms, 'atom')} of the training part within {radius:g} Å"
    )


def list_elements(graphs: Sequence[AtomicGraph]) -> list[str]:
    """Return the chemical symbols that occur, sorted by atomic number."""
    numbers = torch.cat([graph.atomic_numbers for graph in graphs]).unique() if graphs else torch.zeros(0)
    return [chemical_symbols[int(number)] for number in numbers]


def compositions(graphs: Sequence[AtomicGraph]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the compositions and energies of the structures with an energy.

    Returns:
        Elements as chemical symbols; numbers of atoms, (n_structures, n_elements); energies, (n_structures,), eV.

    Raises:
        DataError: If no structure has an energy.
    """
    labelled = [graph for graph in graphs if bool(graph.energy_mask[0])]
    if not labelled:
        raise DataError("the training part has no energies, so E0 cannot be computed; set e0 in the configuration")
    elements = list_elements(graphs)
    column_by_number = {chemical_symbols.index(symbol): index for index, symbol in enumerate(elements)}
    counts = np.zeros((len(labelled), len(elements)))
    for row, graph in zip(counts, labelled, strict=True):
        for number, count in zip(*graph.atomic_numbers.unique(return_counts=True), strict=True):
            row[column_by_number[int(number)]] = int(count)
    return elements, counts, np.array([float(graph.energy[0]) for graph in labelled])


def _energies_minus_e0(graphs: Sequence[AtomicGraph], e0: dict[str, float]) -> np.ndarray:
    """Return energies per atom minus E0, (n_structures,), eV; DataError for an element without E0."""
    elements, counts, energy = compositions(graphs)
    missing_elements = [symbol for symbol in elements if symbol not in e0]
    if missing_elements:
        raise DataError(f"E0 is missing for {', '.join(missing_elements)}")
    return (energy - counts @ np.array([e0[symbol] for symbol in elements])) / counts.sum(1)


def _count_edges(graph: AtomicGraph, cutoff: float) -> int:
    """Return the number of edges shorter than the cutoff."""
    return int((edge_vectors(graph).norm(dim=1) < cutoff).sum())


__getattr__ = old_names_of(__name__)
