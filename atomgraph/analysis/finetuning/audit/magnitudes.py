"""Labels of a size that nothing in nature has, or that no unit explains."""

from __future__ import annotations

from math import log

import numpy as np

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import format_count, frame_names
from atomgraph.units import PRESSURE

LIMITS = {"energy": 50.0, "forces": 300.0, "stress": 2e4}  # eV/atom, eV/Å, GPa: what no set has as its typical size
ANY_FORCE = 1e4  # eV/Å: what no atom of a useful structure feels
WORDS = {"energy": "energies beyond composition", "forces": "forces", "stress": "stresses"}
SURE, STRANGE = 0.7, log(5)  # a correlation from which scales can be compared, and a scale that calls for a reason
ADVICE = "look at the units of the file (data.units) and at the numbers in it"


def magnitude_findings(evidence: LabelledPredictions, explained: set[str]) -> list[Finding]:
    """``magnitude``: absurd numbers (``wrong``), and scales far from the predictions' that are not among ``explained``.

    Args:
        explained: Quantities for which a unit was found.
    """
    typical, known = _typical(evidence), {"energy": "eV/atom", "forces": "eV/Å", "stress": "GPa"}
    absurd = [name for name, size in typical.items() if size > LIMITS[name]]
    findings = [_absurd(name, typical[name], known[name]) for name in absurd]
    if "forces" not in absurd:
        findings += _single(evidence)
    return findings + _unexplained(evidence, explained | set(absurd))


def _typical(evidence: LabelledPredictions) -> dict[str, float]:
    """Typical sizes: energies beyond composition, eV/atom; forces, eV/Å; stresses, GPa."""
    typical = {}
    if len(evidence.energies[0]) > 1:
        typical["energy"] = float(np.median(np.abs(evidence.beyond_composition[0])))
    for name, unit in (("forces", 1.0), ("stress", PRESSURE["GPa"])):
        sizes = [np.sqrt((label[name] ** 2).mean()) for label in evidence.labels if name in label]
        if sizes:
            typical[name] = float(np.median(sizes)) / unit
    return typical


def _absurd(name: str, size: float, unit: str) -> Finding:
    message = f"{WORDS[name]} are typically {size:.3g} {unit}, which no stable or unstable structure has"
    return Finding("magnitude", WRONG, [], size, unit, message, ADVICE)


def _single(evidence: LabelledPredictions) -> list[Finding]:
    """Single structures with an impossible force."""
    largest = {i: float(np.abs(label["forces"]).max()) for i, label in enumerate(evidence.labels) if "forces" in label}
    rows = [i for i, size in largest.items() if size > ANY_FORCE]
    if not rows:
        return []
    size, names = max(largest[i] for i in rows), frame_names(evidence.frames, rows)
    subject = f"{format_count(len(rows), 'structure')} {'has' if len(rows) == 1 else 'have'}"
    message = f"{subject} forces up to {size:.3g} eV/Å: {', '.join(names[:3])}"
    return [Finding("magnitude", WRONG, names, size, "eV/Å", message, "leave these structures out")]


def _unexplained(evidence: LabelledPredictions, explained: set[str]) -> list[Finding]:
    findings = []
    for name, agreement in evidence.agreements.items():
        if (
            name not in explained
            and agreement.correlation > 0
            and agreement.strength > SURE
            and abs(log(agreement.ratio)) > STRANGE
        ):
            message = (
                f"{name} labels have another scale than predictions, which no unit explains: {agreement.describe()}"
            )
            advice = f"{ADVICE}; or the starting model is not trained"
            findings.append(Finding("magnitude", WARNING, [], agreement.ratio, "", message, advice))
    return findings
