"""Energies of free atoms: how large their errors are, and what the compositions leave undetermined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ase

from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.e0_shift import EnergyShift

VISIBLE, HOPELESS = 0.02, 0.3  # eV/atom off: worth a word; what training would mostly be about
CLEARLY, PLAINLY = 3.0, 10.0  # times what the shift leaves
MINOR = 0.1  # of the largest shift: less is not counted among what is off
ALIKE = 0.02  # relative: a shift that is a multiple of E0
FACTORS = {
    1.0: "twice as large in the labels as in the model (counted twice in one, or halved in the other)",
    -0.5: "twice as large in the model as in the labels (counted twice in one, or halved in the other)",
    -1.0: "and the labels have none (they are energies of atomisation, or E0 was taken off)",
}  # times the model's E0


def e0_findings(shift: EnergyShift, e0: Mapping[str, float], *, estimated: bool) -> list[Finding]:
    """``e0``: energies that a shift of each element would mend; a note where it is going to (``estimated``).

    Args:
        e0: Of the model whose energies the labels were compared with, eV by chemical symbol.
    """
    if shift.rms_before < max(VISIBLE, CLEARLY * shift.rms_after):
        return []
    message = f"{_what_is_off(shift, e0)}: {shift.describe()}"
    if estimated:
        return [
            Finding("e0", NOTE, [], shift.rms_before, "eV/atom", message, "the shift is added to E0 (e0: estimate)")
        ]
    hopeless = shift.rms_before > max(HOPELESS, PLAINLY * shift.rms_after)
    severity = WRONG if hopeless else WARNING
    return [Finding("e0", severity, [], shift.rms_before, "eV/atom", message, "set e0: estimate")]


def _what_is_off(shift: EnergyShift, e0: Mapping[str, float]) -> str:
    """E0 as a whole, by a factor, or of some elements, with sizes where the compositions tell them."""
    factor, left = shift.ratio_to(e0)
    for multiple, words in FACTORS.items():
        if abs(factor - multiple) < ALIKE * abs(multiple) and left < ALIKE:
            return f"E0 is off, {words}"
    largest = max(abs(value) for value in shift.shift)
    guilty = {symbol: value for symbol, value in shift.by_element.items() if abs(value) > MINOR * largest}
    if shift.undetermined or len(guilty) == len(shift.elements):
        return "E0 is off"
    sizes = ", ".join(f"{symbol} by {value:+.4f} eV/atom" for symbol, value in guilty.items())
    return f"E0 is off, of {sizes}, and hardly of the other elements"


def rank_findings(
    shift: EnergyShift, others: Mapping[str, Sequence[ase.Atoms]], *, estimated: bool = True
) -> list[Finding]:
    """``rank``: elements whose energies the compositions do not determine one by one.

    Args:
        others: Structures that the potential will be used or evaluated on, by name. Those whose energy depends on
            what is left open make it a warning, if E0 is estimated; else it is a note.
    """
    if not shift.undetermined:
        return []
    message = (
        f"rank {shift.rank} of {len(shift.elements)}: the training structures determine {shift.describe_undetermined()}"
    )
    formulas_by_set = (
        {name: shift.undetermined_formulas(frames) for name, frames in others.items()} if estimated else {}
    )
    named = [f"{name} ({', '.join(formulas[:4])})" for name, formulas in formulas_by_set.items() if formulas]
    if named:
        message += f"; energies of {', '.join(named)} depend on what is left open"
    advice = (
        "add structures of other compositions or isolated atoms (e0: isolated), or give e0, before energies of other "
    )
    advice += "compositions are compared"
    return [Finding("rank", WARNING if named else NOTE, [], float(shift.rank), "", message, advice)]
