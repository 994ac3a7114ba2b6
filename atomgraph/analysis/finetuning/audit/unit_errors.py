"""Check for labels in another unit: labels differ from predictions by the factor between two units."""

from __future__ import annotations

from math import log

import numpy as np

from atomgraph.analysis.finetuning.audit.agreement import Agreement
from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.units import ENERGY, FORCE, PRESSURE

INTERNAL_UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å^3"}
#: Units that are recognised, by quantity, with their values in internal units.
CANDIDATE_UNITS: dict[str, dict[str, float]] = {
    "energy": {name: ENERGY[name] for name in ("meV", "kJ/mol", "kcal/mol", "Ry", "Hartree")},
    "forces": {
        name: FORCE[name]
        for name in (
            "meV/Å",
            "kJ/mol/Å",
            "kcal/mol/Å",
            "kJ/mol/nm",
            "eV/Bohr",
            "Ry/Å",
            "Hartree/Å",
            "Ry/Bohr",
            "Hartree/Bohr",
        )
    },
    "stress": {name: PRESSURE[name] for name in ("bar", "kbar", "GPa", "Ry/Bohr^3", "Hartree/Bohr^3")},
}
# Limits for the lower end of the confidence interval of an absolute correlation
HIGH_CORRELATION = 0.7  # for findings with severity ``wrong``, and for reference quantities
FAIR_CORRELATION = 0.5  # for warnings
# correlation of forces above which the model was certainly trained, so that its scale is right
TRAINED_CORRELATION = 0.95
#: Largest difference between log(ratio of labels and predictions) and log(ratio of units), for a finding with severity
#: ``wrong`` and for a warning.
ERROR_DIFFERENCE, WARNING_DIFFERENCE = log(1.2), log(1.45)
NORMAL_SCALE = log(1.6)  # smaller absolute log ratios have other causes, such as soft models or another functional
REFERENCE_SCALE = log(3)  # largest |log(labels / predictions)| of a quantity that shows how soft the model is
MIN_ERROR_SCALE = 2 * NORMAL_SCALE  # units with a smaller log ratio give warnings only
TOTAL_ENERGY_TOLERANCE = 0.03  # largest relative difference between a ratio of total energies and a ratio of units


def unit_findings(predictions: LabelledPredictions) -> list[Finding]:
    """Find labels that are probably in another unit.

    The ratio of labels and predictions is compared with ratios of units, if labels and predictions are correlated. A soft
    model has too small energies, forces and stresses. Ratios are therefore divided by the ratio of a reference quantity:
    forces, or energies for the forces.

    A finding is ``wrong`` if there is a reference quantity, or if forces are so correlated that the model was certainly
    trained. Otherwise it is a warning, because energies of crystals are also correlated with those of an untrained model.

    Args:
        predictions: Labels and predictions of the starting model.

    Returns:
        Findings ``energy unit``, ``forces unit`` and ``stress unit``. Energies per atom are an ``energy unit``, too.
    """
    findings = []
    for name, agreement in predictions.agreements.items():
        reference = _reference(name, predictions)
        reference_log_ratio = log(reference.ratio) if reference is not None else 0.0
        low, high = (log(end) - reference_log_ratio for end in agreement.ratio_interval)
        if (
            agreement.min_abs_correlation < FAIR_CORRELATION
            or (low < NORMAL_SCALE and high > -NORMAL_SCALE)
            or not (agreement.correlation > 0 or _others_are_correlated(name, predictions))
        ):
            continue
        log_ratio = log(agreement.ratio) - reference_log_ratio
        candidate_log_ratios = {
            unit: -log(value) for unit, value in CANDIDATE_UNITS[name].items()
        } | _per_atom_log_ratio(name, predictions)
        differences = {unit: abs(log_ratio - candidate) for unit, candidate in candidate_log_ratios.items()}
        smallest_difference = min(differences.values())
        if smallest_difference > WARNING_DIFFERENCE:
            continue
        similar_units = [unit for unit in differences if differences[unit] < smallest_difference + log(1.05)]
        is_certain = (
            smallest_difference < ERROR_DIFFERENCE
            and agreement.min_abs_correlation > HIGH_CORRELATION
            and abs(log_ratio) > MIN_ERROR_SCALE
            and (reference is not None or _is_trained(predictions))
        )
        units = sorted(similar_units, key=differences.__getitem__)
        findings.append(_finding(name, agreement, units, is_certain=is_certain))
    if not any(finding.check == "energy unit" for finding in findings):
        findings += _total_energy_findings(predictions)
    return findings


