"""Units, signs and component order of labels in a file: stated words to factors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from atomgraph.errors import DataError, nearest
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.units import ENERGY, FORCE, LENGTH, PRESSURE, factor

_WITH_RULES = ("energy", "length", "forces", "stress", "virial")
_SIGNS = ("forces_sign", "stress_sign", "virial_sign", "stress_order")
SIGNS = {"tension": 1.0, "compression": -1.0}
FORCE_SIGNS = {"force": 1.0, "gradient": -1.0}  # −dE/dx, dE/dx
GRADIENT = re.compile(r"grad(?!e|ua)|(?<![a-z])d_?e_?d_?[rx](?![a-z])", re.IGNORECASE)  # dft_grad, dE_dx; not graded
# Where xx, xy, xz, yx, ... stand among six numbers.
ORDERS = {
    "ase": (0, 5, 4, 5, 1, 3, 4, 3, 2),  # xx yy zz yz xz xy
    "vasp": (0, 3, 5, 3, 1, 4, 5, 4, 2),  # xx yy zz xy yz zx
    "lammps": (0, 3, 4, 3, 1, 5, 4, 5, 2),  # xx yy zz xy xz yz
}


@dataclass(frozen=True)
class Conversion:
    """Factors from the units of a file to eV and Å, with signs; the order of six stress components, None if not stated.

    A unit that is not named follows the others: forces are energy/length, stresses energy/length³, virials energies.
    """

    length: float
    energy: float
    forces: float
    stress: float
    virial: float
    order: str | None = None
    others: Mapping[str, float] = field(default_factory=dict)  # of further quantities, by name

    @classmethod
    def of(cls, units: Mapping[str, str] | None) -> Self:
        """The conversion that words describe.

        Raises:
            DataError: For unknown entries and units, with the nearest known one.
        """
        given = known_entries(units, unit_names(), "units")
        energy = factor(given.get("energy", "eV"), ENERGY, "energy")
        length = factor(given.get("length", "Å"), LENGTH, "length")
        forces = factor(given["forces"], FORCE, "forces") if "forces" in given else energy / length
        stress = factor(given["stress"], PRESSURE, "stress") if "stress" in given else energy / length**3
        virial = factor(given["virial"], ENERGY, "virial") if "virial" in given else energy
        forces *= factor(given.get("forces_sign", "force"), FORCE_SIGNS, "forces_sign")
        stress *= factor(given.get("stress_sign", "tension"), SIGNS, "stress_sign")
        virial *= factor(given.get("virial_sign", "compression"), SIGNS, "virial_sign")
        order = given.get("stress_order")
        if order is not None and order not in ORDERS:
            raise DataError(f"unknown stress_order {order!r}{nearest(order, ORDERS)}")
        others = {
            name: factor(given.get(name, quantity.inner_unit), {quantity.inner_unit: 1.0, **quantity.units}, name)
            for name, quantity in QUANTITIES.items()
            if name not in _WITH_RULES
        }
        return cls(length, energy, forces, stress, virial, order, others)

    def factor(self, name: str) -> float:
        """What turns a label of a file into eV and Å.

        Args:
            name: Of the label.
        """
        if name in self.others:
            return self.others[name]
        return {"energy": self.energy, "forces": self.forces, "stress": self.stress, "virial": self.virial}[name]

    def full_tensor(self, name: str, value: np.ndarray) -> np.ndarray:
        """Six numbers of a file as (3, 3), nine as they are.

        Raises:
            DataError: For six numbers without a stated order.
        """
        if value.shape != (6,):
            return value
        if self.order is None:
            raise DataError(
                f"{name} should be nine numbers (xx xy xz yx yy yz zx zy zz): it has six, and their order is open. Or state "
                f"the order: data.units: {{stress_order: ase}} for xx yy zz yz xz xy, vasp for xx yy zz xy yz zx, lammps for "
                f"xx yy zz xy xz yz; in a command, --unit stress_order=ase"
            )
        return value[list(ORDERS[self.order])].reshape(3, 3)


def unit_names() -> tuple[str, ...]:
    """Entries that ``data.units`` may have."""
    return (*_WITH_RULES, *(name for name in QUANTITIES if name not in _WITH_RULES), *_SIGNS)


def says_gradient(name: str) -> bool:
    """Whether the name of a label says that it is dE/dx, the negative of forces."""
    return GRADIENT.search(name) is not None


def check_forces_sign(key: str, units: Mapping[str, str] | None) -> None:
    """DataError where forces are taken from a key that says gradient, and the sign is not stated.

    Args:
        key: That is configured for forces.
        units: As they are stated.
    """
    if says_gradient(key) and "forces_sign" not in (units or {}):
        raise DataError(
            f"the key {key!r} of forces says gradient: dE/dx is minus the forces. State what it holds: data.units: "
            f"{{forces_sign: gradient}} for dE/dx, force for −dE/dx; in a command, --unit forces_sign=gradient"
        )


def known_entries(given: Mapping[str, str] | None, known: tuple[str, ...], what: str) -> dict[str, str]:
    """A copy of a mapping of strings; DataError for unknown entries and other values."""
    entries = dict(given or {})
    for name, value in entries.items():
        if name not in known:
            raise DataError(f"unknown entry {name!r} in {what}{nearest(name, known)}")
        if not isinstance(value, str):
            raise DataError(f"{what}.{name} should be a word, but is {value!r}")
    return entries
