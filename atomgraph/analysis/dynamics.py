"""Dynamics as a measurement: does the energy stay where it was, and how fast does it go?"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import ase
import numpy as np
from ase import units
from ase.md.verlet import VelocityVerlet

from atomgraph.calculators import Calculator
from atomgraph.errors import ConfigError
from atomgraph.potential import Potential


@dataclass
class Record:
    """What a run of dynamics went through, one entry a step, the start included.

    Attributes:
        time: fs.
        total: Potential and kinetic energy, eV.
        temperature: K.
        seconds: Wall time since the run began.
    """

    n_atoms: int
    time: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    temperature: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _start: float = field(default_factory=perf_counter)

    def note(self, atoms: ase.Atoms, time: float) -> None:
        """Note the state at a time (fs)."""
        self.time.append(time)
        self.total.append(float(atoms.get_potential_energy() + atoms.get_kinetic_energy()))
        self.temperature.append(float(atoms.get_temperature()))
        self.seconds.append(perf_counter() - self._start)

    @property
    def drift(self) -> float:
        """Drift of the total energy by linear regression, meV/atom/ps; NaN for fewer than three entries."""
        return drift(np.array(self.time), np.array(self.total), self.n_atoms)

    @property
    def fluctuation(self) -> float:
        """Root mean square of the total energy about its line, meV/atom."""
        if len(self.time) < 3:
            return float("nan")
        line = np.polyval(np.polyfit(self.time, self.total, 1), self.time)
        return float(1000.0 * np.sqrt(np.mean((self.total - line) ** 2)) / self.n_atoms)

    @property
    def seconds_per_step(self) -> float:
        """Wall time of a step, the first evaluation left out; NaN before there is a step."""
        return (self.seconds[-1] - self.seconds[0]) / (len(self.seconds) - 1) if len(self.seconds) > 1 else float("nan")

    @property
    def nanoseconds_per_day(self) -> float:
        """Simulated time per day of wall time, ns."""
        if len(self.time) < 2:
            return float("nan")
        return 1e-6 * (self.time[-1] - self.time[0]) / max(self.seconds[-1] - self.seconds[0], 1e-12) * 86_400.0


def drift(time: np.ndarray, total: np.ndarray, n_atoms: int) -> float:
    """Drift by linear regression of total energies (eV) over times (fs), meV/atom/ps."""
    if len(time) < 3:
        return float("nan")
    return float(np.polyfit(time, total, 1)[0] * 1e6 / n_atoms)


def give_velocities(atoms: ase.Atoms, kelvin: float, rng: np.random.Generator) -> None:
    r"""Momenta drawn from :math:`\mathcal N(0, m k_B T)`, without a motion of the whole, then scaled to T exactly."""
    if not (np.isfinite(kelvin) and kelvin >= 0):
        raise ConfigError(f"temperature should be zero or more, in K, but is {kelvin}")
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * kelvin)
    if len(atoms) > 1:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    atoms.set_momenta(momenta)
    now = atoms.get_temperature()
    if now > 0:
        atoms.set_momenta(atoms.get_momenta() * np.sqrt(kelvin / now))


def nve(
    potential: Potential,
    atoms: ase.Atoms,
    *,
    kelvin: float,
    timestep: float = 1.0,
    steps: int = 500,
    seed: int = 0,
) -> Record:
    """A run at constant energy with velocity Verlet, from velocities of a temperature; the caller's atoms stay as they are.

    Args:
        timestep: fs.

    Raises:
        GraphError: Where atoms fly apart so far that positions are not finite.
    """
    moving = atoms.copy()
    moving.calc = Calculator(potential, compile=False)
    give_velocities(moving, kelvin, np.random.default_rng(seed))
    dynamics, record = VelocityVerlet(moving, timestep * units.fs), Record(len(moving))
    dynamics.attach(lambda: record.note(moving, dynamics.get_time() / units.fs))
    dynamics.run(steps)
    return record
