"""Energies of free atoms: how far they are off, and what the compositions do not tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ase

from atomgraph.data.doctor.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.e0_shift import EnergyShift

VISIBLE, HOPELESS = 0.02, 0.3  # eV/atom off: worth a word; what training would mostly be about
CLEARLY, PLAINLY = 3.0, 10.0  # times what the shift leaves


def e0_findings(shift: EnergyShift, *, estimated: bool) -> list[Finding]:
    """``e0``: energies that a shift of each element would mend; a note where it is going to (``estimated``)."""
    if shift.before < max(VISIBLE, CLEARLY * shift.residual):
        return []
    message = f"E0 is off: {shift.describe()}"
    if estimated:
        return [Finding("e0", NOTE, [], shift.before, "eV/atom", message, "the shift is added to E0 (e0: estimate)")]
    hopeless = shift.before > max(HOPELESS, PLAINLY * shift.residual)
    severity = WRONG if hopeless else WARNING
    return [Finding("e0", severity, [], shift.before, "eV/atom", message, "set e0: estimate")]


def rank_findings(
    shift: EnergyShift, others: Mapping[str, Sequence[ase.Atoms]], *, estimated: bool = True
) -> list[Finding]:
    """``rank``: elements that the compositions cannot tell apart.

    others: structures that the potential is going to be used or judged on, by what they are called. Those whose energy
    depends on what is left open make it a warning, if E0 is estimated; else it is a note.
    """
    if not shift.open:
        return []
    message = f"rank {shift.rank} of {len(shift.elements)}: the training structures determine {shift.missing()}"
    strangers = {name: shift.strangers(frames) for name, frames in others.items()} if estimated else {}
    named = [f"{name} ({', '.join(formulas[:4])})" for name, formulas in strangers.items() if formulas]
    if named:
        message += f"; energies of {', '.join(named)} depend on what is left open"
    advice = (
        "add structures of other compositions or isolated atoms (e0: isolated), or give e0, before energies of other "
    )
    advice += "compositions are compared"
    return [Finding("rank", WARNING if named else NOTE, [], float(shift.rank), "", message, advice)]
