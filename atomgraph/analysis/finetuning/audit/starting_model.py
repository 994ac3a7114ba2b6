"""Checks of the starting model: correlation of its predictions with labels, and errors of its other heads."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, Finding
from atomgraph.graph.structure import get_labels
from atomgraph.potential import Potential

FAIR_CORRELATION = 0.5  # a model is useful if the lower end of the confidence interval of a correlation exceeds this
ERROR_RATIO = 0.5  # a head is better in a structure if its force error is at most half of that of the chosen head
MIN_FRACTION = 0.9  # fraction of structures in which another head must be better
N_STRUCTURES = 40  # approximate number of structures for the comparison of heads


def start_findings(predictions: LabelledPredictions) -> list[Finding]:
    """Find a starting model whose predictions are not correlated with labels, so that they cannot be used to check labels.

    Args:
        predictions: Labels and predictions of the starting model.

    Returns:
        One finding ``start``, or none.
    """
    agreements = predictions.agreements
    if any(
        agreement.correlation > 0 and agreement.min_abs_correlation > FAIR_CORRELATION
        for agreement in agreements.values()
    ):
        return []
    if not agreements:
        message = "too few labels to compare with the predictions of the starting model"
        return [Finding("start", WARNING, [], 0.0, "", message, "read the report card after training")]
    best_agreement = max(agreements.values(), key=lambda agreement: agreement.correlation)
    texts = "; ".join(f"{name}: {agreement.describe()}" for name, agreement in agreements.items())
    message = f"labels are not correlated with predictions of the starting model, so units and signs cannot be checked: {texts}"
    advice = "training from scratch may be as good; if the model was trained on similar structures, check the data"
    return [Finding("start", WARNING, [], best_agreement.correlation, "", message, advice)]


def head_findings(potential: Potential, frames: Sequence[ase.Atoms], head: str) -> list[Finding]:
    """Find another head with at most half the force error in at least 90 % of the structures.

    Args:
        potential: The starting potential.
        frames: Training structures with labels.
        head: Name of the chosen head.

    Returns:
        One finding ``head``, or none.
    """
    frames_with_forces = [atoms for atoms in frames if len(atoms) > 1 and "forces" in get_labels(atoms)]
    sample = frames_with_forces[:: max(1, len(frames_with_forces) // N_STRUCTURES)]
    if len(potential.heads) < 2 or len(sample) < 4:
        return []
    errors = {
        name: _force_errors(LabelledPredictions.from_potential(potential, sample, name)) for name in potential.heads
    }
    chosen_errors = errors.pop(head)
    best_head = min(errors, key=lambda name: float(np.median(errors[name])))
    fraction = float(np.mean(errors[best_head] < ERROR_RATIO * chosen_errors))
    if fraction < MIN_FRACTION:
        return []
    message = (
        f"the RMSE of forces is {np.median(errors[best_head]):.3g} eV/Å with the head {best_head!r}, and "
        f"{np.median(chosen_errors):.3g} eV/Å with the chosen head {head!r}; the first error is at most half as large in "
        f"{fraction:.0%} of {len(sample)} structures"
    )
    return [Finding("head", WARNING, [], fraction, "", message, f"set start.head: {best_head}")]


def _force_errors(predictions: LabelledPredictions) -> np.ndarray:
    """Return the RMSE of the forces of each structure, (n_structures,), eV/Å."""
    return np.array(
        [
            np.sqrt(((label["forces"] - result["forces"]) ** 2).mean())
            for label, result in zip(predictions.labels, predictions.results, strict=True)
        ]
    )
