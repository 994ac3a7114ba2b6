"""Where there is a crystal: its equation of state before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from matplotlib.figure import Figure

from atomgraph.analysis.equation_of_state import EquationOfState, equation_of_state
from atomgraph.analysis.report.plots import line_plot
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.errors import GraphError
from atomgraph.graph.structure import get_labels
from atomgraph.potential import Potential

LARGEST = 64  # atoms
WIDE = np.linspace(0.8, 1.25, 19)  # of the volume, among which the minimum is looked for first


@dataclass(frozen=True, eq=False)
class CrystalCurves:
    """Equations of state of one crystal; None, and why, where a potential has no minimum near its volume."""

    formula: str
    before: EquationOfState | None
    after: EquationOfState | None
    failures: dict[str, str]

    def table(self) -> Table:
        columns = [Column("", words=True), Column("V0", "volume (Å³/atom)"), Column("B", "modulus (GPa)")]
        rows = [
            [name, format_number(curve.volume_0, 5), format_number(curve.bulk_modulus, 4)]
            if curve
            else [name, "no minimum", ""]
            for name, curve in (("before", self.before), ("after", self.after))
        ]
        return Table(columns, rows, title=f"Equation of state of {self.formula}, cell shape as labelled")

    def figure(self) -> Figure:
        curves = {
            name: (curve.volume.tolist(), (1e3 * (curve.energy - curve.energy_0)).tolist())
            for name, curve in (("before", self.before), ("after", self.after))
            if curve
        }
        return line_plot(curves, xlabel="volume (Å³/atom)", ylabel="meV/atom above the minimum", title=self.formula)

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"formula": self.formula, "failures": self.failures}
        for name, curve in (("before", self.before), ("after", self.after)):
            record[name] = curve and {"volume_0": curve.volume_0, "bulk_modulus": curve.bulk_modulus}
        return record


def crystal_of(frames: Sequence[ase.Atoms]) -> ase.Atoms | None:
    """The labelled crystal of the lowest energy per atom among those of up to 64 atoms; None where there is none."""
    periodic = [a for a in frames if a.pbc.all() and 0 < len(a) <= LARGEST and "energy" in get_labels(a)]
    formula = {a.symbols.formula.reduce()[0].format("hill") for a in periodic}
    if len(formula) > 1:  # energies of different compositions cannot be compared: the commonest one
        counted = [a.symbols.formula.reduce()[0].format("hill") for a in periodic]
        commonest = max(sorted(formula), key=counted.count)
        periodic = [a for a, name in zip(periodic, counted, strict=True) if name == commonest]
    return min(periodic, key=lambda a: float(get_labels(a)["energy"]) / len(a), default=None)


def crystal_curves(before: Potential, after: Potential, crystal: ase.Atoms) -> CrystalCurves:
    """Each potential's curve about its own minimum, atoms where they are labelled."""
    curves: dict[str, EquationOfState | None] = {}
    failures = {}
    for name, potential in (("before", before), ("after", after)):
        try:
            curves[name] = equation_of_state(potential, _at_rest(potential, crystal))
        except GraphError as error:
            curves[name], failures[name] = None, str(error)
    return CrystalCurves(crystal.get_chemical_formula(), curves["before"], curves["after"], failures)


def _at_rest(potential: Potential, crystal: ase.Atoms) -> ase.Atoms:
    """The crystal at the volume of lowest energy in a wide range."""
    copies = []
    for scale in WIDE:
        copy = crystal.copy()
        copy.set_cell(crystal.cell * scale ** (1 / 3), scale_atoms=True)
        copies.append(copy)
    energy = [result["energy"] for result in potential.iter_predict(copies, forces=False, stress=False)]
    return copies[int(np.argmin(energy))]