def _others_are_correlated(name: str, predictions: LabelledPredictions) -> bool:
    """Return whether another quantity than ``name`` has positive correlation."""
    others = (agreement for key, agreement in predictions.agreements.items() if key != name)
    return any(agreement.correlation > 0 and agreement.min_abs_correlation > FAIR_CORRELATION for agreement in others)


def _reference(name: str, predictions: LabelledPredictions) -> Agreement | None:
    """Return the agreement of the reference quantity: forces, or energies for the forces; None if it is not reliable."""
    reference = predictions.agreements.get("energy" if name == "forces" else "forces")
    is_reliable = (
        reference is not None
        and reference.min_abs_correlation > HIGH_CORRELATION
        and abs(log(reference.ratio)) < REFERENCE_SCALE
    )
    return reference if is_reliable else None


def _is_trained(predictions: LabelledPredictions) -> bool:
    """Return whether forces are so correlated that the model was certainly trained."""
    forces = predictions.agreements.get("forces")
    return forces is not None and forces.min_abs_correlation > TRAINED_CORRELATION


def _per_atom_log_ratio(name: str, predictions: LabelledPredictions) -> dict[str, float]:
    """Return the log ratio of energies per atom and total energies, if all structures have similar numbers of atoms."""
    if name != "energy":
        return {}
    n_atoms = predictions.counts.sum(1)
    median = float(np.median(n_atoms))
    return {"eV per atom": -log(median)} if median > 1 and np.ptp(n_atoms) < 0.2 * median else {}


def _total_energy_findings(predictions: LabelledPredictions) -> list[Finding]:
    """Find a unit by which total energies differ in all structures; total energies are mainly sums of E0."""
    label, predicted = predictions.energies
    n_atoms = predictions.counts.sum(1)
    if len(label) < 4 or np.median(np.abs(predicted) / n_atoms) < 5.0 or not (label * predicted > 0).all():
        return []
    ratios = label / predicted
    ratio = float(np.median(ratios))
    for unit, value in CANDIDATE_UNITS["energy"].items():
        if np.all(np.abs(ratios * value - 1) < TOTAL_ENERGY_TOLERANCE):
            message = (
                f"labelled total energies are {ratio:.4g} times the predicted ones, and 1 eV is {1 / value:.4g} {unit}"
            )
            return [Finding("energy unit", WARNING, [], ratio, "", message, _advice("energy", [unit]))]
    return []


def _finding(name: str, agreement: Agreement, units: list[str], *, is_certain: bool) -> Finding:
    """Make the finding for a quantity; ``units`` are the similar units, the best one first."""
    values = CANDIDATE_UNITS[name]
    factors = [f"1 {INTERNAL_UNITS[name]} is {1 / values[unit]:.4g} {unit}" for unit in units if unit in values]
    factors += ["this is the ratio of energies per atom and total energies"] if "eV per atom" in units else []
    message = f"{name} labels look like {' or '.join(units)}: {agreement.describe()}; {' and '.join(factors)}"
    severity = WRONG if is_certain else WARNING
    return Finding(f"{name} unit", severity, [], agreement.ratio, "", message, _advice(name, units))


def _advice(name: str, units: list[str]) -> str:
    """Return the advice for correcting the unit; ``units`` are sorted, the best one first."""
    if units[0] == "eV per atom":
        return "multiply the energies in the file by the number of atoms"
    return f"set data.units.{name}: {units[0]}"
