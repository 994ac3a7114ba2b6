"""The law that needs time: a run at constant energy keeps its energy."""

from __future__ import annotations

import ase
import numpy as np
from ase.optimize import LBFGS

from atomgraph.analysis.dynamics import nve
from atomgraph.analysis.laws.context import Law, LawContext
from atomgraph.calculators import Calculator
from atomgraph.errors import GraphError

KELVIN, TIMESTEP = 300.0, 0.5  # K, fs: short enough for the bonds of hydrogen
DRIFT = 1.0  # meV/atom/ps, beside what the run cannot resolve
_MOST_ATOMS = 500


def energy_is_conserved(trial: LawContext, steps: int) -> Law:
    """Drift of the total energy over ``steps`` of velocity Verlet at 300 K, on one structure relaxed a little first.

    A drift below a few times the fluctuation divided by the length of the run cannot be resolved; this much is allowed in
    addition.
    """
    name, atoms = _subject(trial)
    title = "energy is conserved in dynamics"
    try:
        moving = _relaxed(trial, atoms)
        record = nve(trial.potential, moving, kelvin=KELVIN, timestep=TIMESTEP, steps=steps)
        figure = abs(record.drift)
    except GraphError:  # flown apart
        return Law(title, float("nan"), DRIFT, "meV/atom/ps", False, f"{name}: the atoms flew apart")
    run = f"{len(atoms)} atoms, {steps * TIMESTEP:g} fs, {np.mean(record.temperature):.0f} K"
    detail = f"{name}: {run}, ±{record.fluctuation:.2g} meV/atom"
    allowed = DRIFT + 4.0 * record.fluctuation / (1e-3 * steps * TIMESTEP)
    return Law(title, figure, round(allowed, 2), "meV/atom/ps", bool(figure <= allowed), detail)


def _subject(trial: LawContext) -> tuple[str, ase.Atoms]:
    """The first periodic structure that is not too large, else the first that is not, else the smallest."""
    small = {name: atoms for name, atoms in trial.structures.items() if 2 <= len(atoms) <= _MOST_ATOMS}
    periodic = {name: atoms for name, atoms in small.items() if atoms.pbc.all()}
    for choice in (periodic, small):
        if choice:
            return next(iter(choice.items()))
    return min(trial.structures.items(), key=lambda item: len(item[1]))


def _relaxed(trial: LawContext, atoms: ase.Atoms) -> ase.Atoms:
    """Some steps downhill, so that a structure made of touching spheres does not start as an explosion."""
    moving = atoms.copy()
    moving.set_constraint()
    moving.calc = Calculator(trial.potential, compile=False)
    LBFGS(moving, logfile=None, maxstep=0.1).run(fmax=0.5, steps=30)
    return moving
