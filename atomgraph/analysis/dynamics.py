"""Molecular dynamics at constant energy, and measures of its quality: drift and fluctuation of the energy, and speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import ase
import numpy as np
from ase import units
from ase.md.verlet import VelocityVerlet

from atomgraph.calculators import Calculator
from atomgraph.errors import ConfigError
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.potential import Potential


@dataclass
class EnergyRecord:
    """Energies and temperatures during a run of dynamics: one entry for the initial state and one for each step.

    Attributes:
        n_atoms: Number of atoms.
        time: Simulated time, fs.
        total: Sum of potential and kinetic energy, eV.
        temperature: Temperature, K.
        seconds: Wall time since the record was created, s.
    """

    n_atoms: int
    time: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    temperature: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _start: float = field(default_factory=perf_counter)

    note = OldAttribute("append")

    def append(self, atoms: ase.Atoms, time: float) -> None:
        """Add an entry for the current state.

        Args:
            atoms: Atoms with velocities and a calculator.
            time: Simulated time, fs.
        """
        self.time.append(time)
        self.total.append(float(atoms.get_potential_energy() + atoms.get_kinetic_energy()))
        self.temperature.append(float(atoms.get_temperature()))
        self.seconds.append(perf_counter() - self._start)

    @property
    def drift(self) -> float:
        """Drift of the total energy by linear regression, meV/atom/ps; NaN for fewer than three entries."""
        return energy_drift(np.array(self.time), np.array(self.total), self.n_atoms)

    @property
    def fluctuation(self) -> float:
        """Root mean square deviation of the total energy from its linear regression over time, meV/atom."""
        if len(self.time) < 3:
            return float("nan")
        fitted_total = np.polyval(np.polyfit(self.time, self.total, 1), self.time)
        return float(1000.0 * np.sqrt(np.mean((self.total - fitted_total) ** 2)) / self.n_atoms)

    @property
    def seconds_per_step(self) -> float:
        """Wall time per step without the first evaluation, s; NaN before the first step."""
        return (self.seconds[-1] - self.seconds[0]) / (len(self.seconds) - 1) if len(self.seconds) > 1 else float("nan")

    @property
    def nanoseconds_per_day(self) -> float:
        """Simulated time per day of wall time, ns; NaN before the first step."""
        if len(self.time) < 2:
            return float("nan")
        return 1e-6 * (self.time[-1] - self.time[0]) / max(self.seconds[-1] - self.seconds[0], 1e-12) * 86_400.0


def energy_drift(time: np.ndarray, total: np.ndarray, n_atoms: int) -> float:
    """Return the drift of the total energy by linear regression, meV/atom/ps; NaN for fewer than three entries.

    Args:
        time: Simulated times, (n_entries,), fs.
        total: Total energies, (n_entries,), eV.
        n_atoms: Number of atoms.
    """
    if len(time) < 3:
        return float("nan")
    return float(np.polyfit(time, total, 1)[0] * 1e6 / n_atoms)  # eV/fs to meV/ps


def set_thermal_velocities(atoms: ase.Atoms, kelvin: float, rng: np.random.Generator) -> None:
    r"""Set random velocities for a temperature.

    Momenta are drawn from :math:`\mathcal N(0, m k_B T)`. The motion of the centre of mass is removed. Then the momenta are
    scaled, so that the temperature is exact.

    Args:
        atoms: Atoms whose momenta are set.
        kelvin: Temperature, K.
        rng: Random number generator.

    Raises:
        ConfigError: If the temperature is negative or not finite.
    """
    if not (np.isfinite(kelvin) and kelvin >= 0):
        raise ConfigError(f"temperature should be zero or more, in K, but is {kelvin}")
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * kelvin)
    if len(atoms) > 1:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    atoms.set_momenta(momenta)
    temperature = atoms.get_temperature()
    if temperature > 0:
        atoms.set_momenta(atoms.get_momenta() * np.sqrt(kelvin / temperature))


def nve(
    potential: Potential,
    atoms: ase.Atoms,
    *,
    kelvin: float,
    timestep: float = 1.0,
    steps: int = 500,
    seed: int = 0,
) -> EnergyRecord:
    """Run dynamics at constant energy with velocity Verlet; ``atoms`` is not changed.

    Args:
        potential: Potential for energies and forces.
        atoms: Initial positions and cell.
        kelvin: Temperature of the random initial velocities, K.
        timestep: Timestep, fs.
        steps: Number of steps.
        seed: Seed of the velocities.

    Raises:
        GraphError: If positions become too large or not finite, because the simulation is unstable.
    """
    copy = atoms.copy()
    copy.calc = Calculator(potential, compile=False)
    set_thermal_velocities(copy, kelvin, np.random.default_rng(seed))
    dynamics, record = VelocityVerlet(copy, timestep * units.fs), EnergyRecord(len(copy))
    dynamics.attach(lambda: record.append(copy, dynamics.get_time() / units.fs))
    dynamics.run(steps)
    return record


__getattr__ = old_names_of(__name__)
