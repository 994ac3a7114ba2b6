"""Conversions of units, against published constants."""

import pytest

from atomgraph import units
from atomgraph.errors import DataError


@pytest.mark.parametrize(
    ("table", "unit", "expected"),
    [  # CODATA 2014, and the definitions of the calorie and the pascal
        (units.ENERGY, "eV", 1.0),
        (units.ENERGY, "meV", 1e-3),
        (units.ENERGY, "Hartree", 27.21138602),
        (units.ENERGY, "Ry", 13.605693009),
        (units.ENERGY, "kcal/mol", 0.04336410),
        (units.ENERGY, "kJ/mol", 0.01036427),
        (units.LENGTH, "Bohr", 0.52917721067),
        (units.LENGTH, "nm", 10.0),
        (units.PRESSURE, "GPa", 1 / 160.21766208),
        (units.PRESSURE, "kbar", 1 / 1602.1766208),
        (units.PRESSURE, "bar", 1 / 1602176.6208),
        (units.PRESSURE, "Hartree/Bohr^3", 27.21138602 / 0.52917721067**3),
        (units.FORCE, "Hartree/Bohr", 51.4220671),
        (units.FORCE, "eV/Å", 1.0),
        (units.FORCE, "kcal/mol/Angstrom", 0.04336410),
    ],
)
def test_factors_are_the_published_constants(table, unit, expected):
    assert units.factor(unit, table, "it") == pytest.approx(expected, rel=2e-7)


def test_one_hartree_per_bohr_is_both_at_once():
    assert units.FORCE["Hartree/Bohr"] == units.ENERGY["Hartree"] / units.LENGTH["Bohr"]


def test_an_unknown_unit_names_the_nearest():
    with pytest.raises(DataError, match="unknown unit 'Hartre' for energy; did you mean Hartree"):
        units.factor("Hartre", units.ENERGY, "energy")
