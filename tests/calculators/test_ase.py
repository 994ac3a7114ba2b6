"""The ASE calculator: the potential's own numbers, in ASE's signs, computed once, whatever ASE does with the atoms."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.verlet import VelocityVerlet
from ase.optimize import LBFGS
from ase.stress import full_3x3_to_voigt_6_stress
from helpers.morse import morse_potential

from atomgraph.analysis.dynamics import set_thermal_velocities
from atomgraph.calculators import Calculator
from atomgraph.errors import ConfigError, FormatError, GraphError
from atomgraph.models import GCN, Baseline
from atomgraph.potential import Potential
from atomgraph.testing.graphs import ELEMENTS, crystal, molecule, sample_structures, slab, wire
from atomgraph.testing.measures import construct, randomise

BY_STRUCTURE = pytest.mark.parametrize("name", ["molecule", "crystal", "slab", "wire"])


def model(**options):
    return GCN(ELEMENTS, cutoff=3.5, channels=4, n_layers=1, n_radial=4, readout_hidden=(4,), **options)


@pytest.fixture
def potential():
    return Potential(randomise(construct(model)).double()).eval()


class Counting(Potential):
    """Counts how often it is evaluated."""

    n_evaluations = 0

    def forward(self, graph, **options):
        self.n_evaluations += 1
        return super().forward(graph, **options)


@pytest.fixture
def counting(potential):
    return Counting(potential.model).eval()


def with_calculator(atoms, *arguments, **options):
    atoms.calc = Calculator(*arguments, **options)
    return atoms


@BY_STRUCTURE
def test_the_calculator_gives_the_potentials_numbers(potential, name):
    atoms = with_calculator(sample_structures()[name], potential)
    (expected,) = potential.predict([atoms])
    assert atoms.get_potential_energy() == pytest.approx(expected["energy"], rel=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_potential_energies(), expected["node_energy"], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), expected["forces"], rtol=1e-10, atol=1e-11)
    if name in {"crystal", "slab"}:
        np.testing.assert_allclose(atoms.get_stress(), full_3x3_to_voigt_6_stress(expected["stress"]), atol=1e-11)


@pytest.mark.parametrize("make", [molecule, wire], ids=["molecule", "wire"])
def test_stress_without_volume_is_refused_as_ase_does_it_and_forces_still_come(potential, make):
    atoms = with_calculator(make(), potential)
    with pytest.raises(PropertyNotImplementedError, match="volume"):
        atoms.get_stress()
    assert np.isfinite(atoms.get_forces()).all()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_magnetic_moments()


def test_stress_is_positive_in_tension():
    atoms = bulk("Cu", "fcc", 3.6)
    atoms.set_cell(atoms.cell.array * 1.05, scale_atoms=True)
    assert with_calculator(atoms, morse_potential()).get_stress()[0] > 0.01


def test_one_evaluation_gives_everything_and_only_changes_ask_for_another(counting):
    atoms = with_calculator(crystal(), counting)
    for _ in range(2):
        atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energies()
    assert counting.n_evaluations == 1
    atoms.set_initial_charges([0.1] * len(atoms))
    atoms.set_initial_magnetic_moments([1.0] * len(atoms))
    atoms.set_velocities(np.ones((len(atoms), 3)))
    atoms.info["name"] = "something"
    atoms.get_forces()
    assert counting.n_evaluations == 1
    for change in (
        lambda: atoms.positions.__iadd__(1e-14),
        lambda: atoms.set_cell(atoms.cell.array * 1.0001),
        lambda: atoms.set_pbc([True, True, False]),
        lambda: atoms.symbols.__setitem__(0, "Si"),
        lambda: atoms.append(Atoms("H", positions=[[0.9, 0.9, 0.9]])[0]),
    ):
        before = counting.n_evaluations
        change()
        atoms.get_forces(), atoms.get_potential_energy()
        assert counting.n_evaluations == before + 1


@pytest.mark.parametrize("skin", [0.0, 0.5])
@BY_STRUCTURE
def test_a_path_with_a_kept_list_is_the_path_with_a_fresh_one(potential, name, skin):
    rng, atoms = np.random.default_rng(3), with_calculator(sample_structures()[name], potential, skin=skin)
    for step in range(15):
        atoms.positions += 0.03 * rng.standard_normal(atoms.positions.shape)
        if atoms.pbc.all() and step % 3 == 0:
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.01 * rng.standard_normal((3, 3))), scale_atoms=True)
        (expected,) = potential.predict([atoms])
        assert atoms.get_potential_energy() == pytest.approx(expected["energy"], abs=1e-10)
        np.testing.assert_allclose(atoms.get_forces(), expected["forces"], atol=1e-10)
        if name in {"crystal", "slab"}:
            np.testing.assert_allclose(atoms.get_stress(voigt=False), expected["stress"], atol=1e-10)
    assert atoms.calc.n_neighbour_lists == 15 if skin == 0 else atoms.calc.n_neighbour_lists < 10


def copper(seed=0, kelvin=600.0):
    atoms = with_calculator(bulk("Cu", "fcc", 3.75, cubic=True).repeat(2), morse_potential())
    set_thermal_velocities(atoms, kelvin, np.random.default_rng(seed))
    return atoms


def test_nve_keeps_the_energy():
    atoms = copper()
    dynamics, energies = VelocityVerlet(atoms, 2.0 * units.fs), []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy() / len(atoms)))
    dynamics.run(100)
    kinetic = atoms.get_kinetic_energy() / len(atoms)
    assert np.ptp(energies) < 1e-3 < kinetic
    assert atoms.calc.n_neighbour_lists < 30
    np.testing.assert_allclose(atoms.get_forces(), atoms.calc.potential.predict([atoms])[0]["forces"], atol=1e-11)


@pytest.mark.parametrize("thermostat", ["Langevin", "Nose-Hoover chain"])
def test_thermostats_bring_the_temperature(thermostat):
    atoms = copper(kelvin=100.0)
    if thermostat == "Langevin":
        options = {"friction": 0.05 / units.fs, "fixcm": False, "rng": np.random.default_rng(0)}
        dynamics = Langevin(atoms, 4 * units.fs, temperature_K=500, **options)
    else:
        dynamics = NoseHooverChainNVT(atoms, 4 * units.fs, temperature_K=500, tdamp=40 * units.fs)
    temperatures = []
    dynamics.attach(lambda: temperatures.append(atoms.get_temperature()))
    dynamics.run(150)
    assert np.mean(temperatures[75:]) == pytest.approx(500, rel=0.25)


def test_relaxing_the_cell_ends_without_force_and_stress():
    atoms = copper()
    atoms.rattle(0.05, rng=np.random.default_rng(1))
    atoms.set_cell(atoms.cell.array @ [[1.03, 0.02, 0.0], [0.0, 0.98, 0.01], [0.0, 0.0, 1.02]], scale_atoms=True)
    assert LBFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-3, steps=200)
    assert np.abs(atoms.get_forces()).max() < 1e-3
    assert np.abs(atoms.get_stress()).max() < 1e-4
    lengths = atoms.cell.lengths()
    assert np.ptp(lengths) < 1e-2 and atoms.cell.angles() == pytest.approx([90, 90, 90], abs=0.2)


def test_displaced_copies_share_a_calculator(potential):
    """As phonon programs do: forces of many copies, a step to either side, from one calculator."""
    calculator, atoms = Calculator(potential), crystal()
    for i in range(len(atoms)):
        for sign in (1, -1):
            copy = atoms.copy()
            copy.positions[i, 0] += 0.01 * sign
            copy.calc = calculator
            np.testing.assert_allclose(copy.get_forces(), potential.predict([copy])[0]["forces"], atol=1e-11)
    assert calculator.n_neighbour_lists == 1


def test_structures_of_different_size_take_turns(potential):
    calculator = Calculator(potential)
    for make in (molecule, crystal, wire, molecule, slab, crystal):
        atoms = make()
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(potential.predict([atoms])[0]["energy"], rel=1e-12)


def test_unknown_elements_are_refused_with_their_names(potential):
    atoms = with_calculator(Atoms("AuCuO", positions=np.eye(3) * 2), potential)
    with pytest.raises(GraphError, match=r"unknown elements Cu, Au; the elements of this model are H, C, O, Si"):
        atoms.get_potential_energy()


def test_positions_that_are_not_finite_are_refused_with_advice(potential):
    atoms = with_calculator(crystal(), potential)
    atoms.get_forces()
    atoms.positions[1] = np.inf
    with pytest.raises(GraphError, match="time step"):
        atoms.get_forces()


def test_an_error_leaves_no_stale_results(potential):
    atoms = with_calculator(crystal(), potential)
    energy = atoms.get_potential_energy()
    atoms.positions[0] = np.nan
    for _ in range(2):
        with pytest.raises(GraphError):
            atoms.get_potential_energy()
    atoms.positions[:] = crystal().positions
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-12)


def test_the_potential_is_given_back_and_left_as_it_was(potential):
    potential.train()
    atoms = with_calculator(crystal(), potential)
    atoms.get_forces()
    assert atoms.calc.potential is potential
    assert potential.training


def test_another_dtype_is_a_copy_and_the_caller_keeps_his(potential):
    atoms = crystal()
    exact = potential.predict([atoms])[0]["forces"]
    atoms.calc = Calculator(potential, dtype="float32")
    assert potential.model.dtype == torch.float64
    assert atoms.calc.potential.model.dtype == torch.float32
    assert 0 < np.abs(atoms.get_forces() - exact).max() < 1e-4
    assert Calculator(potential, dtype=torch.float64, device="cpu").potential is potential
    with pytest.raises(ConfigError, match="float32"):
        Calculator(potential, dtype="float23")


def test_a_device_that_this_machine_lacks_is_said_not_traced(potential):
    with pytest.raises(ConfigError, match="device 'gpu' cannot be used"):
        Calculator(potential, device="gpu")
    with pytest.raises(ConfigError, match="device 'cuda:77' cannot be used"):
        Calculator(potential, device="cuda:77")


def test_a_path_is_loaded(potential, tmp_path):
    potential.save(tmp_path / "model.safetensors")
    atoms = with_calculator(crystal(), tmp_path / "model.safetensors")
    assert atoms.get_potential_energy() == pytest.approx(potential.predict([atoms])[0]["energy"], rel=1e-12)
    with pytest.raises(FormatError):
        Calculator(str(tmp_path / "nothing.safetensors"))


def test_a_head_is_chosen_for_the_calculator_only():
    baseline = Baseline(ELEMENTS, heads=["PBE", "r2SCAN"])
    potential = Potential(randomise(construct(lambda: model(baseline=baseline))).double()).eval()
    potential.model.baseline.set_e0(dict.fromkeys(ELEMENTS, 7.0), "r2SCAN")
    energies = {}
    for head in potential.heads:
        energies[head] = with_calculator(crystal(), potential, head=head).get_potential_energy()
    assert energies["r2SCAN"] - energies["PBE"] == pytest.approx(28.0, abs=5.0)
    assert potential.head is None
    with pytest.raises(GraphError, match="PBE, r2SCAN"):
        with_calculator(crystal(), potential).get_potential_energy()
    potential.head = "PBE"
    assert with_calculator(crystal(), potential).get_potential_energy() == energies["PBE"]
    with pytest.raises(GraphError, match="unknown head 'B3LYP'"):
        Calculator(potential, head="B3LYP")


def test_results_are_the_callers_to_change(potential):
    atoms = with_calculator(crystal(), potential)
    forces = atoms.get_forces()
    forces += 1.0
    assert np.abs(atoms.get_forces() - forces).min() > 0.5


@pytest.mark.parametrize("dtype", ["float32", ">f8", "int64"])
def test_positions_of_any_numeric_type_are_evaluated_again(potential, dtype):
    """The second evaluation of positions in float32, or of the other byte order, ended in a traceback."""
    atoms = with_calculator(bulk("Cu", a=4.0, cubic=True) if "Cu" in potential.elements else crystal(), potential)
    atoms.get_potential_energy()
    atoms.arrays["positions"] = (atoms.positions + 0.01).round().astype(dtype)
    plain = with_calculator(atoms.copy(), potential)
    plain.positions = atoms.positions.astype(float)
    assert atoms.get_potential_energy() == pytest.approx(plain.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), plain.get_forces(), atol=1e-12)
