"""E0 for new labels on an old model: what is added to each element, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.e0_shift import EnergyShift
from atomgraph.errors import ConfigError, DataError
from atomgraph.potential import Potential

ALIKE = 1e-3  # eV between two isolated atoms of one element


@dataclass(frozen=True, eq=False)
class E0Change:
    """What is added to E0 of a head, eV by chemical symbol, and why; the shift where it was estimated."""

    head: str
    by_element: dict[str, float]
    origin: str
    shift: EnergyShift | None = None

    def apply(self, potential: Potential) -> None:
        """Add it to the potential's E0 of this head alone, and write down where it comes from."""
        baseline, row = potential.model.baseline, potential.heads.index(self.head)
        for symbol, value in self.by_element.items():
            baseline.e0[row, potential.elements.index(symbol)] += value
        potential.metadata["e0_origin"] = self.origin
        shifts = {head: record for head, record in potential.metadata.get("e0_shift", {}).items() if head != self.head}
        if self.shift is not None:
            shifts[self.head] = self.shift.to_json()
        potential.metadata["e0_shift"] = shifts


def e0_change(
    potential: Potential, evidence: LabelledPredictions, head: str, policy: str | Mapping[str, float] = "estimate"
) -> E0Change:
    """What a policy adds to E0 of a head.

    Args:
        evidence: Of the structures to be trained on, from this head.
        policy: ``estimate``, the least-squares shift of label − prediction, of minimum norm; ``isolated``, so that free
            atoms get the labels of the frames of one atom; ``foundation``, nothing; or E0 by chemical symbol, eV.

    Raises:
        DataError: Where there is no energy to estimate from, or no isolated atom of an element
        ConfigError: For an element without E0, or one that the potential does not know, and for an unknown policy.
    """
    if policy == "foundation":
        return E0Change(head, {}, "that of the starting model")
    if policy == "estimate":
        return _estimated(evidence, head)
    if policy == "isolated":
        return _isolated(evidence, head)
    if isinstance(policy, str):
        raise ConfigError(f"e0 should be estimate, isolated, foundation or energies by element, but is {policy!r}")
    return _given(potential, evidence, head, policy)


def _estimated(evidence: LabelledPredictions, head: str) -> E0Change:
    shift = evidence.shift
    if shift is None:
        raise DataError("the training part has no energy to estimate E0 from; set e0: foundation, or give energies")
    origin = f"that of the starting model and the least-squares shift of label − prediction: {shift.describe()}"
    return E0Change(head, shift.by_element, origin, shift)


def _isolated(evidence: LabelledPredictions, head: str) -> E0Change:
    result: dict[str, list[float]] = {}
    for atoms, label, predicted in zip(evidence.frames, evidence.labels, evidence.predictions, strict=True):
        if len(atoms) == 1 and not atoms.pbc.any() and "energy" in label:
            result.setdefault(atoms.symbols[0], []).append(float(label["energy"]) - predicted["energy"])
    missing = [symbol for symbol in evidence.elements if symbol not in result]
    if missing:
        raise DataError(
            f"e0: isolated: no isolated atom with an energy for {', '.join(missing)} in the training part; add such frames, "
            "give e0 by hand, or set e0: estimate"
        )
    for symbol, values in result.items():
        if np.ptp(values) > ALIKE:
            raise DataError(
                f"e0: isolated: atoms of {symbol} have energies {np.ptp(values):.6f} eV apart; keep one of them"
            )
    change = {symbol: float(np.mean(values)) for symbol, values in result.items()}
    return E0Change(head, change, "isolated atoms of the training part: the model gives free atoms their labels")


def _given(potential: Potential, evidence: LabelledPredictions, head: str, e0: Mapping[str, float]) -> E0Change:
    missing = [symbol for symbol in evidence.elements if symbol not in e0]
    if missing:
        raise ConfigError(f"e0 lacks {', '.join(missing)}, which the training structures hold")
    strange = [symbol for symbol in e0 if symbol not in potential.elements]
    if strange:
        raise ConfigError(f"e0 names {', '.join(strange)}; the starting model knows {', '.join(potential.elements)}")
    now = potential.model.baseline.e0_of(head)
    return E0Change(head, {symbol: e0[symbol] - now[symbol] for symbol in e0}, "given in the configuration")
