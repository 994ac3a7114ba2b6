"""Labels, charge and spin of ASE structures: energies, forces and stresses that a calculator, ``info`` or ``arrays`` holds."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
from ase.calculators.calculator import PropertyNotImplementedError

from atomgraph.errors import GraphError
from atomgraph.graph.quantities import QUANTITIES

STATES = {"charge": (("charge", "total_charge"), 0.0), "spin": (("spin", "total_spin"), 1.0)}
"""Total charge (e) and spin multiplicity: their keys in ``info``, and the default value."""


def get_labels(atoms: ase.Atoms) -> dict[str, np.ndarray]:
    """Return the labels that the structure has: energy, forces and stress, in the units of the structure.

    Shapes: (), (n_atoms, 3) and (3, 3).

    A label is read from the results of the calculator if they were computed for the present positions, cell and elements.
    Otherwise, the label is read from ``info`` or ``arrays``, where older versions of ASE and other programs store labels. A
    label is missing if all its entries are NaN.

    Raises:
        GraphError: If a label has a wrong shape or is not finite.
    """
    labels: dict[str, np.ndarray] = {}
    for name, quantity in QUANTITIES.items():
        value = _stored_result(atoms, name)
        if value is None:
            value = atoms.arrays.get(name) if quantity.per == "atom" else atoms.info.get(name)
        if value is not None and not _is_missing(value):
            labels[name] = check_label(name, value, len(atoms))
    return labels


def check_label(name: str, value: Any, n_atoms: int) -> np.ndarray:
    """Return a label in its full shape; a stress of six components (Voigt order) becomes (3, 3).

    Args:
        name: Name of the quantity.
        value: The label, array-like, in any unit.
        n_atoms: Number of atoms of the structure.

    Raises:
        GraphError: If the label has a wrong shape or is not finite.
    """
    try:
        value = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise GraphError(f"{name} should be numbers, but is {value!r}") from None
    quantity = QUANTITIES[name]
    shape = quantity.full_shape(n_atoms)
    if quantity.symmetric and value.shape == (6,):  # Voigt order xx, yy, zz, yz, xz, xy
        value = value[[0, 5, 4, 5, 1, 3, 4, 3, 2]]
    if (shape == (3, 3) and value.size == 9) or (shape == () and value.size == 1):
        value = value.reshape(shape)
    if value.shape != shape:
        raise GraphError(f"{name} should have shape {shape} for {n_atoms} atoms, but has {value.shape}")
    if not np.isfinite(value).all():
        raise GraphError(f"{name} holds NaN or infinite numbers; remove the label or the structure")
    return value


def get_charge_and_spin(atoms: ase.Atoms) -> dict[str, float]:
    """Return total charge (e) and spin multiplicity, by the names ``charge`` and ``spin``; 0 and 1 by default.

    They are read from ``info``, under the keys ``charge`` or ``total_charge``, and ``spin`` or ``total_spin``.

    Raises:
        GraphError: If a value is not a finite number, or two entries contradict each other.
    """
    if not atoms.info:  # fast path: molecular dynamics calls this function several times per step
        return {name: default for name, (_, default) in STATES.items()}
    states = {}
    for name, (keys, default) in STATES.items():
        values = {key: _number(key, atoms.info[key]) for key in keys if atoms.info.get(key) is not None}
        if len(set(values.values())) > 1:
            raise GraphError(f"info has two values of the {name}: {values}; keep one")
        states[name] = next(iter(values.values()), default)
    return states


def strip_labels(atoms: ase.Atoms) -> ase.Atoms:
    """Return a copy with elements, positions, cell, periodicity, charge and spin only."""
    states = {name: value for name, value in get_charge_and_spin(atoms).items() if value != STATES[name][1]}
    return ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=states)


def _number(key: str, value: Any) -> float:
    try:
        number = float(np.asarray(value, dtype=float).reshape(()))
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise GraphError(f"info[{key!r}] should be a number, but is {value!r}")
    return number


def _is_missing(value: Any) -> bool:
    """Return whether all entries are NaN."""
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return False
    return bool(numbers.size) and bool(np.isnan(numbers).all())


def _stored_result(atoms: ase.Atoms, name: str) -> np.ndarray | None:
    """Return a stored result of the calculator; None if there is none. Nothing is computed."""
    calculator = atoms.calc
    if calculator is None:
        return None
    try:
        return calculator.get_property(name, atoms, allow_calculation=False)
    except (PropertyNotImplementedError, NotImplementedError):
        return None
