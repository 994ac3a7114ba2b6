"""Comparison of predictions with labels, structure by structure."""

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
from atomgraph.old_names import OldAttribute, old_names_of, warn_old_name
from atomgraph.potential import Potential
from atomgraph.progress import track

#: Key in ``atoms.info`` of structures that are symmetry-equivalent to a structure of the training set.
DUPLICATE_KEY = "twin_in_train"


@dataclass(frozen=True)
class StructureInfo:
    """Description of a structure in error tables.

    Attributes:
        index: Index of the structure in the list, from 0.
        config_type: Configuration type; ``default`` for structures without one.
        source: Path of the file; empty if unknown.
        formula: Chemical formula.
        n_atoms: Number of atoms.
        duplicate: Whether the structure is symmetry-equivalent to a structure of the training set.
        max_force: Norm of the largest labelled force, eV/Å; None without labelled forces.
    """

    index: int
    config_type: str
    source: str
    formula: str
    n_atoms: int
    duplicate: bool
    max_force: float | None

    twin = OldAttribute("duplicate")


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels and predictions of one quantity for many structures, as flat arrays of n values.

    A structure has one value for the energy (per atom), 3 n_atoms for forces and 6 for the stress.

    Attributes:
        quantity: The quantity.
        reference: Labels, (n,), in ``quantity.unit``.
        predicted: Predictions, (n,), in ``quantity.unit``.
        structure_index: Index of the structure of each value, (n,).
    """

    quantity: Quantity
    reference: np.ndarray
    predicted: np.ndarray
    structure_index: np.ndarray

    structure = OldAttribute("structure_index")
    of = OldAttribute("select")

    @property
    def error(self) -> np.ndarray:
        """Predictions minus labels, (n,), in ``quantity.unit``."""
        return self.predicted - self.reference

    def select(self, structure_mask: np.ndarray) -> Sample:
        """Return the labels and predictions of selected structures.

        Args:
            structure_mask: True for the structures to select, (n_structures,).
        """
        rows = structure_mask[self.structure_index]
        return Sample(self.quantity, self.reference[rows], self.predicted[rows], self.structure_index[rows])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Labels and predictions of many structures.

    Attributes:
        structures: Description of each structure.
        samples: Labels and predictions of each labelled quantity, by name: energies per atom, components of forces, and
            the six components of stresses.
        seconds: Wall time of the predictions, s, including the time to build graphs; None if not measured.
        device: Device of the predictions.
    """

    structures: list[StructureInfo]
    samples: dict[str, Sample]
    seconds: float | None = None
    device: str = "cpu"
    _types: np.ndarray = field(init=False)

    among = OldAttribute("config_type_mask")

    def __post_init__(self) -> None:
        object.__setattr__(self, "_types", np.array([s.config_type for s in self.structures], dtype=object))

    @classmethod
    def from_predictions(
        cls,
        frames: Sequence[ase.Atoms],
        predictions: Sequence[Mapping[str, Any]],
        *,
        e0: Mapping[str, float] | None = None,
        seconds: float | None = None,
        device: str = "cpu",
    ) -> Comparison:
        """Compare the labels of structures with predictions.

        Args:
            frames: Structures with labels.
            predictions: Results of ``Potential.predict`` for each structure, in the same order.
            e0: Energies by chemical symbol, eV; None for zero. They are subtracted from labelled and predicted energies, so
                that statistics of energies do not depend mainly on composition.
            seconds: Wall time of the predictions, s; None if not measured.
            device: Device of the predictions.
        """
        # by quantity: (labels, predictions, index of the structure)
        values: dict[str, list[tuple[np.ndarray, np.ndarray, int]]] = {name: [] for name in QUANTITIES}
        structures = []
        for i, (atoms, result) in enumerate(zip(frames, predictions, strict=True)):
            labels = get_labels(atoms)
            structures.append(_structure_info(i, atoms, labels))
            e0_sum = sum((e0 or {}).get(symbol, 0.0) for symbol in atoms.symbols)
            for name, label in labels.items():
                quantity = QUANTITIES[name]
                if name not in result or (quantity.needs_volume and not np.isfinite(result[name]).any()):
                    continue  # the stress of a structure without volume is undefined, also if the file has a label
                pair = (np.asarray(label), np.asarray(result[name]))
                if name == "energy":
                    pair = (pair[0] - e0_sum, pair[1] - e0_sum)
                # flat arrays: the energy per atom, the components of the forces, or six components of the stress
                reference, predicted = (quantity.table_components(value, len(atoms)) for value in pair)
                values[name].append((reference, predicted, i))
        samples = {name: _sample(quantity, values[name]) for name, quantity in QUANTITIES.items() if values[name]}
        return cls(structures, samples, seconds, device)

    @classmethod
    def of(cls, frames: Sequence[ase.Atoms], predictions: Sequence[Mapping[str, Any]], **options: Any) -> Comparison:
        """``from_predictions`` under its old name."""
        warn_old_name("Comparison.of", "Comparison.from_predictions")
        return cls.from_predictions(frames, predictions, **options)

    @property
    def config_types(self) -> list[str]:
        """Configuration types, sorted; ``default`` for structures without one."""
        return sorted(set(self._types))

    @property
    def n_atoms(self) -> int:
        """Number of atoms in all structures."""
        return sum(s.n_atoms for s in self.structures)

    def config_type_mask(self, config_type: str) -> np.ndarray:
        """Return a mask, (n_structures,), that is True for structures of a configuration type."""
        return np.asarray(self._types == config_type, dtype=bool)

    @property
    def duplicate_mask(self) -> np.ndarray:
        """True for structures that are symmetry-equivalent to a structure of the training set, (n_structures,)."""
        return np.array([s.duplicate for s in self.structures], dtype=bool)

    twins = OldAttribute("duplicate_mask")


