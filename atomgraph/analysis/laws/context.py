"""``LawContext``: the potential and the structures of tests of physical laws, with tolerances for each dtype."""

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
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments
from atomgraph.potential import Potential

_EDGE_BUDGET = 50_000  # edges per batch


@dataclass(frozen=True)
class Law:
    """Result of the test of one physical law on one potential.

    Attributes:
        name: Name of the law, in words.
        value: The worst value over all structures, such as the largest error, in ``unit``.
        tolerance: The limit for the value, in ``unit``.
        unit: Unit of value and tolerance.
        passed: Whether the law holds.
        detail: Name of the structure with the worst value.
        relation: ``≤`` if the value must be at most the tolerance, ``≥`` if it must be at least the tolerance.
    """

    name: str
    value: float
    tolerance: float
    unit: str
    passed: bool
    detail: str = ""
    relation: str = "≤"

    figure = OldAttribute("value")


@with_old_arguments
@dataclass(frozen=True)
class Tolerances:
    """Tolerances and step sizes of the tests for one dtype.

    Tests divide the errors of gradients, jumps and balances by ``force_scale``: the largest force component in eV/Å, at
    least 1.

    Attributes:
        gradient: Error of forces, eV/Å, and stresses, eV/Å³, relative to finite differences.
        symmetry: Relative change with rotation, translation, order of atoms, batching and supercells.
        jump: Discontinuity of energies, eV, and forces, eV/Å, at the cutoff.
        balance: Quantities that must vanish: net force, eV/Å; net torque divided by the extent of the molecule in Å, eV;
            asymmetry of the stress, eV/Å³.
        displacement: Displacement of finite differences, Å.
        strain: Strain of finite differences.
        cutoff_offset: Half the spacing of the four distances around the cutoff at which energies and forces are compared, Å.
        isolated: Difference between the energy of an isolated atom and E0, eV.
    """

    gradient: float
    symmetry: float
    jump: float
    balance: float
    displacement: float
    strain: float
    cutoff_offset: float
    isolated: float

    crossing = OldAttribute("cutoff_offset")
    slope = OldAttribute("gradient")
    sum = OldAttribute("balance")


#: float32 has seven digits. Energies of a few eV have errors of about 1e-6 eV, and finite differences over 0.01 Å errors of up
#: to 1e-3 eV/Å.
TOLERANCES = {
    torch.float64: Tolerances(
        gradient=1e-7,
        symmetry=1e-10,
        jump=1e-6,
        balance=1e-9,
        displacement=1e-4,
        strain=5e-6,
        cutoff_offset=1e-6,
        isolated=1e-10,
    ),
    torch.float32: Tolerances(
        gradient=2e-3,
        symmetry=1e-4,
        jump=1e-3,
        balance=1e-4,
        displacement=1e-2,
        strain=5e-3,
        cutoff_offset=1e-3,
        isolated=1e-6,
    ),
}


class LawContext:
    """The potential and the structures of tests, with methods that evaluate structures.

    Args:
        potential: The potential to test.
        structures: Structures by name. If None or empty: small structures of the potential's elements.
    """

    of_graph = OldAttribute("graph_result")

    def __init__(self, potential: Potential, structures: Mapping[str, ase.Atoms] | None = None):
        self.potential = potential
        self.structures = dict(structures) if structures else sample_structures(potential.elements)
        self.tolerances = TOLERANCES.get(potential.model.dtype, TOLERANCES[torch.float32])

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of the potential's elements."""
        return self.potential.elements

    @property
    def cutoffs(self) -> list[float]:
        """Cutoffs of all modules of the model, sorted, Å."""
        cutoffs = [getattr(module, "cutoff", None) for module in self.potential.model.modules()]
        return sorted({float(cutoff) for cutoff in cutoffs if isinstance(cutoff, int | float) and cutoff > 0})

    def graph(self, atoms: ase.Atoms) -> AtomicGraph:
        """Return the graph of a structure, with the cutoff of the potential."""
        return AtomicGraph.from_ase(atoms, self.potential.cutoff)

    def has_volume(self, atoms: ase.Atoms) -> bool:
        """Return whether a structure has a volume, so that its stress is defined."""
        return bool(torch.isfinite(volume(self.graph(atoms))).all())

    def results(self, structures: Sequence[ase.Atoms], *, derivatives: bool = True) -> list[dict[str, np.ndarray]]:
        """Evaluate structures.

        Args:
            structures: The structures.
            derivatives: Whether forces and stresses are computed.

        Returns:
            One dict per structure, in order: ``energy``, eV; ``node_energy``, (n_atoms,), eV; with derivatives also
            ``forces``, (n_atoms, 3), eV/Å, and ``stress``, (3, 3), eV/Å³.
        """
        results: list[dict[str, np.ndarray]] = []
        for batch in budget_batches((self.graph(atoms) for atoms in structures), _EDGE_BUDGET):
            results += self._evaluate(batch, derivatives)
        return results

    def result(self, atoms: ase.Atoms) -> dict[str, np.ndarray]:
        """Evaluate one structure, with derivatives; the keys are those of ``results``."""
        return self.graph_result(self.graph(atoms))

    def graph_result(self, graph: AtomicGraph) -> dict[str, np.ndarray]:
        """Evaluate a graph, with derivatives; the keys are those of ``results``."""
        return self._evaluate(graph, True)[0]

    def _evaluate(self, graph: AtomicGraph, derivatives: bool) -> list[dict[str, np.ndarray]]:
        """Return the results of each structure in a graph or batch, as in ``results``."""
        graph = graph.to(self.potential.device)
        return list(split_batch(self.potential.evaluate(graph, forces=derivatives, stress=derivatives), graph))


NOT_TRIED = "no suitable structure"  # detail of a law that was tested on no structure


def law_from_values(name: str, values: Mapping[str, float], tolerance: float, unit: str) -> Law:
    """Return the result of a law that requires all values to be at most the tolerance.

    Args:
        name: Name of the law, in words.
        values: Values by structure; NaN does not pass. Without values, the law passes with the detail ``NOT_TRIED``.
        tolerance: Largest allowed value, in ``unit``.
        unit: Unit of values and tolerance.
    """
    if not values:
        return Law(name, 0.0, tolerance, unit, True, NOT_TRIED)
    worst = max(values, key=lambda key: np.inf if np.isnan(values[key]) else values[key])
    return Law(name, values[worst], tolerance, unit, bool(values[worst] <= tolerance), worst)


def relative_difference(value: np.ndarray, expected: np.ndarray, floor: float = 1e-3) -> float:
    """Return the largest absolute difference, divided by the largest expected absolute value.

    Args:
        value: Computed values.
        expected: Expected values, of the same shape.
        floor: Smallest divisor.
    """
    return float(np.abs(value - expected).max(initial=0.0) / np.abs(expected).max(initial=floor))


def force_scale(result: Mapping[str, np.ndarray]) -> float:
    """Return the largest force component in eV/Å, at least 1. Tests divide absolute errors by this number."""
    return float(np.abs(result["forces"]).max(initial=1.0))


__getattr__ = old_names_of(__name__)
