"""Conversions of units. Inside atomgraph, lengths are in Å, energies in eV, stresses in eV/Å³.

A factor turns a number in the named unit into the inner unit: ``value * ENERGY["kcal/mol"]`` is in eV.
Values follow ASE's (CODATA 2014), so that structures which passed through ASE agree to the last digit.
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
    """The number that turns ``unit`` into the inner unit of ``quantity``; DataError names the nearest known unit."""
    if unit not in table:
        raise DataError(f"unknown unit {unit!r} for {quantity}{nearest(unit, table)}")
    return table[unit]
