"""The equation of state agrees with the stress, and has errors for unsuitable structures."""

import numpy as np
import pytest
from ase.build import bulk
from helpers.morse import morse_potential

from atomgraph.analysis.equation_of_state import equation_of_state, relax
from atomgraph.errors import GraphError
from atomgraph.units import PRESSURE


@pytest.fixture(scope="module")
def potential():
    return morse_potential()


@pytest.fixture(scope="module")
def copper(potential):
    return relax(potential, bulk("Cu", a=3.7))


def pressure(potential, atoms, scale):
    """-tr(σ)/3 in GPa at a scaled volume."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell * scale ** (1 / 3), scale_atoms=True)
    return -np.trace(potential.predict([copy])[0]["stress"]) / 3 / PRESSURE["GPa"]


def test_a_relaxed_crystal_is_free_of_stress(potential, copper):
    assert abs(potential.predict([copper])[0]["stress"]).max() < 1e-4


def test_bulk_modulus_is_the_derivative_of_the_pressure(potential, copper):
    fit = equation_of_state(potential, copper, span=0.02)
    step = 1e-3
    gradient = -(pressure(potential, copper, 1 + step) - pressure(potential, copper, 1 - step)) / (2 * step)
    assert fit.bulk_modulus == pytest.approx(gradient, rel=2e-3)
    assert fit.volume_0 == pytest.approx(copper.get_volume(), rel=1e-3)
    assert fit.energy_0 == pytest.approx(copper.get_potential_energy(), abs=1e-5)


def test_energies_without_a_minimum_are_an_error(potential, copper):
    pressed = copper.copy()
    pressed.set_cell(copper.cell * 0.9, scale_atoms=True)
    with pytest.raises(GraphError, match="no minimum"):
        equation_of_state(potential, pressed, span=0.05)


def test_a_relaxation_that_does_not_converge_is_an_error(potential):
    with pytest.raises(GraphError, match="not relaxed after 1 steps"):
        relax(potential, bulk("Cu", a=4.2), steps=1)
