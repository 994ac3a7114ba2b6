"""LawContext: a potential before the laws, the structures it is tried on, and what may be asked of its precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch

from atomgraph.analysis.laws.structures import sample_structures
from atomgraph.data import budget_batches
from atomgraph.evaluator import split_batch
from atomgraph.graph import AtomicGraph
from atomgraph.graph.geometry import volume
from atomgraph.potential import Potential

_EDGES_AT_ONCE = 50_000


@dataclass(frozen=True)
class Law:
    """One law on one potential: the worst figure found, what it may be, and where it was found.

    ``relation`` is ``≤`` for a figure that should be small, ``≥`` for one that should not vanish.
    """

    name: str
    figure: float
    tolerance: float
    unit: str
    passed: bool
    detail: str = ""
    relation: str = "≤"


@dataclass(frozen=True)
class Tolerances:
    """Tolerances of a dtype. Those of gradients, jumps and sums scale with the largest force, if that is above 1 eV/Å."""

    gradient: float  # eV/Å (or eV/Å³): forces and stress against central differences
    symmetry: float  # relative: rotation, translation, order, batching, supercells
    jump: float  # eV, eV/Å: between just inside and just outside the cutoff
    sum: float  # eV/Å: net force; eV: net torque
    displacement: float  # Å: step of the central differences
    strain: float  # step of the strains
    crossing: float  # Å: how near to the cutoff a crossing atom is taken
    isolated: float  # eV: an isolated atom against E0


#: float32 has seven digits: energies of some eV are known to 1e-6, their differences over 0.01 Å to 1e-3 eV/Å.
TOLERANCES = {
    torch.float64: Tolerances(1e-7, 1e-10, 1e-6, 1e-9, 1e-4, 5e-6, 1e-6, 1e-10),
    torch.float32: Tolerances(2e-3, 1e-4, 1e-3, 1e-4, 1e-2, 5e-3, 1e-3, 1e-6),
}


class LawContext:
    """A potential in evaluation, the structures, and one way to ask for results.

    Args:
        structures: By name; without any, small structures of the potential's elements.
    """

    def __init__(self, potential: Potential, structures: Mapping[str, ase.Atoms] | None = None):
        self.potential = potential
        self.structures = dict(structures) if structures else sample_structures(potential.elements)
        self.tolerances = TOLERANCES.get(potential.model.dtype, TOLERANCES[torch.float32])

    @property
    def elements(self) -> list[str]:
        return self.potential.elements

    @property
    def cutoffs(self) -> list[float]:
        """Every distance (Å) at which some part of the model stops to see."""
        cutoffs = [getattr(module, "cutoff", None) for module in self.potential.model.modules()]
        return sorted({float(cutoff) for cutoff in cutoffs if isinstance(cutoff, int | float) and cutoff > 0})

    def graph(self, atoms: ase.Atoms) -> AtomicGraph:
        """The structure as this potential reads it."""
        return AtomicGraph.from_ase(atoms, self.potential.cutoff)

    def has_volume(self, atoms: ase.Atoms) -> bool:
        """Whether a stress is defined."""
        return bool(torch.isfinite(volume(self.graph(atoms))).all())

    def results(self, structures: Sequence[ase.Atoms], *, derivatives: bool = True) -> list[dict[str, np.ndarray]]:
        """``energy``, ``node_energy`` and, with derivatives, ``forces`` and ``stress`` of each structure, in order."""
        results: list[dict[str, np.ndarray]] = []
        for batch in budget_batches((self.graph(atoms) for atoms in structures), _EDGES_AT_ONCE):
            results += self._of(batch, derivatives)
        return results

    def result(self, atoms: ase.Atoms) -> dict[str, np.ndarray]:
        """The same for one structure alone."""
        return self.of_graph(self.graph(atoms))

    def of_graph(self, graph: AtomicGraph) -> dict[str, np.ndarray]:
        """The same for a graph."""
        return self._of(graph, True)[0]

    def _of(self, graph: AtomicGraph, derivatives: bool) -> list[dict[str, np.ndarray]]:
        graph = graph.to(self.potential.device)
        return list(split_batch(self.potential.evaluate(graph, forces=derivatives, stress=derivatives), graph))


NOT_TRIED = "nothing to try it on"


def law(name: str, figures: Mapping[str, float], tolerance: float, unit: str) -> Law:
    """The verdict over figures by structure: the worst of them must stay within the tolerance; NaN never does."""
    if not figures:
        return Law(name, 0.0, tolerance, unit, True, NOT_TRIED)
    worst = max(figures, key=lambda key: np.inf if np.isnan(figures[key]) else figures[key])
    return Law(name, figures[worst], tolerance, unit, bool(figures[worst] <= tolerance), worst)


def relative(value: np.ndarray, expected: np.ndarray, floor: float = 1e-3) -> float:
    """Largest difference over the largest wanted number (or over a floor, where all are small)."""
    return float(np.abs(value - expected).max(initial=0.0) / np.abs(expected).max(initial=floor))


def scale_of(result: Mapping[str, np.ndarray]) -> float:
    """Largest force in eV/Å, at least 1: what absolute tolerances are multiplied with."""
    return float(np.abs(result["forces"]).max(initial=1.0))
