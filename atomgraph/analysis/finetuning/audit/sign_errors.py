"""Labels with the wrong sign: the labels of one structure contradict one another, and a model shows which."""

from __future__ import annotations

from atomgraph.analysis.finetuning.audit.correlation import Agreement
from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, WRONG, Finding

SURE, FAIR = 0.7, 0.5  # correlations, by the cautious end of their interval
HINT = 0.1  # energies that agree at all while forces are opposed: worth a warning
ALONE = 0.9  # opposed so clearly that it is worth a word without any other label
WAYS_OUT = {
    "energy": "energies must be lower where atoms are bound: negate those in the file",
    "forces": "the file holds gradients dE/dx, and forces are −dE/dx: set data.units.forces_sign: gradient",
    "stress": "set data.units.stress_sign: compression (where the file holds virials, virial_sign: tension)",
}


def sign_findings(evidence: LabelledPredictions) -> list[Finding]:
    """``energy sign``, ``forces sign``, ``stress sign``: labels that go against the predictions.

    Forces and stresses of any model are gradients of its energy. A model that is no good errs in all of
    them; only where one quantity is opposed while another one agrees can the data be at fault. It is ``wrong`` where both
    are clear and one of the two are forces, which models of random weights seldom meet by accident; else it is a warning.
    """
    agreements = evidence.agreements
    findings = []
    for name, opposed in agreements.items():
        others = [agreement for key, agreement in agreements.items() if key != name]
        least = HINT if name == "forces" else FAIR
        agreeing = [agreement for agreement in others if agreement.correlation > 0 and agreement.strength > least]
        if opposed.correlation > 0 or opposed.strength < FAIR:
            continue
        if agreeing:
            findings.append(
                _against(
                    opposed, max(agreeing, key=lambda agreement: (agreement.quantity == "forces", agreement.strength))
                )
            )
        elif (
            name == "forces" and opposed.strength > ALONE and not any(agreement.strength > FAIR for agreement in others)
        ):
            doubt = "there is nothing else to compare, so the starting model may be at fault"
            findings.append(_finding(opposed, WARNING, doubt))
    return findings


def _against(opposed: Agreement, reference: Agreement) -> Finding:
    by_forces = "forces" in (opposed.quantity, reference.quantity)
    certain = by_forces and min(opposed.strength, reference.strength) > SURE
    reason = f"{reference.quantity} labels agree with them (correlation {reference.correlation:+.2f})"
    return _finding(opposed, WRONG if certain else WARNING, reason)


def _finding(opposed: Agreement, severity: str, reason: str) -> Finding:
    message = f"{opposed.quantity} labels go against the predictions: {opposed.describe()}; {reason}"
    return Finding(
        f"{opposed.quantity} sign", severity, [], opposed.correlation, "", message, WAYS_OUT[opposed.quantity]
    )
