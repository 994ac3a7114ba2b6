"""Check of the size of labels: impossible values, and scales that no unit explains."""

from __future__ import annotations

from math import log

import numpy as np

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import format_count, frame_names
from atomgraph.units import PRESSURE

LIMITS = {"energy": 50.0, "forces": 300.0, "stress": 2e4}  # eV/atom, eV/Å, GPa; larger median sizes are impossible
MAX_FORCE = 1e4  # eV/Å; larger forces are impossible
TITLES = {"energy": "energies relative to the composition", "forces": "forces", "stress": "stresses"}
HIGH_CORRELATION = 0.7  # labels and predictions with a smaller correlation are not compared in scale
UNUSUAL_SCALE = log(5)  # smallest log ratio of labels and predictions for a finding
ADVICE = "check the units of the file (data.units) and the numbers in the file"


def magnitude_findings(predictions: LabelledPredictions, explained: set[str]) -> list[Finding]:
    """Find labels with impossible values (``wrong``), and labels with another scale than predictions (a warning).

    Args:
        predictions: Labels and predictions of the starting model.
        explained: Quantities for which another unit was found; their scale is not a finding.

    Returns:
        Findings ``magnitude``.
    """
    sizes, units = _median_sizes(predictions), {"energy": "eV/atom", "forces": "eV/Å", "stress": "GPa"}
    impossible = [name for name, size in sizes.items() if size > LIMITS[name]]
    findings = [_impossible_quantity(name, sizes[name], units[name]) for name in impossible]
    if "forces" not in impossible:
        findings += _impossible_structures(predictions)
    return findings + _unusual_scales(predictions, explained | set(impossible))


def _median_sizes(predictions: LabelledPredictions) -> dict[str, float]:
    """Return median sizes of labels: energies relative to the composition, eV/atom; forces, eV/Å; stresses, GPa."""
    median = {}
    if len(predictions.energies[0]) > 1:
        median["energy"] = float(np.median(np.abs(predictions.composition_residuals[0])))
    for name, unit in (("forces", 1.0), ("stress", PRESSURE["GPa"])):
        sizes = [np.sqrt((label[name] ** 2).mean()) for label in predictions.labels if name in label]
        if sizes:
            median[name] = float(np.median(sizes)) / unit
    return median


def _impossible_quantity(name: str, size: float, unit: str) -> Finding:
    """Make the finding for a quantity whose median size is impossible."""
    message = f"{TITLES[name]} have a median size of {size:.3g} {unit}, which is impossible"
    return Finding("magnitude", WRONG, [], size, unit, message, ADVICE)


def _impossible_structures(predictions: LabelledPredictions) -> list[Finding]:
    """Find single structures with an impossible force."""
    max_forces = {
        i: float(np.abs(label["forces"]).max()) for i, label in enumerate(predictions.labels) if "forces" in label
    }
    rows = [i for i, size in max_forces.items() if size > MAX_FORCE]
    if not rows:
        return []
    size, names = max(max_forces[i] for i in rows), frame_names(predictions.frames, rows)
    subject = f"{format_count(len(rows), 'structure')} {'has' if len(rows) == 1 else 'have'}"
    message = f"{subject} forces up to {size:.3g} eV/Å: {', '.join(names[:3])}"
    return [Finding("magnitude", WRONG, names, size, "eV/Å", message, "remove these structures")]


def _unusual_scales(predictions: LabelledPredictions, explained: set[str]) -> list[Finding]:
    """Find correlated labels with another scale than predictions."""
    findings = []
    for name, agreement in predictions.agreements.items():
        if (
            name not in explained
            and agreement.correlation > 0
            and agreement.min_abs_correlation > HIGH_CORRELATION
            and abs(log(agreement.ratio)) > UNUSUAL_SCALE
        ):
            message = (
                f"{name} labels have another scale than predictions, which no unit explains: {agreement.describe()}"
            )
            advice = f"{ADVICE}; or the starting model is not trained"
            findings.append(Finding("magnitude", WARNING, [], agreement.ratio, "", message, advice))
    return findings
