"""Labels in another unit: numbers that are larger or smaller than predictions by what a unit is larger or smaller than ours."""

from __future__ import annotations

from math import log

import numpy as np

from atomgraph.analysis.finetuning.audit.correlation import Agreement
from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.units import ENERGY, FORCE, PRESSURE

OURS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å^3"}
TABLES: dict[str, dict[str, float]] = {
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
SURE, FAIR = (
    0.7,
    0.5,
)  # correlations, by the cautious end of their interval, with which scales can and might be compared
TRAINED = 0.95  # forces that go with predictions so well are no accident, and what was trained has the right scale
CLOSE, NEAR = log(1.2), log(1.45)  # how far a scale may be from a unit's
SAME = log(1.6)  # scales this near to 1 are no error: models are soft, functionals differ
SOFT = log(3)  # a model that is not softer or harder than that can be a reference, once this is divided out
CLEAR = 2 * SAME  # a unit that is not farther from ours than this is a suspicion, not more
SUM = 0.03  # of a unit's ratio: how far sums of E0 may lie off it


def unit_findings(evidence: LabelledPredictions) -> list[Finding]:
    """Suspected units of each quantity, ``energy unit``, ``forces unit``, ``stress unit``; energies per atom, too.

    A scale is compared only where labels and predictions go together, and against that of the forces (of forces, against that
    of energies) where these do, so that a model which is soft throughout can be used as well. It is ``wrong``
    where there was such a reference, or forces go with predictions too well for accident; else it is a warning: energies, above
    all of crystals, go with those of a model of random weights, too.
    """
    findings = []
    for name, mine in evidence.agreements.items():
        reference = _reference(name, evidence)
        softness = log(reference.ratio) if reference is not None else 0.0
        low, high = (log(end) - softness for end in mine.ratio_interval)
        if (
            mine.strength < FAIR
            or (low < SAME and high > -SAME)
            or not (mine.correlation > 0 or _others_agree(name, evidence))
        ):
            continue
        scale = log(mine.ratio) - softness
        candidates = {unit: -log(value) for unit, value in TABLES[name].items()} | _per_atom(name, evidence)
        off = {unit: abs(scale - there) for unit, there in candidates.items()}
        closest = min(off.values())
        if closest > NEAR:
            continue
        units = sorted((unit for unit in off if off[unit] < closest + log(1.05)), key=off.__getitem__)
        certain = (
            closest < CLOSE
            and mine.strength > SURE
            and abs(scale) > CLEAR
            and (reference is not None or _is_trained(evidence))
        )
        findings.append(_finding(name, mine, units, certain=certain))
    if not any(finding.check == "energy unit" for finding in findings):
        findings += _by_sums(evidence)
    return findings


def _others_agree(name: str, evidence: LabelledPredictions) -> bool:
    """Whether another quantity goes with its predictions."""
    others = (agreement for key, agreement in evidence.agreements.items() if key != name)
    return any(agreement.correlation > 0 and agreement.strength > FAIR for agreement in others)


def _reference(name: str, evidence: LabelledPredictions) -> Agreement | None:
    """The agreement that measures how soft the model is: of forces, or of energies for the forces; None if unclear."""
    reference = evidence.agreements.get("energy" if name == "forces" else "forces")
    sound = reference is not None and reference.strength > SURE and abs(log(reference.ratio)) < SOFT
    return reference if sound else None


def _is_trained(evidence: LabelledPredictions) -> bool:
    forces = evidence.agreements.get("forces")
    return forces is not None and forces.strength > TRAINED


def _per_atom(name: str, evidence: LabelledPredictions) -> dict[str, float]:
    """Energies divided by the number of atoms, where that number does not vary much."""
    if name != "energy":
        return {}
    sizes = evidence.counts.sum(1)
    typical = float(np.median(sizes))
    return {"eV per atom": -log(typical)} if typical > 1 and np.ptp(sizes) < 0.2 * typical else {}


def _by_sums(evidence: LabelledPredictions) -> list[Finding]:
    """A unit that only sums of E0 point to: total energies off by a unit's ratio in all structures."""
    label, predicted = evidence.energies
    n_atoms = evidence.counts.sum(1)
    if len(label) < 4 or np.median(np.abs(predicted) / n_atoms) < 5.0 or not (label * predicted > 0).all():
        return []
    ratio = label / predicted
    for unit, value in TABLES["energy"].items():
        if np.all(np.abs(ratio * value - 1) < SUM):
            message = f"total energies are {np.median(ratio):.4g} times what the model says, and 1 eV is {1 / value:.4g} {unit}"
            return [
                Finding("energy unit", WARNING, [], float(np.median(ratio)), "", message, _way_out("energy", [unit]))
            ]
    return []


def _finding(name: str, mine: Agreement, units: list[str], *, certain: bool) -> Finding:
    table = TABLES[name]
    known = [f"1 {OURS[name]} is {1 / table[unit]:.4g} {unit}" for unit in units if unit in table]
    known += ["energies divided by the number of atoms are as much smaller"] if "eV per atom" in units else []
    message = f"{name} labels look like {' or '.join(units)}: {mine.describe()}; {' and '.join(known)}"
    return Finding(f"{name} unit", WRONG if certain else WARNING, [], mine.ratio, "", message, _way_out(name, units))


def _way_out(name: str, units: list[str]) -> str:
    if units[0] == "eV per atom":
        return "multiply the energies in the file by the number of atoms"
    return f"set data.units.{name}: {units[0]}"
