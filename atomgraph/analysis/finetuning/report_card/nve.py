"""A short run at constant energy: whether the fine-tuned potential still moves atoms as an energy does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np

from atomgraph.analysis.dynamics import nve
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.errors import AtomgraphError
from atomgraph.potential import Potential

KELVIN, STEPS = 300.0, 200
STEP, STEP_WITH_HYDROGEN = 1.0, 0.5  # fs
LARGEST = 200  # atoms


@dataclass(frozen=True)
class Motion:
    """Drift (meV/atom/ps) and fluctuation (meV/atom) of the total energy, last temperature (K); NaN where atoms flew apart."""

    drift: float
    fluctuation: float
    temperature: float

    def to_json(self) -> dict[str, Any]:
        return {name: value if np.isfinite(value) else None for name, value in vars(self).items()}


def motions(before: Potential, after: Potential, atoms: ase.Atoms, steps: int = STEPS) -> dict[str, Motion]:
    """Velocity Verlet from 300 K, with the same velocities."""
    return {"before": _motion(before, atoms, steps), "after": _motion(after, atoms, steps)}


def mover_of(frames: Sequence[ase.Atoms]) -> ase.Atoms | None:
    """The first structure of up to 200 atoms, and more than one."""
    return next((atoms for atoms in frames if 1 < len(atoms) <= LARGEST), None)


def motion_table(motions: dict[str, Motion], atoms: ase.Atoms) -> Table:
    """Before and after."""
    columns = [Column("", words=True), Column("drift", "meV/atom/ps"), Column("fluctuation", "meV/atom"), Column("K")]
    rows = [
        [name, format_number(m.drift), format_number(m.fluctuation), format_number(m.temperature)]
        for name, m in motions.items()
    ]
    title = (
        f"Short run at constant energy from {KELVIN:g} K, steps of {_step(atoms):g} fs, {atoms.get_chemical_formula()}"
    )
    return Table(columns, rows, title=title)


def _motion(potential: Potential, atoms: ase.Atoms, steps: int) -> Motion:
    try:
        record = nve(potential, atoms, kelvin=KELVIN, timestep=_step(atoms), steps=steps)
    except AtomgraphError:
        return Motion(*[float("nan")] * 3)
    return Motion(record.drift, record.fluctuation, record.temperature[-1])


def _step(atoms: ase.Atoms) -> float:
    return STEP_WITH_HYDROGEN if 1 in atoms.numbers else STEP
