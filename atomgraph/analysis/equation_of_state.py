"""Equation of state of a crystal: energy as a function of volume, equilibrium volume and bulk modulus."""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
from ase.eos import EquationOfState as AseFit
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from matplotlib.figure import Figure

from atomgraph.analysis.report.plots import line_plot
from atomgraph.calculators import Calculator
from atomgraph.errors import GraphError
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential
from atomgraph.units import PRESSURE


@dataclass(frozen=True, eq=False)
class EquationOfState:
    r"""Energies of a crystal at several volumes, and the Birch-Murnaghan equation fitted to them.

    Attributes:
        volume: Volumes, (n_points,), Å³/atom.
        energy: Energies, (n_points,), eV/atom.
        volume_0: Volume at the minimum of the energy, Å³/atom.
        energy_0: Energy at the minimum, eV/atom.
        bulk_modulus: Bulk modulus :math:`B = V\, d^2E/dV^2` at the minimum, GPa.

    Source: Birch, Phys. Rev. 71, 809 (1947).
    """

    volume: np.ndarray
    energy: np.ndarray
    volume_0: float
    energy_0: float
    bulk_modulus: float

    def figure(self) -> Figure:
        """Plot the energy relative to the minimum as a function of volume."""
        curve = {"energy": (self.volume.tolist(), (1e3 * (self.energy - self.energy_0)).tolist())}
        return line_plot(
            curve, xlabel="volume (Å³/atom)", ylabel="meV/atom above the minimum", title="Equation of state"
        )


def relax(potential: Potential, atoms: ase.Atoms, *, fmax: float = 1e-3, steps: int = 300) -> ase.Atoms:
    """Return a copy of a crystal with relaxed positions and cell.

    Args:
        potential: Potential for energies, forces and stresses.
        atoms: The crystal; it is not changed.
        fmax: Largest force after relaxation, eV/Å.
        steps: Largest number of steps.

    Raises:
        GraphError: If the relaxation has not converged after ``steps`` steps.
    """
    crystal = atoms.copy()
    crystal.calc = Calculator(potential, compile=False)
    if not BFGS(FrechetCellFilter(crystal), logfile=None).run(fmax=fmax, steps=steps):
        raise GraphError(f"{atoms.get_chemical_formula()} is not relaxed after {steps} steps; allow more steps")
    return crystal


def equation_of_state(
    potential: Potential, atoms: ase.Atoms, *, span: float = 0.06, n_points: int = 11
) -> EquationOfState:
    """Compute energies of a relaxed crystal at scaled volumes, and fit the Birch-Murnaghan equation.

    Args:
        potential: Potential for the energies.
        atoms: The crystal, near the minimum of its energy.
        span: Largest relative change of the volume, in both directions.
        n_points: Number of volumes.

    Raises:
        GraphError: If the lowest energy is at the smallest or largest volume.
    """
    cell_volumes = atoms.get_volume() * np.linspace(1 - span, 1 + span, n_points)
    copies = []
    for scale in np.linspace(1 - span, 1 + span, n_points):
        copy = atoms.copy()
        copy.set_cell(atoms.cell * scale ** (1 / 3), scale_atoms=True)
        copies.append(copy)
    energy = np.array([result["energy"] for result in potential.predict(copies, stress=False)])
    if energy.argmin() in (0, n_points - 1):
        raise GraphError(
            f"the energy has no minimum between {cell_volumes[0]:.1f} and {cell_volumes[-1]:.1f} Å³; relax the cell first"
        )
    volume_0, energy_0, modulus = AseFit(cell_volumes, energy, eos="birchmurnaghan").fit(warn=False)
    n = len(atoms)
    return EquationOfState(cell_volumes / n, energy / n, volume_0 / n, energy_0 / n, modulus / PRESSURE["GPa"])


__getattr__ = old_names_of(__name__)
