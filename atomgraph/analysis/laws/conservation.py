"""Law of energy conservation, tested with molecular dynamics."""

from __future__ import annotations

import ase
import numpy as np
from ase.optimize import LBFGS

from atomgraph.analysis.dynamics import nve
from atomgraph.analysis.laws.context import Law, LawContext
from atomgraph.calculators import Calculator
from atomgraph.errors import GraphError

KELVIN, TIMESTEP = 300.0, 0.5  # K, fs; the timestep is short enough for vibrations of hydrogen
DRIFT = 1.0  # meV/atom/ps; largest drift, in addition to the statistical error of the drift
_MAX_ATOMS = 500  # of the structure, unless all structures are larger


def energy_is_conserved(context: LawContext, steps: int) -> Law:
    """Test that the drift of the total energy in a run at 300 K is small.

    One structure is partly relaxed, then velocity Verlet is used. The tolerance includes the statistical error of the drift,
    four times the fluctuation of the energy divided by the length of the run.

    Args:
        context: The potential and the structures.
        steps: Number of steps of 0.5 fs.
    """
    name, atoms = _choose_structure(context)
    title = "energy is conserved in dynamics"
    try:
        initial = _relax_partly(context, atoms)
        record = nve(context.potential, initial, kelvin=KELVIN, timestep=TIMESTEP, steps=steps)
        drift = abs(record.drift)
    except GraphError:  # the simulation is unstable
        return Law(title, float("nan"), DRIFT, "meV/atom/ps", False, f"{name}: the simulation is unstable")
    run = f"{len(atoms)} atoms, {steps * TIMESTEP:g} fs, {np.mean(record.temperature):.0f} K"
    detail = f"{name}: {run}, ±{record.fluctuation:.2g} meV/atom"
    tolerance = DRIFT + 4.0 * record.fluctuation / (1e-3 * steps * TIMESTEP)
    return Law(title, drift, round(tolerance, 2), "meV/atom/ps", bool(drift <= tolerance), detail)


def _choose_structure(context: LawContext) -> tuple[str, ase.Atoms]:
    """Return name and atoms of the structure for the run.

    The choice is the first periodic structure with 2 to 500 atoms, or else the first structure with 2 to 500 atoms, or else
    the smallest structure.
    """
    small = {name: atoms for name, atoms in context.structures.items() if 2 <= len(atoms) <= _MAX_ATOMS}
    periodic = {name: atoms for name, atoms in small.items() if atoms.pbc.all()}
    for candidates in (periodic, small):
        if candidates:
            return next(iter(candidates.items()))
    return min(context.structures.items(), key=lambda item: len(item[1]))


def _relax_partly(context: LawContext, atoms: ase.Atoms) -> ase.Atoms:
    """Return a partly relaxed copy; without relaxation, large forces could make the simulation unstable."""
    relaxed = atoms.copy()
    relaxed.set_constraint()
    relaxed.calc = Calculator(context.potential, compile=False)
    LBFGS(relaxed, logfile=None, maxstep=0.1).run(fmax=0.5, steps=30)
    return relaxed
