"""Labels and predictions of the starting model: the data of an audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.analysis.finetuning.audit.agreement import Agreement, compute_agreement
from atomgraph.data.e0_shift import EnergyShift, count_atoms, energy_shift
from atomgraph.data.frame_names import elements_in
from atomgraph.graph.structure import VOIGT, AtomicGraph, get_labels
from atomgraph.old_names import OldAttribute, warn_old_name
from atomgraph.potential import Potential

# in robust standard deviations; energies with larger residuals are omitted from the fit of compositions
OUTLIER_LIMIT = 8.0


@dataclass(frozen=True, eq=False)
class LabelledPredictions:
    """Structures with labels, and the predictions of one head of a potential.

    Attributes:
        frames: The structures.
        results: Results of ``Potential.predict`` for each structure, in the same order.
    """

    frames: list[ase.Atoms]
    results: list[dict[str, Any]]

    predictions = OldAttribute("results")
    shifted = OldAttribute("with_e0_shift")
    beyond_composition = OldAttribute("composition_residuals")

    @classmethod
    def from_potential(
        cls,
        potential: Potential,
        frames: Iterable[ase.Atoms],
        head: str | None = None,
        graphs: Sequence[AtomicGraph] | None = None,
    ) -> LabelledPredictions:
        """Predict structures with one head of a potential.

        Args:
            potential: The potential.
            frames: Structures with labels, in any iterable.
            head: Name of the head; the chosen head of the potential if None.
            graphs: Graphs of the structures with this head, in the same order; None to build them.

        Raises:
            GraphError: If a structure has unknown elements, or no graph can be built from it.
        """
        frames = list(frames)
        previous_head = potential.head if len(potential.heads) > 1 else None
        stress = any("stress" in get_labels(atoms) for atoms in frames)
        try:
            if head is not None:
                potential.head = head
            if graphs is not None:
                return cls(list(frames), list(potential.iter_predict_graphs(graphs, stress=stress)))
            return cls(list(frames), potential.predict([_without_head(atoms) for atoms in frames], stress=stress))
        finally:
            potential.head = previous_head

    @classmethod
    def of(cls, potential: Potential, frames: Iterable[ase.Atoms], *args: Any, **options: Any) -> LabelledPredictions:
        """``from_potential`` under its old name."""
        warn_old_name("LabelledPredictions.of", "LabelledPredictions.from_potential")
        return cls.from_potential(potential, frames, *args, **options)

    def with_e0_shift(self, e0_change: Mapping[str, float]) -> LabelledPredictions:
        """Return the predictions of the same model with a changed E0.

        Args:
            e0_change: Energies to add to E0, by chemical symbol, eV.
        """
        shift_by_number = {atomic_numbers[symbol]: value for symbol, value in e0_change.items()}
        shifts = [sum(shift_by_number.get(int(z), 0.0) for z in atoms.numbers) for atoms in self.frames]
        pairs = zip(self.results, shifts, strict=True)
        return LabelledPredictions(
            self.frames, [result | {"energy": result["energy"] + shift} for result, shift in pairs]
        )

    @cached_property
    def labels(self) -> list[dict[str, np.ndarray]]:
        """Labels of each structure by name, in eV and Å."""
        return [get_labels(atoms) for atoms in self.frames]

    @cached_property
    def elements(self) -> list[str]:
        """Chemical symbols in the structures, in the order of atomic numbers."""
        return elements_in(self.frames)

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of atoms per element in the n structures with a labelled energy, (n, n_elements)."""
        return count_atoms([self.frames[i] for i in self._with_label("energy")], self.elements)

    @cached_property
    def energies(self) -> tuple[np.ndarray, np.ndarray]:
        """Labelled and predicted energies of the n structures with a labelled energy, both (n,), eV."""
        rows = self._with_label("energy")
        return (
            np.array([float(self.labels[i]["energy"]) for i in rows]),
            np.array([self.results[i]["energy"] for i in rows]),
        )

    @cached_property
    def shift(self) -> EnergyShift | None:
        """Difference of labelled and predicted energies per element; None if no energy is labelled."""
        label, predicted = self.energies
        return energy_shift(self.counts, label - predicted, self.elements) if len(label) else None

    @cached_property
    def composition_residuals(self) -> tuple[np.ndarray, np.ndarray]:
        """Labelled and predicted energies per atom minus a linear fit to the composition, both (n,), eV/atom."""
        label, predicted = self.energies
        return _composition_residuals(label, self.counts), _composition_residuals(predicted, self.counts)

    @cached_property
    def agreements(self) -> dict[str, Agreement]:
        """Agreement of labels and predictions by quantity, for quantities with enough labels.

        Enough are four structures; for energies, four structures more than the rank of the compositions.
        Energies are compared after a linear fit to the composition, stresses after subtraction of the median.
        """
        agreements: dict[str, Agreement | None] = {}
        if self.shift is not None and len(self.counts) >= self.shift.rank + 4:
            labels, predictions = (list(column[:, None]) for column in self.composition_residuals)
            agreements["energy"] = compute_agreement("energy", labels, predictions)
        rows = [i for i in self._with_label("forces") if len(self.frames[i]) > 1]  # a single atom has no force
        labels, predictions = (_flat_values("forces", rows, source) for source in (self.labels, self.results))
        agreements["forces"] = compute_agreement("forces", labels, predictions)
        rows = [i for i in self._with_label("stress") if np.isfinite(self.results[i]["stress"]).all()]
        if len(rows) > 1:
            arrays = [
                np.array(_flat_values("stress", rows, source))[:, VOIGT] for source in (self.labels, self.results)
            ]
            labels, predictions = (list(array - np.median(array, axis=0)) for array in arrays)
            agreements["stress"] = compute_agreement("stress", labels, predictions)
        return {name: value for name, value in agreements.items() if value is not None}

    def _with_label(self, name: str) -> list[int]:
        """Return the indices of the structures with a label."""
        return [i for i, label in enumerate(self.labels) if name in label]


def _flat_values(name: str, rows: Sequence[int], source: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
    """Return the values of a quantity in some structures, as one flat array per structure."""
    return [np.asarray(source[i][name]).ravel() for i in rows]


def _composition_residuals(energy: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Subtract a linear fit to the composition from energies per atom, and subtract the median of the residuals.

    The fit is repeated without outliers.

    Args:
        energy: Energies of structures, (n,), eV.
        counts: Number of atoms per element, (n, n_elements).

    Returns:
        Residuals, (n,), eV/atom.
    """
    n_atoms = counts.sum(1)
    fraction, per_atom = counts / n_atoms[:, None], energy / n_atoms
    solution, _, rank, _ = np.linalg.lstsq(fraction, per_atom, rcond=1e-10)
    for _ in range(3):
        deviation = np.abs(per_atom - fraction @ solution)
        is_inlier = deviation <= OUTLIER_LIMIT * 1.4826 * np.median(deviation) + 1e-12
        inlier_solution, _, inlier_rank, _ = np.linalg.lstsq(fraction[is_inlier], per_atom[is_inlier], rcond=1e-10)
        if inlier_rank < rank:  # without outliers, the compositions would determine fewer elements
            break
        solution = inlier_solution
    residual = per_atom - fraction @ solution
    return residual - np.median(residual)


def _without_head(atoms: ase.Atoms) -> ase.Atoms:
    """Return the structure without the key ``head`` in ``info``, so that the head of the potential is used."""
    if "head" not in atoms.info:
        return atoms
    copy = atoms.copy()
    del copy.info["head"]
    return copy
