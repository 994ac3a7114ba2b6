"""The shift per element: exact where compositions determine it, of least norm and named where they do not."""

import ase
import numpy as np
import pytest
from ase.build import molecule

from atomgraph.data.e0_shift import EnergyShift, counts_of, energy_shift

TRUE = np.array([1.0, -2.0, 0.5])  # H, C, O
ELEMENTS = ["H", "C", "O"]


def shift_of(*names, noise=0.0):
    counts = counts_of([molecule(name) for name in names], ELEMENTS)
    rng = np.random.default_rng(0)
    return energy_shift(counts, counts @ TRUE + noise * rng.standard_normal(len(counts)), ELEMENTS)


def test_enough_compositions_give_the_shift_of_each_element():
    found = shift_of("H2O", "CH4", "CO2", "C2H6")
    np.testing.assert_allclose(found.shift, TRUE, atol=1e-12)
    assert (found.rank, found.undetermined, found.missing()) == (3, [], "")
    assert found.residual < 1e-12 < found.before
    assert found.undetermined_formulas([molecule("C6H6"), ase.Atoms("O")]) == []


def test_the_standard_error_is_how_far_shifts_scatter():
    counts = counts_of([molecule(name) for name in ("H2O", "CH4", "CO2", "C2H6", "H2", "CH3OH", "CO")], ELEMENTS)
    rng = np.random.default_rng(0)
    noise = 0.01 * counts.sum(1) * rng.standard_normal((400, len(counts)))
    found = [energy_shift(counts, counts @ TRUE + more, ELEMENTS) for more in noise]
    scatter = np.std([one.shift for one in found], axis=0)
    told = np.sqrt(np.mean([one.error**2 for one in found], axis=0))
    np.testing.assert_allclose(told, scatter, rtol=0.15)


def test_one_composition_has_rank_one_and_is_named_as_a_whole():
    found = shift_of("CH3OH", "CH3OH", "CH3OH", noise=1e-3)
    counts = counts_of([molecule("CH3OH")], ELEMENTS)[0]
    assert (found.rank, found.undetermined, found.determined_formulas) == (1, ELEMENTS, ["CH4O"])
    assert "only as CH4O as a whole (2 directions" in found.missing()
    np.testing.assert_allclose(
        found.shift, counts * (found.shift @ counts) / (counts @ counts)
    )  # along the composition
    assert np.isnan(found.error).all()
    assert found.undetermined_formulas([molecule("CH3OH"), molecule("H2O")]) == ["H2O"]


def test_elements_that_are_determined_are_told_from_those_that_are_not():
    found = shift_of("H2", "CO", "H2CO")
    assert (found.rank, found.determined, found.undetermined, found.determined_formulas) == (
        2,
        ["H"],
        ["C", "O"],
        ["CO"],
    )
    assert found.by_element["H"] == pytest.approx(1.0)
    assert found.undetermined_formulas([molecule("H2CO"), molecule("CO2")]) == ["CO2"]


def test_what_is_written_down_is_read_back():
    found = shift_of("CH3OH", "H2")
    again = EnergyShift.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.undetermined_formulas([molecule("CO2"), molecule("CH3OH")]) == ["CO2"]
