"""Labels and predictions of the starting model, and their agreement: the data of an audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.analysis.finetuning.audit.correlation import Agreement, agreement
from atomgraph.data.e0_shift import EnergyShift, count_atoms, energy_shift
from atomgraph.data.frame_names import elements_in
from atomgraph.graph.structure import VOIGT, AtomicGraph, get_labels
from atomgraph.potential import Potential

FAR = 8.0  # robust standard deviations: such energies do not decide what a composition is worth


@dataclass(frozen=True, eq=False)
class LabelledPredictions:
    """Frames, their labels, and what one head of a potential predicts for them (``Potential.predict``), in one order."""

    frames: list[ase.Atoms]
    predictions: list[dict[str, Any]]

    @classmethod
    def of(
        cls,
        potential: Potential,
        frames: Iterable[ase.Atoms],
        head: str | None = None,
        graphs: Sequence[AtomicGraph] | None = None,
    ) -> LabelledPredictions:
        """Predictions of the head (of the potential's own if None); GraphError for structures that it cannot take.

        Args:
            graphs: Of the frames, where they are made already, of that head.
        """
        frames = list(frames)
        before = potential.head if len(potential.heads) > 1 else None
        stress = any("stress" in get_labels(atoms) for atoms in frames)
        try:
            if head is not None:
                potential.head = head
            if graphs is not None:
                return cls(list(frames), list(potential.iter_predict_graphs(graphs, stress=stress)))
            return cls(list(frames), potential.predict([_headless(atoms) for atoms in frames], stress=stress))
        finally:
            potential.head = before

    def shifted(self, e0: Mapping[str, float]) -> LabelledPredictions:
        """The evidence for the same model with so much (eV, by chemical symbol) added to its E0."""
        by_number = {atomic_numbers[symbol]: value for symbol, value in e0.items()}
        change = [sum(by_number.get(int(z), 0.0) for z in atoms.numbers) for atoms in self.frames]
        moved = zip(self.predictions, change, strict=True)
        return LabelledPredictions(
            self.frames, [result | {"energy": result["energy"] + more} for result, more in moved]
        )

    @cached_property
    def labels(self) -> list[dict[str, np.ndarray]]:
        """What the frames carry, eV and Å."""
        return [get_labels(atoms) for atoms in self.frames]

    @cached_property
    def elements(self) -> list[str]:
        """Chemical symbols that occur, by atomic number."""
        return elements_in(self.frames)

    @cached_property
    def counts(self) -> np.ndarray:
        """(n, n_elements) atoms of the structures that have an energy."""
        return count_atoms([self.frames[i] for i in self._with("energy")], self.elements)

    @cached_property
    def energies(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) labels and (n,) predictions of whole structures, eV, where there is a label."""
        rows = self._with("energy")
        return (
            np.array([float(self.labels[i]["energy"]) for i in rows]),
            np.array([self.predictions[i]["energy"] for i in rows]),
        )

    @cached_property
    def shift(self) -> EnergyShift | None:
        """The shift per element; None without an energy."""
        label, predicted = self.energies
        return energy_shift(self.counts, label - predicted, self.elements) if len(label) else None

    @cached_property
    def beyond_composition(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) labels and predictions per atom, less what composition explains of each, eV/atom."""
        label, predicted = self.energies
        return _beyond(label, self.counts), _beyond(predicted, self.counts)

    @cached_property
    def agreements(self) -> dict[str, Agreement]:
        """By quantity (``energy``, ``forces``, ``stress``), where labels are enough to say something."""
        agreements: dict[str, Agreement | None] = {}
        if self.shift is not None and len(self.counts) >= self.shift.rank + 4:
            agreements["energy"] = agreement("energy", *(list(column[:, None]) for column in self.beyond_composition))
        forces = [i for i in self._with("forces") if len(self.frames[i]) > 1]
        agreements["forces"] = agreement("forces", *(self._rows("forces", forces, source) for source in self._sources))
        rows = [i for i in self._with("stress") if np.isfinite(self.predictions[i]["stress"]).all()]
        if len(rows) > 1:
            stresses = (np.array(self._rows("stress", rows, source))[:, VOIGT] for source in self._sources)
            agreements["stress"] = agreement("stress", *(list(s - np.median(s, axis=0)) for s in stresses))
        return {name: value for name, value in agreements.items() if value is not None}

    @property
    def _sources(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return self.labels, self.predictions

    def _with(self, name: str) -> list[int]:
        return [i for i, label in enumerate(self.labels) if name in label]

    def _rows(self, name: str, rows: Sequence[int], source: list[dict[str, Any]]) -> list[np.ndarray]:
        return [np.asarray(source[i][name]).ravel() for i in rows]


def _beyond(energy: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Energies per atom less the best sum over elements, which those far off do not decide."""
    n_atoms = counts.sum(1)
    share, per_atom = counts / n_atoms[:, None], energy / n_atoms
    solution, _, rank, _ = np.linalg.lstsq(share, per_atom, rcond=1e-10)
    for _ in range(3):
        off = np.abs(per_atom - share @ solution)
        kept = off <= FAR * 1.4826 * np.median(off) + 1e-12
        again, _, left, _ = np.linalg.lstsq(share[kept], per_atom[kept], rcond=1e-10)
        if left < rank:  # a composition would be lost
            break
        solution = again
    rest = per_atom - share @ solution
    return rest - np.median(rest)


def _headless(atoms: ase.Atoms) -> ase.Atoms:
    """The structure without a head of its own: the potential's is meant."""
    if "head" not in atoms.info:
        return atoms
    bare = atoms.copy()
    del bare.info["head"]
    return bare
