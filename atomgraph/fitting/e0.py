"""Change of E0 for fine-tuning: the energy added per atom of each element, and its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.e0_shift import EnergyShift
from atomgraph.errors import ConfigError, DataError
from atomgraph.old_names import old_names_of, with_old_arguments
from atomgraph.potential import Potential

TOLERANCE = 1e-3  # largest difference between the energies of two isolated atoms of one element, eV


@dataclass(frozen=True, eq=False)
class E0Change:
    """Change of E0 of one head.

    Attributes:
        head: Name of the head.
        by_element: Energy added to E0, eV, by chemical symbol.
        origin: Description of the new E0, for the metadata.
        shift: Least-squares shift; None if E0 was not estimated.
    """

    head: str
    by_element: dict[str, float]
    origin: str
    shift: EnergyShift | None = None

    def apply(self, potential: Potential) -> None:
        """Change E0 of this head in the potential, and store the origin in its metadata."""
        baseline, row = potential.model.baseline, potential.heads.index(self.head)
        for symbol, value in self.by_element.items():
            baseline.e0[row, potential.elements.index(symbol)] += value
        potential.metadata["e0_origin"] = self.origin
        shifts = {head: record for head, record in potential.metadata.get("e0_shift", {}).items() if head != self.head}
        if self.shift is not None:
            shifts[self.head] = self.shift.to_json()
        potential.metadata["e0_shift"] = shifts


@with_old_arguments
def compute_e0_change(
    potential: Potential, predictions: LabelledPredictions, head: str, policy: str | Mapping[str, float] = "estimate"
) -> E0Change:
    """Compute the change of E0 of a head.

    Args:
        potential: Starting model.
        predictions: Labels and predictions of this head for the training structures.
        head: Name of the head.
        policy: ``estimate`` adds the least-squares shift of label − prediction, of minimum norm. ``isolated`` shifts E0 so
            that predictions for isolated atoms equal their labels. ``foundation`` changes nothing. A mapping sets E0 by
            chemical symbol, eV.

    Raises:
        DataError: If there is no energy for an estimate, no isolated atom of an element, or isolated atoms of an element
            have different energies.
        ConfigError: If a mapping lacks an element of the structures or has one that the potential lacks, or the policy is
            unknown.
    """
    if policy == "foundation":
        return E0Change(head, {}, "that of the starting model")
    if policy == "estimate":
        return _estimate(predictions, head)
    if policy == "isolated":
        return _match_isolated_atoms(predictions, head)
    if isinstance(policy, str):
        raise ConfigError(f"e0 should be estimate, isolated, foundation or energies by element, but is {policy!r}")
    return _set_values(potential, predictions, head, policy)


def _estimate(predictions: LabelledPredictions, head: str) -> E0Change:
    shift = predictions.shift
    if shift is None:
        raise DataError("the training part has no energy to estimate E0 from; set e0: foundation, or give energies")
    origin = f"that of the starting model and the least-squares shift of label − prediction: {shift.describe()}"
    return E0Change(head, shift.by_element, origin, shift)


def _match_isolated_atoms(predictions: LabelledPredictions, head: str) -> E0Change:
    differences: dict[str, list[float]] = {}
    for atoms, label, predicted in zip(predictions.frames, predictions.labels, predictions.results, strict=True):
        if len(atoms) == 1 and not atoms.pbc.any() and "energy" in label:
            differences.setdefault(atoms.symbols[0], []).append(float(label["energy"]) - predicted["energy"])
    missing = [symbol for symbol in predictions.elements if symbol not in differences]
    if missing:
        raise DataError(
            f"e0: isolated: no isolated atom with an energy for {', '.join(missing)} in the training part; add such frames, "
            "give e0 by hand, or set e0: estimate"
        )
    for symbol, values in differences.items():
        if np.ptp(values) > TOLERANCE:
            raise DataError(
                f"e0: isolated: energies of isolated {symbol} atoms differ by {np.ptp(values):.6f} eV; keep one of them"
            )
    change = {symbol: float(np.mean(values)) for symbol, values in differences.items()}
    return E0Change(
        head, change, "isolated atoms of the training part: predictions of isolated atoms equal their labels"
    )


def _set_values(potential: Potential, predictions: LabelledPredictions, head: str, e0: Mapping[str, float]) -> E0Change:
    missing = [symbol for symbol in predictions.elements if symbol not in e0]
    if missing:
        raise ConfigError(f"e0 lacks {', '.join(missing)}, which are elements of the training structures")
    unknown = [symbol for symbol in e0 if symbol not in potential.elements]
    if unknown:
        raise ConfigError(
            f"e0 names {', '.join(unknown)}; the elements of the starting model are {', '.join(potential.elements)}"
        )
    current = potential.model.baseline.e0_of(head)
    return E0Change(head, {symbol: e0[symbol] - current[symbol] for symbol in e0}, "given in the configuration")


__getattr__ = old_names_of(__name__)
