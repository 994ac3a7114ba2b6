"""The shift per element: exact where compositions determine it, of least norm and named where they do not."""

import ase
import numpy as np
import pytest
from ase.build import molecule

from atomgraph.data.e0_shift import EnergyShift, count_atoms, energy_shift

TRUE = np.array([1.0, -2.0, 0.5])  # H, C, O
ELEMENTS = ["H", "C", "O"]


def shift_of(*names, noise=0.0):
    counts = count_atoms([molecule(name) for name in names], ELEMENTS)
    rng = np.random.default_rng(0)
    return energy_shift(counts, counts @ TRUE + noise * rng.standard_normal(len(counts)), ELEMENTS)


def test_enough_compositions_give_the_shift_of_each_element():
    result = shift_of("H2O", "CH4", "CO2", "C2H6")
    np.testing.assert_allclose(result.shift, TRUE, atol=1e-12)
    assert (result.rank, result.undetermined, result.describe_undetermined()) == (3, [], "")
    assert result.rms_after < 1e-12 < result.rms_before
    assert result.undetermined_formulas([molecule("C6H6"), ase.Atoms("O")]) == []


def test_the_standard_error_is_how_far_shifts_scatter():
    counts = count_atoms([molecule(name) for name in ("H2O", "CH4", "CO2", "C2H6", "H2", "CH3OH", "CO")], ELEMENTS)
    rng = np.random.default_rng(0)
    noise = 0.01 * counts.sum(1) * rng.standard_normal((400, len(counts)))
    result = [energy_shift(counts, counts @ TRUE + more, ELEMENTS) for more in noise]
    scatter = np.std([fit.shift for fit in result], axis=0)
    told = np.sqrt(np.mean([fit.error**2 for fit in result], axis=0))
    np.testing.assert_allclose(told, scatter, rtol=0.15)


def test_one_composition_has_rank_one_and_is_named_by_its_formula():
    result = shift_of("CH3OH", "CH3OH", "CH3OH", noise=1e-3)
    counts = count_atoms([molecule("CH3OH")], ELEMENTS)[0]
    assert (result.rank, result.undetermined, result.determined_formulas) == (1, ELEMENTS, ["CH4O"])
    assert "only together as CH4O (2 directions" in result.describe_undetermined()
    np.testing.assert_allclose(
        result.shift, counts * (result.shift @ counts) / (counts @ counts)
    )  # along the composition
    assert np.isnan(result.error).all()
    assert result.undetermined_formulas([molecule("CH3OH"), molecule("H2O")]) == ["H2O"]


def test_determined_and_undetermined_elements_are_listed():
    result = shift_of("H2", "CO", "H2CO")
    assert (result.rank, result.determined, result.undetermined, result.determined_formulas) == (
        2,
        ["H"],
        ["C", "O"],
        ["CO"],
    )
    assert result.by_element["H"] == pytest.approx(1.0)
    assert result.undetermined_formulas([molecule("H2CO"), molecule("CO2")]) == ["CO2"]


def test_a_written_shift_is_read_back():
    result = shift_of("CH3OH", "H2")
    again = EnergyShift.from_json(result.to_json())
    assert again.to_json() == result.to_json()
    assert again.undetermined_formulas([molecule("CO2"), molecule("CH3OH")]) == ["CO2"]
