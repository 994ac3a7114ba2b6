"""Conversion of units. Inside atomgraph, lengths are in Å, energies in eV, stresses in eV/Å³.

A factor converts a number in the named unit to these units: ``value * ENERGY["kcal/mol"]`` is in eV. The factors are those of
ASE (CODATA 2014), so structures that were converted by ASE agree to the last digit.
"""

from __future__ import annotations

from ase import units as _ase

from atomgraph.errors import DataError, nearest

ENERGY: dict[str, float] = {
    "eV": 1.0,
    "meV": 1e-3,
    "Hartree": _ase.Hartree,
    "Ry": _ase.Rydberg,
    "kcal/mol": _ase.kcal / _ase.mol,
    "kJ/mol": _ase.kJ / _ase.mol,
}
LENGTH: dict[str, float] = {"Å": 1.0, "Angstrom": 1.0, "Bohr": _ase.Bohr, "nm": _ase.nm}
PRESSURE: dict[str, float] = {
    "eV/Å^3": 1.0,
    "eV/Angstrom^3": 1.0,
    "GPa": _ase.GPa,
    "kbar": 0.1 * _ase.GPa,
    "bar": 1e-4 * _ase.GPa,
    "Hartree/Bohr^3": _ase.Hartree / _ase.Bohr**3,
    "Ry/Bohr^3": _ase.Rydberg / _ase.Bohr**3,
}
FORCE: dict[str, float] = {
    f"{energy}/{length}": factor / scale for energy, factor in ENERGY.items() for length, scale in LENGTH.items()
}


def factor(unit: str, table: dict[str, float], quantity: str) -> float:
    """Return the factor that converts a number in ``unit`` to the unit that atomgraph uses.

    Args:
        unit: Name of the unit.
        table: Factors by unit, ``ENERGY``, ``LENGTH``, ``PRESSURE`` or ``FORCE``.
        quantity: Name of the quantity, for the error message.

    Raises:
        DataError: For an unknown unit.
    """
    if unit not in table:
        raise DataError(f"unknown unit {unit!r} for {quantity}{nearest(unit, table)}")
    return table[unit]