def compare(
    potential: Potential | WrappedPotential, frames: Iterable[ase.Atoms], *, progress: bool = False
) -> Comparison:
    """Predict labelled structures, measure the time, and compare the predictions with the labels.

    Args:
        potential: Potential to evaluate.
        frames: Structures with labels, in any iterable.
        progress: Whether a progress bar is shown in the terminal.

    Raises:
        GraphError: If a structure has unknown elements, or no graph can be built from it.
    """
    frames = list(frames)
    start = time.perf_counter()
    stress = any("stress" in get_labels(atoms) for atoms in frames)
    results = potential.iter_predict(frames, stress=stress)
    predictions = list(track(results, "predicting", len(frames), shown=progress))
    seconds = time.perf_counter() - start
    e0, device = _e0(potential, frames), str(potential.device)
    return Comparison.from_predictions(frames, predictions, e0=e0, seconds=seconds, device=device)


def _e0(potential: Potential | WrappedPotential, frames: Sequence[ase.Atoms]) -> dict[str, float]:
    """Return E0 by chemical symbol, eV, of the head in use.

    If the potential has no chosen head, the head of the first structure is used, or else the first head of the potential.
    """
    head = potential.head or (str(frames[0].info.get("head")) if frames else None)
    return potential.model.baseline.e0_of(head if head in potential.heads else potential.heads[0])


def _structure_info(index: int, atoms: ase.Atoms, labels: Mapping[str, np.ndarray]) -> StructureInfo:
    """Return the description of a structure with its labels."""
    forces = labels.get("forces")
    info = atoms.info
    return StructureInfo(
        index=index,
        config_type=str(info.get("config_type", "default")),
        source=str(info.get("source", "")),
        formula=atoms.get_chemical_formula(),
        n_atoms=len(atoms),
        duplicate=DUPLICATE_KEY in info and info[DUPLICATE_KEY] is not None and info[DUPLICATE_KEY] is not False,
        max_force=None if forces is None else float(np.linalg.norm(forces, axis=1).max()),
    )


def _sample(quantity: Quantity, values: list[tuple[np.ndarray, np.ndarray, int]]) -> Sample:
    """Join (labels, predictions, index) of structures into a sample in ``quantity.unit``."""
    reference, predicted = (np.concatenate([row[k] for row in values]) * quantity.factor for k in (0, 1))
    index = np.repeat([row[2] for row in values], [len(row[0]) for row in values])
    return Sample(quantity, reference, predicted, index)


__getattr__ = old_names_of(__name__)
