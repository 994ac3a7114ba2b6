"""Checks of the energies of isolated atoms E0: errors of E0, and elements that the compositions do not determine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ase

from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.e0_shift import EnergyShift

WARNING_RMS, ERROR_RMS = 0.02, 0.3  # eV/atom; smallest RMS of label − prediction for a warning, and for an error
# smallest ratio of the RMS before and after the shift, for a warning and an error
WARNING_RATIO, ERROR_RATIO = 3.0, 10.0
SMALL_SHIFT = 0.1  # relative to the largest shift; smaller shifts are not listed
MULTIPLE_TOLERANCE = 0.02  # relative deviation of a shift from a multiple of E0
#: Explanation for a shift that is a multiple of the model's E0, by shift / E0.
EXPLANATIONS = {
    1.0: "it is twice as large in the labels as in the model (counted twice in one, or halved in the other)",
    -0.5: "it is twice as large in the model as in the labels (counted twice in one, or halved in the other)",
    -1.0: "the labels have none (they are energies of atomisation, or E0 was subtracted)",
}


def e0_findings(shift: EnergyShift, e0: Mapping[str, float], *, estimates_e0: bool) -> list[Finding]:
    """Find errors of E0: differences of labelled and predicted energies that a shift of each element explains.

    Args:
        shift: Difference of labelled and predicted energies per element.
        e0: E0 of the predictions, by chemical symbol, eV.
        estimates_e0: Whether the shift will be added to E0; the finding is then a note.

    Returns:
        One finding ``e0``, or none.
    """
    if shift.rms_before < max(WARNING_RMS, WARNING_RATIO * shift.rms_after):
        return []
    message = f"{_describe_error(shift, e0)}: {shift.describe()}"
    if estimates_e0:
        return [
            Finding("e0", NOTE, [], shift.rms_before, "eV/atom", message, "the shift is added to E0 (e0: estimate)")
        ]
    severity = WRONG if shift.rms_before > max(ERROR_RMS, ERROR_RATIO * shift.rms_after) else WARNING
    return [Finding("e0", severity, [], shift.rms_before, "eV/atom", message, "set e0: estimate")]


def _describe_error(shift: EnergyShift, e0: Mapping[str, float]) -> str:
    """Describe the error of E0: a factor, some elements with their shifts, or no details."""
    factor, residual = shift.ratio_to(e0)
    for multiple, explanation in EXPLANATIONS.items():
        if abs(factor - multiple) < MULTIPLE_TOLERANCE * abs(multiple) and residual < MULTIPLE_TOLERANCE:
            return f"E0 is wrong: {explanation}"
    largest_shift = max(abs(value) for value in shift.shift)
    large_shifts = {
        symbol: value for symbol, value in shift.by_element.items() if abs(value) > SMALL_SHIFT * largest_shift
    }
    if shift.undetermined or len(large_shifts) == len(shift.elements):
        return "E0 is wrong"
    shifts = ", ".join(f"{symbol} by {value:+.4f} eV/atom" for symbol, value in large_shifts.items())
    return f"E0 is wrong for {shifts}; shifts of the other elements are small"


def rank_findings(
    shift: EnergyShift, other_sets: Mapping[str, Sequence[ase.Atoms]], *, estimates_e0: bool = True
) -> list[Finding]:
    """Find elements whose shift the compositions of the training structures do not determine.

    Args:
        shift: Difference of labelled and predicted energies per element.
        other_sets: Structures for evaluation or use of the potential, by name of the set.
        estimates_e0: Whether the shift will be added to E0.

    Returns:
        One finding ``rank``, or none. It is a warning if ``estimates_e0`` and energies in ``other_sets`` depend on
        undetermined shifts, otherwise a note.
    """
    if not shift.undetermined:
        return []
    message = (
        f"rank {shift.rank} of {len(shift.elements)}: the training structures determine {shift.describe_undetermined()}"
    )
    formulas_by_set = (
        {name: shift.undetermined_formulas(frames) for name, frames in other_sets.items()} if estimates_e0 else {}
    )
    sets = [f"{name} ({', '.join(formulas[:4])})" for name, formulas in formulas_by_set.items() if formulas]
    if sets:
        message += f"; energies of {', '.join(sets)} depend on undetermined shifts"
    advice = (
        "before energies of other compositions are compared, add structures of other compositions or isolated atoms "
        "(e0: isolated), or set e0"
    )
    return [Finding("rank", WARNING if sets else NOTE, [], float(shift.rank), "", message, advice)]
