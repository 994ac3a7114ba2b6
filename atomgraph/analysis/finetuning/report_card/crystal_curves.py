"""Equations of state of a crystal, before and after fine-tuning."""

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

MAX_ATOMS = 64  # of the crystal
# volumes for a first search of the minimum, relative to the labelled volume
VOLUME_FACTORS = np.linspace(0.8, 1.25, 19)


@dataclass(frozen=True, eq=False)
class CrystalCurves:
    """Equations of state of one crystal.

    Attributes:
        formula: Chemical formula of the crystal.
        before: Equation of state before fine-tuning; None if the energy has no minimum.
        after: Equation of state after fine-tuning; None if the energy has no minimum.
        failures: Error messages by ``before`` and ``after``, if the energy has no minimum.
    """

    formula: str
    before: EquationOfState | None
    after: EquationOfState | None
    failures: dict[str, str]

    def table(self) -> Table:
        """Return a table of volumes and bulk moduli."""
        columns = [Column("", is_text=True), Column("V0", "volume (Å³/atom)"), Column("B", "modulus (GPa)")]
        rows = [
            [name, format_number(curve.volume_0, 5), format_number(curve.bulk_modulus, 4)]
            if curve
            else [name, "no minimum", ""]
            for name, curve in (("before", self.before), ("after", self.after))
        ]
        return Table(columns, rows, title=f"Equation of state of {self.formula}, cell shape as in the data")

    def figure(self) -> Figure:
        """Plot the energies relative to the minimum as functions of the volume."""
        curves = {
            name: (curve.volume.tolist(), (1e3 * (curve.energy - curve.energy_0)).tolist())
            for name, curve in (("before", self.before), ("after", self.after))
            if curve
        }
        return line_plot(curves, xlabel="volume (Å³/atom)", ylabel="meV/atom above the minimum", title=self.formula)

    def to_json(self) -> dict[str, Any]:
        """Return formula, failures, volumes, Å³/atom, and bulk moduli, GPa, as JSON values."""
        record: dict[str, Any] = {"formula": self.formula, "failures": self.failures}
        for name, curve in (("before", self.before), ("after", self.after)):
            record[name] = curve and {"volume_0": curve.volume_0, "bulk_modulus": curve.bulk_modulus}
        return record


def choose_crystal(frames: Sequence[ase.Atoms]) -> ase.Atoms | None:
    """Return the crystal with the lowest labelled energy per atom, among those with the most frequent composition.

    Args:
        frames: Structures; crystals with at most 64 atoms and a labelled energy are used.

    Returns:
        The crystal; None if there is none.
    """
    crystals = [a for a in frames if a.pbc.all() and 0 < len(a) <= MAX_ATOMS and "energy" in get_labels(a)]
    formulas = [a.symbols.formula.reduce()[0].format("hill") for a in crystals]
    if len(set(formulas)) > 1:  # energies of different compositions cannot be compared
        most_frequent = max(sorted(set(formulas)), key=formulas.count)
        crystals = [a for a, formula in zip(crystals, formulas, strict=True) if formula == most_frequent]
    return min(crystals, key=lambda a: float(get_labels(a)["energy"]) / len(a), default=None)


def compute_crystal_curves(before: Potential, after: Potential, crystal: ase.Atoms) -> CrystalCurves:
    """Compute the equation of state of a crystal with each potential, around the minimum of that potential.

    Cell shape and fractional coordinates are not relaxed.

    Args:
        before: Potential before fine-tuning.
        after: Potential after fine-tuning.
        crystal: The crystal.
    """
    curves: dict[str, EquationOfState | None] = {}
    failures = {}
    for name, potential in (("before", before), ("after", after)):
        try:
            curves[name] = equation_of_state(potential, _scale_to_minimum(potential, crystal))
        except GraphError as error:
            curves[name], failures[name] = None, str(error)
    return CrystalCurves(crystal.get_chemical_formula(), curves["before"], curves["after"], failures)


def _scale_to_minimum(potential: Potential, crystal: ase.Atoms) -> ase.Atoms:
    """Return the crystal scaled to the volume with the lowest energy among ``VOLUME_FACTORS``."""
    copies = []
    for scale in VOLUME_FACTORS:
        copy = crystal.copy()
        copy.set_cell(crystal.cell * scale ** (1 / 3), scale_atoms=True)
        copies.append(copy)
    energy = [result["energy"] for result in potential.iter_predict(copies, forces=False, stress=False)]
    return copies[int(np.argmin(energy))]
