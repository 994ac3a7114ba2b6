"""Short runs at constant energy before and after fine-tuning, to test whether the energy is conserved."""

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

KELVIN = 300.0  # K; temperature of the initial velocities
N_STEPS = 200
TIMESTEP, TIMESTEP_WITH_HYDROGEN = 1.0, 0.5  # fs
MAX_ATOMS = 200  # of the structure for the runs


@dataclass(frozen=True)
class NVEResult:
    """Result of a run at constant energy; all values are NaN if the run was unstable.

    Attributes:
        drift: Drift of the total energy, meV/atom/ps.
        fluctuation: Fluctuation of the total energy, meV/atom.
        temperature: Temperature at the end, K.
    """

    drift: float
    fluctuation: float
    temperature: float

    def to_json(self) -> dict[str, Any]:
        """Return all values as JSON values; NaN becomes None."""
        return {name: value if np.isfinite(value) else None for name, value in vars(self).items()}


def compare_nve(before: Potential, after: Potential, atoms: ase.Atoms, steps: int = N_STEPS) -> dict[str, NVEResult]:
    """Run dynamics at constant energy with both potentials, with equal initial velocities for 300 K.

    Args:
        before: Potential before fine-tuning.
        after: Potential after fine-tuning.
        atoms: Initial positions and cell.
        steps: Number of steps.

    Returns:
        Results by ``before`` and ``after``.
    """
    return {"before": _run(before, atoms, steps), "after": _run(after, atoms, steps)}


def choose_nve_structure(frames: Sequence[ase.Atoms]) -> ase.Atoms | None:
    """Return the first structure with 2 to 200 atoms; None if there is none."""
    return next((atoms for atoms in frames if 1 < len(atoms) <= MAX_ATOMS), None)


def nve_table(results: dict[str, NVEResult], atoms: ase.Atoms) -> Table:
    """Make a table with one row per run.

    Args:
        results: Results by ``before`` and ``after``.
        atoms: Structure of the runs.
    """
    columns = [Column("", is_text=True), Column("drift", "meV/atom/ps"), Column("fluctuation", "meV/atom"), Column("K")]
    rows = [
        [name, *(format_number(value) for value in (result.drift, result.fluctuation, result.temperature))]
        for name, result in results.items()
    ]
    title = f"Short run at constant energy from {KELVIN:g} K, steps of {_timestep(atoms):g} fs, {atoms.get_chemical_formula()}"
    return Table(columns, rows, title=title)


def _run(potential: Potential, atoms: ase.Atoms, steps: int) -> NVEResult:
    """Return the result of a run; NaN if the potential raises an error, because the run is unstable."""
    try:
        record = nve(potential, atoms, kelvin=KELVIN, timestep=_timestep(atoms), steps=steps)
    except AtomgraphError:
        return NVEResult(*[float("nan")] * 3)
    return NVEResult(record.drift, record.fluctuation, record.temperature[-1])


def _timestep(atoms: ase.Atoms) -> float:
    """Return the timestep, fs; it is shorter for structures with hydrogen."""
    return TIMESTEP_WITH_HYDROGEN if 1 in atoms.numbers else TIMESTEP
