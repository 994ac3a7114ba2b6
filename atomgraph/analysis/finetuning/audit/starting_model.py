"""The starting model itself: whether it says anything about these structures, and whether another head says more."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, Finding
from atomgraph.graph.structure import get_labels
from atomgraph.potential import Potential

SAYS_SOMETHING = 0.5  # a correlation, by the cautious end of its interval
BETTER, MOSTLY = 0.5, 0.9  # another head's error against this one's, and in what share of the structures
LOOKED_AT = 40  # structures that other heads are tried on


def start_findings(evidence: LabelledPredictions) -> list[Finding]:
    """``start``: a model without information on the structures, so that no label can be checked with it."""
    agreements = evidence.agreements
    if any(agreement.correlation > 0 and agreement.strength > SAYS_SOMETHING for agreement in agreements.values()):
        return []
    if not agreements:
        message = "too few labels to say whether the starting model knows anything of these structures"
        return [Finding("start", WARNING, [], 0.0, "", message, "see the report card")]
    best = max(agreements.values(), key=lambda agreement: agreement.correlation)
    words = "; ".join(f"{name}: {agreement.describe()}" for name, agreement in agreements.items())
    message = f"labels do not go with what the starting model predicts, so that it cannot tell units and signs: {words}"
    advice = "training from scratch may do as well; if the model ought to know such structures, look at the data"
    return [Finding("start", WARNING, [], best.correlation, "", message, advice)]


def head_findings(potential: Potential, frames: Sequence[ase.Atoms], head: str) -> list[Finding]:
    """``head``: another head whose forces are nearer to the labels, by half at least and in nearly all structures."""
    with_forces = [atoms for atoms in frames if len(atoms) > 1 and "forces" in get_labels(atoms)]
    looked_at = with_forces[:: max(1, len(with_forces) // LOOKED_AT)]
    if len(potential.heads) < 2 or len(looked_at) < 4:
        return []
    errors = {name: _force_errors(LabelledPredictions.of(potential, looked_at, name)) for name in potential.heads}
    mine = errors.pop(head)
    best = min(errors, key=lambda name: float(np.median(errors[name])))
    better = float(np.mean(errors[best] < BETTER * mine))
    if better < MOSTLY:
        return []
    message = (
        f"forces of the head {best!r} are off by {np.median(errors[best]):.3g} eV/Å (RMS) and those of the chosen head "
        f"{head!r} by {np.median(mine):.3g}; it is better by half in {better:.0%} of {len(looked_at)} structures"
    )
    return [Finding("head", WARNING, [], better, "", message, f"set start.head: {best}")]


def _force_errors(evidence: LabelledPredictions) -> np.ndarray:
    """(n_structures,) RMS, eV/Å."""
    return np.array(
        [
            np.sqrt(((label["forces"] - result["forces"]) ** 2).mean())
            for label, result in zip(evidence.labels, evidence.predictions, strict=True)
        ]
    )
