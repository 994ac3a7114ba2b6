"""Dynamics: drifts are measured correctly, temperatures are exact, energies are conserved."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from helpers.morse import morse_potential

from atomgraph.analysis.dynamics import EnergyRecord, energy_drift, nve, set_thermal_velocities
from atomgraph.errors import ConfigError


def test_a_drift_is_found_under_a_larger_oscillation():
    time = np.arange(5001.0)  # fs
    total = -3.0 + 64 * (2.5e-3 * time / 1000 + 1e-3 * np.sin(time / 7.0))  # 2.5 meV/atom/ps
    assert energy_drift(time, total, 64) == pytest.approx(2.5, abs=0.01)
    assert np.isnan(energy_drift(time[:2], total[:2], 64))


def test_a_record_gives_drift_fluctuation_and_speed():
    record = EnergyRecord(2)
    record.time, record.total = [0.0, 1.0, 2.0, 3.0], [1.0, 1.002, 1.004, 1.006]
    record.seconds = [5.0, 5.01, 5.02, 5.03]
    assert record.drift == pytest.approx(1000.0)
    assert record.fluctuation == pytest.approx(0.0, abs=1e-9)
    assert record.seconds_per_step == pytest.approx(0.01)
    assert record.nanoseconds_per_day == pytest.approx(1e-6 / 0.01 * 86400)
    empty = EnergyRecord(2)
    assert np.isnan([empty.drift, empty.fluctuation, empty.seconds_per_step, empty.nanoseconds_per_day]).all()


def test_velocities_have_the_exact_temperature_and_no_centre_of_mass_motion():
    atoms = bulk("NaCl", "rocksalt", 5.6).repeat(3)
    set_thermal_velocities(atoms, 350.0, np.random.default_rng(0))
    assert atoms.get_temperature() == pytest.approx(350.0, rel=1e-12)
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0.0, atol=1e-12)
    again = atoms.copy()
    set_thermal_velocities(again, 350.0, np.random.default_rng(0))
    np.testing.assert_array_equal(again.get_momenta(), atoms.get_momenta())


def test_heavy_and_light_atoms_have_the_same_mean_kinetic_energy():
    atoms = Atoms("H500Au500", positions=np.random.default_rng(1).random((1000, 3)))
    set_thermal_velocities(atoms, 300.0, np.random.default_rng(2))
    kinetic = (atoms.get_momenta() ** 2).sum(axis=1) / atoms.get_masses()
    assert kinetic[:500].mean() / kinetic[500:].mean() == pytest.approx(1.0, abs=0.2)


def test_zero_kelvin_gives_zero_velocities_and_negative_temperatures_are_errors():
    atoms = bulk("Cu").repeat(2)
    set_thermal_velocities(atoms, 0.0, np.random.default_rng(0))
    assert (atoms.get_momenta() == 0).all()
    for kelvin in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="temperature"):
            set_thermal_velocities(atoms, kelvin, np.random.default_rng(0))


def test_a_single_atom_keeps_its_velocity():
    atoms = Atoms("Cu")
    set_thermal_velocities(atoms, 300.0, np.random.default_rng(0))
    assert atoms.get_temperature() == pytest.approx(300.0)


def test_energy_of_copper_is_conserved_and_half_the_timestep_gives_a_quarter_of_the_fluctuation():
    atoms = bulk("Cu", "fcc", 3.63, cubic=True).repeat(2)
    atoms.rattle(0.05, rng=np.random.default_rng(0))
    kept = atoms.copy()
    coarse = nve(morse_potential(), atoms, kelvin=600.0, timestep=4.0, steps=100)
    fine = nve(morse_potential(), atoms, kelvin=600.0, timestep=2.0, steps=200)
    assert abs(coarse.drift) < 1.0 and abs(fine.drift) < 0.3
    assert fine.fluctuation / coarse.fluctuation == pytest.approx(0.25, abs=0.1)
    np.testing.assert_allclose(coarse.time, 4.0 * np.arange(101))
    assert atoms == kept and not atoms.has("momenta")
