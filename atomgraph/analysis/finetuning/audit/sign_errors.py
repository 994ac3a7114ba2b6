"""Check for labels with the wrong sign: some labels are correlated with predictions, others anticorrelated."""

from __future__ import annotations

from atomgraph.analysis.finetuning.audit.agreement import Agreement
from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, WRONG, Finding

# Limits for the lower end of the confidence interval of an absolute correlation
HIGH_CORRELATION = 0.7  # for findings with severity ``wrong``
FAIR_CORRELATION = 0.5  # for warnings
SUPPORTING_CORRELATION = 0.1  # smallest correlation of another quantity, for a warning about forces
FORCES_ONLY_CORRELATION = 0.9  # smallest anticorrelation of forces, for a warning without other quantities
ADVICE = {
    "energy": "energies must be lower where atoms are bound: negate those in the file",
    "forces": "the file contains gradients dE/dx, and forces are −dE/dx: set data.units.forces_sign: gradient",
    "stress": "set data.units.stress_sign: compression (for files with virials, virial_sign: tension)",
}


def sign_findings(predictions: LabelledPredictions) -> list[Finding]:
    """Find labels that probably have the wrong sign.

    Forces and stresses of any model are derivatives of its energy. If a model is bad, all its predictions are bad. If one
    quantity is anticorrelated while another one is correlated, the labels are probably wrong.

    A finding has the severity ``wrong`` if both correlations are high and one of the quantities is forces. An untrained model
    rarely has such correlations by chance. Otherwise the severity is ``warning``.

    Args:
        predictions: Labels and predictions of the starting model.

    Returns:
        Findings ``energy sign``, ``forces sign`` and ``stress sign``.
    """
    agreements = predictions.agreements
    findings = []
    for name, agreement in agreements.items():
        others = [entry for key, entry in agreements.items() if key != name]
        limit = SUPPORTING_CORRELATION if name == "forces" else FAIR_CORRELATION
        correlated = [entry for entry in others if entry.correlation > 0 and entry.min_abs_correlation > limit]
        if agreement.correlation > 0 or agreement.min_abs_correlation < FAIR_CORRELATION:
            continue
        if correlated:
            # forces are preferred, then the highest correlation
            reference = max(correlated, key=lambda entry: (entry.quantity == "forces", entry.min_abs_correlation))
            findings.append(_contradiction(agreement, reference))
        elif (
            name == "forces"
            and agreement.min_abs_correlation > FORCES_ONLY_CORRELATION
            and not any(entry.min_abs_correlation > FAIR_CORRELATION for entry in others)
        ):
            reason = "no other quantity confirms the predictions, so the starting model may be wrong"
            findings.append(_finding(agreement, WARNING, reason))
    return findings


def _contradiction(anticorrelated: Agreement, reference: Agreement) -> Finding:
    """Make the finding for a quantity whose sign contradicts that of a correlated quantity."""
    has_forces = "forces" in (anticorrelated.quantity, reference.quantity)
    is_certain = (
        has_forces and min(anticorrelated.min_abs_correlation, reference.min_abs_correlation) > HIGH_CORRELATION
    )
    reason = f"{reference.quantity} labels agree with predictions (correlation {reference.correlation:+.2f})"
    return _finding(anticorrelated, WRONG if is_certain else WARNING, reason)


def _finding(agreement: Agreement, severity: str, reason: str) -> Finding:
    """Make the finding for an anticorrelated quantity; ``reason`` is the reason to expect a wrong sign of the labels."""
    name = agreement.quantity
    message = f"{name} labels have the opposite sign of the predictions: {agreement.describe()}; {reason}"
    return Finding(f"{name} sign", severity, [], agreement.correlation, "", message, ADVICE[name])
