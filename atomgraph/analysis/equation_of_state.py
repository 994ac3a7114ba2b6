"""Equation of state: energy against volume, and what its minimum says."""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
from ase.eos import EquationOfState as AseFit
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from matplotlib.figure import Figure

from atomgraph.analysis.report.plots import lines
from atomgraph.calculators import Calculator
from atomgraph.errors import GraphError
from atomgraph.potential import Potential
from atomgraph.units import PRESSURE


@dataclass(frozen=True, eq=False)
class EquationOfState:
    r"""Energies of a crystal at several volumes, and Birch and Murnaghan's fit to them.

    Attributes:
        volume, energy: (n_points,), Å³/atom and eV/atom.
        volume_0: Of the minimum, Å³/atom.
        energy_0: eV/atom.
        bulk_modulus: :math:`B = V\, d^2E/dV^2` at the minimum, GPa.

    Source: Birch, Phys. Rev. 71, 809 (1947).
    """

    volume: np.ndarray
    energy: np.ndarray
    volume_0: float
    energy_0: float
    bulk_modulus: float

    def figure(self) -> Figure:
        """Energy above the minimum against volume."""
        curve = {"energy": (self.volume.tolist(), (1e3 * (self.energy - self.energy_0)).tolist())}
        return lines(curve, xlabel="volume (Å³/atom)", ylabel="meV/atom above the minimum", title="Equation of state")


def relaxed(potential: Potential, atoms: ase.Atoms, *, fmax: float = 1e-3, steps: int = 300) -> ase.Atoms:
    """A copy of the crystal with positions and cell at rest: no force above ``fmax`` (eV/Å), no stress.

    Raises:
        GraphError: Where it has not come to rest after so many steps.
    """
    resting = atoms.copy()
    resting.calc = Calculator(potential, compile=False)
    if not BFGS(FrechetCellFilter(resting), logfile=None).run(fmax=fmax, steps=steps):
        raise GraphError(
            f"{atoms.get_chemical_formula()} is not at rest after {steps} steps; start nearer, or allow more"
        )
    return resting


def equation_of_state(
    potential: Potential, atoms: ase.Atoms, *, span: float = 0.06, n_points: int = 11
) -> EquationOfState:
    """Scale the volume of a relaxed crystal by up to ± ``span`` and fit what comes out.

    Raises:
        GraphError: Where the energies have no minimum inside.
    """
    base = atoms.get_volume()
    copies = []
    for scale in np.linspace(1 - span, 1 + span, n_points):
        copy = atoms.copy()
        copy.set_cell(atoms.cell * scale ** (1 / 3), scale_atoms=True)
        copies.append(copy)
    energy = np.array([result["energy"] for result in potential.predict(copies, stress=False)])
    volume = base * np.linspace(1 - span, 1 + span, n_points)
    if energy.argmin() in (0, n_points - 1):
        raise GraphError(
            f"no minimum of the energy between {volume[0]:.1f} and {volume[-1]:.1f} Å³; relax the cell first"
        )
    volume_0, energy_0, modulus = AseFit(volume, energy, eos="birchmurnaghan").fit(warn=False)
    n = len(atoms)
    return EquationOfState(volume / n, energy / n, volume_0 / n, energy_0 / n, modulus / PRESSURE["GPa"])
