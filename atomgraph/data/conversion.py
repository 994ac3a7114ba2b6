"""Conversion of labels of a file to eV and Å: units, signs and the order of stress components."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from atomgraph.errors import DataError, nearest
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.old_names import old_names_of, warn_old_name
from atomgraph.units import ENERGY, FORCE, LENGTH, PRESSURE, factor

# Entries of ``data.units`` for which ``Conversion`` has its own attributes; ``length`` is the unit of positions and cells.
_LABELS_WITH_RULES = ("energy", "length", "forces", "stress", "virial")
_SIGN_ENTRIES = ("forces_sign", "stress_sign", "virial_sign", "stress_order")
SIGNS = {"tension": 1.0, "compression": -1.0}  # factor to stresses that are positive in tension
FORCE_SIGNS = {"force": 1.0, "gradient": -1.0}  # force: −dE/dx, gradient: dE/dx
# names of gradients of the energy: dft_grad and dE_dx, but not graded
GRADIENT = re.compile(r"grad(?!e|ua)|(?<![a-z])d_?e_?d_?[rx](?![a-z])", re.IGNORECASE)
# Positions of xx, xy, xz, yx, yy, ... in a list of six components.
ORDERS = {
    "ase": (0, 5, 4, 5, 1, 3, 4, 3, 2),  # xx yy zz yz xz xy
    "vasp": (0, 3, 5, 3, 1, 4, 5, 4, 2),  # xx yy zz xy yz zx
    "lammps": (0, 3, 4, 3, 1, 5, 4, 5, 2),  # xx yy zz xy xz yz
}


@dataclass(frozen=True)
class Conversion:
    """Factors from the units of a file to eV and Å, signs included.

    Units that are not stated follow from those of energy and length: energy/length for forces, energy/length³ for stresses,
    energy for virials.

    Attributes:
        length: Factor to Å.
        energy: Factor to eV.
        forces: Factor to eV/Å; negative if the file contains gradients dE/dx.
        stress: Factor to eV/Å³; negative if stresses of the file are positive in compression.
        virial: Factor to eV; negative if virials of the file are positive in compression.
        order: Order of six stress components, a key of ``ORDERS``; None if it is not stated.
        other_factors: Factors of further quantities, by name.
    """

    length: float
    energy: float
    forces: float
    stress: float
    virial: float
    order: str | None = None
    other_factors: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_units(cls, units: Mapping[str, str] | None) -> Self:
        """Return the conversion for named units.

        Args:
            units: Entries of ``data.units``, such as ``{energy: Hartree, length: Bohr}``.

        Raises:
            DataError: If an entry or a unit is unknown; the message has the most similar valid name.
        """
        entries = check_entries(units, unit_names(), "units")
        energy = factor(entries.get("energy", "eV"), ENERGY, "energy")
        length = factor(entries.get("length", "Å"), LENGTH, "length")
        forces = factor(entries["forces"], FORCE, "forces") if "forces" in entries else energy / length
        stress = factor(entries["stress"], PRESSURE, "stress") if "stress" in entries else energy / length**3
        virial = factor(entries["virial"], ENERGY, "virial") if "virial" in entries else energy
        forces *= factor(entries.get("forces_sign", "force"), FORCE_SIGNS, "forces_sign")
        stress *= factor(entries.get("stress_sign", "tension"), SIGNS, "stress_sign")
        virial *= factor(entries.get("virial_sign", "compression"), SIGNS, "virial_sign")
        order = entries.get("stress_order")
        if order is not None and order not in ORDERS:
            raise DataError(f"unknown stress_order {order!r}{nearest(order, ORDERS)}")
        other_factors = {
            name: factor(entries.get(name, quantity.inner_unit), {quantity.inner_unit: 1.0, **quantity.units}, name)
            for name, quantity in QUANTITIES.items()
            if name not in _LABELS_WITH_RULES
        }
        return cls(length, energy, forces, stress, virial, order, other_factors)

    @classmethod
    def of(cls, units: Mapping[str, str] | None) -> Self:
        """``from_units`` under its name of the last release."""
        warn_old_name("Conversion.of", "Conversion.from_units")
        return cls.from_units(units)

    def factor(self, name: str) -> float:
        """Return the factor of a label from the units of the file to eV and Å.

        Args:
            name: Name of the label.
        """
        if name in self.other_factors:
            return self.other_factors[name]
        return {"energy": self.energy, "forces": self.forces, "stress": self.stress, "virial": self.virial}[name]

    def full_tensor(self, name: str, value: np.ndarray) -> np.ndarray:
        """Return six components of a file as a tensor, (3, 3); an array of another shape is returned unchanged.

        Args:
            name: Name of the label, for messages.
            value: The components, in the units of the file.

        Raises:
            DataError: If there are six components, but ``stress_order`` is not stated.
        """
        if value.shape != (6,):
            return value
        if self.order is None:
            raise DataError(
                f"{name} should be nine numbers (xx xy xz yx yy yz zx zy zz): it has six in an unknown order. Write nine "
                f"numbers, or state the order: data.units: {{stress_order: ase}} for xx yy zz yz xz xy, vasp for "
                f"xx yy zz xy yz zx, lammps for xx yy zz xy xz yz; in a command, --unit stress_order=ase"
            )
        return value[list(ORDERS[self.order])].reshape(3, 3)


def unit_names() -> tuple[str, ...]:
    """Return the valid entries of ``data.units``."""
    return (*_LABELS_WITH_RULES, *(name for name in QUANTITIES if name not in _LABELS_WITH_RULES), *_SIGN_ENTRIES)


def is_gradient_name(name: str) -> bool:
    """Return whether the name of a label is that of a gradient dE/dx, the negative of the forces."""
    return GRADIENT.search(name) is not None


def check_forces_sign(key: str, units: Mapping[str, str] | None) -> None:
    """Check that the sign of forces is stated if their key is the name of a gradient.

    Args:
        key: Key of the forces in the file.
        units: Entries of ``data.units``.

    Raises:
        DataError: If the key is the name of a gradient and ``forces_sign`` is not stated.
    """
    if is_gradient_name(key) and "forces_sign" not in (units or {}):
        raise DataError(
            f"the key {key!r} of forces is the name of a gradient, and dE/dx is minus the forces. State the sign: data.units: "
            f"{{forces_sign: gradient}} for dE/dx, force for −dE/dx; in a command, --unit forces_sign=gradient"
        )


def check_entries(mapping: Mapping[str, str] | None, valid_names: tuple[str, ...], what: str) -> dict[str, str]:
    """Return a checked copy of a mapping of strings.

    Args:
        mapping: The mapping; None for an empty one.
        valid_names: Names that entries may have.
        what: Name of the mapping, for messages.

    Raises:
        DataError: If an entry is unknown or is not a string.
    """
    entries = dict(mapping or {})
    for name, value in entries.items():
        if name not in valid_names:
            raise DataError(f"unknown entry {name!r} in {what}{nearest(name, valid_names)}")
        if not isinstance(value, str):
            raise DataError(f"{what}.{name} should be a word, but is {value!r}")
    return entries


__getattr__ = old_names_of(__name__)
