"""Comparison: predictions and labels, structure by structure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ase
import numpy as np

from atomgraph.compiled import WrappedPotential
from atomgraph.graph.quantities import FORCES as FORCES
from atomgraph.graph.quantities import QUANTITIES, Quantity
from atomgraph.graph.structure import get_labels
from atomgraph.potential import Potential
from atomgraph.progress import track

DUPLICATE = "twin_in_train"  # info key: the structure is a symmetry-equivalent duplicate of one in the training set


@dataclass(frozen=True)
class Described:
    """What a structure is: its place in the file, configuration type, source, formula, size, largest labelled force."""

    index: int
    config_type: str
    source: str
    formula: str
    n_atoms: int
    duplicate: bool
    max_force: float | None


@dataclass(frozen=True, eq=False)
class Sample:
    """One quantity of many structures, flat: labels and predictions (n,) in ``quantity.unit``, and whose they are (n,)."""

    quantity: Quantity
    reference: np.ndarray
    predicted: np.ndarray
    structure: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Predicted minus labelled, (n,)."""
        return self.predicted - self.reference

    def of(self, chosen: np.ndarray) -> Sample:
        """Only the rows of the structures for which ``chosen`` (n_structures,) is True."""
        rows = chosen[self.structure]
        return Sample(self.quantity, self.reference[rows], self.predicted[rows], self.structure[rows])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Only labelled quantities are in ``samples``, by name: energy per atom, force components, six stress components.

    Attributes:
        seconds: What the predictions took, graphs included; None where that was not measured.
    """

    structures: list[Described]
    samples: dict[str, Sample]
    seconds: float | None = None
    device: str = "cpu"
    _types: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_types", np.array([s.config_type for s in self.structures], dtype=object))

    @classmethod
    def of(
        cls,
        frames: Sequence[ase.Atoms],
        predictions: Sequence[Mapping[str, Any]],
        *,
        e0: Mapping[str, float] | None = None,
        seconds: float | None = None,
        device: str = "cpu",
    ) -> Comparison:
        """Labels of the frames, and the predictions for them.

        Args:
            e0: eV by chemical symbol, taken off both energies, so that they are not dominated by composition.
        """
        rows: dict[str, list[tuple[np.ndarray, np.ndarray, int]]] = {name: [] for name in QUANTITIES}
        structures = []
        for i, (atoms, predicted) in enumerate(zip(frames, predictions, strict=True)):
            labels = get_labels(atoms)
            structures.append(_describe(i, atoms, labels))
            offset = sum((e0 or {}).get(symbol, 0.0) for symbol in atoms.symbols)
            for name, label in labels.items():
                quantity = QUANTITIES[name]
                if name not in predicted or (quantity.needs_volume and not np.isfinite(predicted[name]).any()):
                    continue  # a structure without volume has no stress, whatever its label says
                both = (np.asarray(label), np.asarray(predicted[name]))
                if name == "energy":
                    both = (both[0] - offset, both[1] - offset)
                reference, prediction = (quantity.table_components(value, len(atoms)) for value in both)
                rows[name].append((reference, prediction, i))
        samples = {name: _sample(quantity, rows[name]) for name, quantity in QUANTITIES.items() if rows[name]}
        return cls(structures, samples, seconds, device)

    @property
    def config_types(self) -> list[str]:
        """Configuration types, sorted; ``default`` for structures without one."""
        return sorted(set(self._types))

    @property
    def n_atoms(self) -> int:
        return sum(s.n_atoms for s in self.structures)

    def among(self, config_type: str) -> np.ndarray:
        """(n_structures,) True for structures of this configuration type."""
        return np.asarray(self._types == config_type, dtype=bool)

    @property
    def duplicates(self) -> np.ndarray:
        """(n_structures,) True for structures that are symmetry-equivalent to one in the training set."""
        return np.array([s.duplicate for s in self.structures], dtype=bool)


def compare(
    potential: Potential | WrappedPotential, frames: Iterable[ase.Atoms], *, progress: bool = False
) -> Comparison:
    """Predict labelled structures, measure the time, and compare the results with the labels.

    Args:
        progress: A bar on the terminal.

    Raises:
        GraphError: For structures that the potential cannot take.
    """
    frames = list(frames)
    start = time.perf_counter()
    stress = any("stress" in get_labels(atoms) for atoms in frames)
    results = potential.iter_predict(frames, stress=stress)
    predictions = list(track(results, "predicting", len(frames), shown=progress))
    seconds = time.perf_counter() - start
    return Comparison.of(frames, predictions, e0=_e0(potential, frames), seconds=seconds, device=str(potential.device))


def _e0(potential: Potential | WrappedPotential, frames: Sequence[ase.Atoms]) -> dict[str, float]:
    """E0 of the head that is used; of the first frame's, where frames choose theirs."""
    head = potential.head or (str(frames[0].info.get("head")) if frames else None)
    return potential.model.baseline.e0_of(head if head in potential.heads else potential.heads[0])


def _describe(index: int, atoms: ase.Atoms, labels: Mapping[str, np.ndarray]) -> Described:
    forces = labels.get("forces")
    info = atoms.info
    return Described(
        index=index,
        config_type=str(info.get("config_type", "default")),
        source=str(info.get("source", "")),
        formula=atoms.get_chemical_formula(),
        n_atoms=len(atoms),
        duplicate=DUPLICATE in info and info[DUPLICATE] is not None and info[DUPLICATE] is not False,
        max_force=None if forces is None else float(np.linalg.norm(forces, axis=1).max()),
    )


def _sample(quantity: Quantity, rows: list[tuple[np.ndarray, np.ndarray, int]]) -> Sample:
    reference, predicted = (np.concatenate([row[k] for row in rows]) * quantity.factor for k in (0, 1))
    return Sample(quantity, reference, predicted, np.repeat([row[2] for row in rows], [len(row[0]) for row in rows]))
