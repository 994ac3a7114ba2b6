"""The table of predicted quantities: name, shape, unit, sign, mask, and how errors of each are counted and shown.

A further quantity, such as a dipole or a charge, is one more row of ``QUANTITIES``. Readers, graphs, batches, losses and
error tables take their names, shapes and units from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np

from atomgraph.units import PRESSURE

VOIGT = (0, 4, 8, 5, 2, 1)  # xx, yy, zz, yz, xz, xy of a flattened 3×3


@dataclass(frozen=True)
class Quantity:
    """One predicted quantity.

    Attributes:
        name: Of the label, the field of a graph, and the entry in a potential's results.
        title: In plots and reports.
        phrase: With its article, as in "no frame has a stress".
        per: Whether one label belongs to an atom or to a structure (a graph).
        shape: Of one label: () a number, (3,) a vector, (3, 3) a tensor.
        inner_unit: Of graphs and results: made of eV, Å and e.
        unit: Of error tables.
        factor: Turns ``inner_unit`` into ``unit``.
        axis: Unit of plots' axes, and the factor from ``unit`` to it.
        sign: The sign convention.
        extensive: Whether errors are divided by the number of atoms.
        symmetric: Whether a (3, 3) tensor is symmetric; six of its entries (Voigt order) are then counted in error tables.
        needs_volume: Whether it is NaN, and its label not used, where a structure has no volume.
        other_labels: Names of labels that are converted into this one.
        census: Key, title and unit of the range that a census gives.
        units: Accepted units of files, and their factors to ``inner_unit``; empty where ``data.units`` has its own rules.
        loss: Default loss of a training term.
        metric: Default error that is shown while training.
    """

    name: str
    title: str
    phrase: str
    per: Literal["atom", "graph"]
    shape: tuple[int, ...]
    inner_unit: str
    unit: str
    factor: float
    axis: tuple[str, float]
    sign: str = ""
    extensive: bool = False
    symmetric: bool = False
    needs_volume: bool = False
    other_labels: tuple[str, ...] = ()
    census: tuple[str, str, str] | None = None
    units: Mapping[str, float] = field(default_factory=dict, hash=False)
    loss: str = "mse"
    metric: str = "mae"

    @property
    def mask(self) -> str:
        """Field of a graph that is True where a label is present."""
        return f"{self.name}_mask"

    @property
    def n_components(self) -> int:
        """Numbers in one label, as losses count them."""
        return prod(self.shape)

    @property
    def n_shown(self) -> int:
        """Numbers in one label, as error tables count them."""
        return len(VOIGT) if self.symmetric else self.n_components

    def full_shape(self, n_atoms: int) -> tuple[int, ...]:
        """Shape of a structure's label."""
        return (n_atoms, *self.shape) if self.per == "atom" else self.shape

    def shown(self, value: np.ndarray, n_atoms: int) -> np.ndarray:
        """The numbers of a structure's label that error tables compare, in ``inner_unit``, (n,).

        Args:
            value: The label, or a prediction.
            n_atoms: Of the structure.
        """
        flat = value.reshape(-1)
        if self.symmetric:
            return flat[list(VOIGT)]
        return flat / n_atoms if self.extensive else flat

    def summary(self, label: np.ndarray, n_atoms: int) -> float:
        """One number for the census: per atom, mean of the diagonal, or the largest norm of a row."""
        if self.extensive and not self.shape:
            return float(label) / n_atoms
        if self.symmetric:
            return float(np.trace(label) / 3)
        return float(np.linalg.norm(label.reshape(-1, self.n_components), axis=1).max())


ENERGY = Quantity(
    name="energy",
    title="energy per atom",
    phrase="an energy",
    per="graph",
    shape=(),
    inner_unit="eV",
    unit="meV/atom",
    factor=1e3,
    axis=("eV/atom", 1e-3),
    extensive=True,
    census=("energy", "energy per atom", "eV"),
)
FORCES = Quantity(
    name="forces",
    title="forces",
    phrase="forces",
    per="atom",
    shape=(3,),
    inner_unit="eV/Å",
    unit="eV/Å",
    factor=1.0,
    axis=("eV/Å", 1.0),
    sign="−dE/dx",
    census=("force", "largest force", "eV/Å"),
)
STRESS = Quantity(
    name="stress",
    title="stress",
    phrase="a stress",
    per="graph",
    shape=(3, 3),
    inner_unit="eV/Å³",
    unit="GPa",
    factor=1.0 / PRESSURE["GPa"],
    axis=("GPa", 1.0),
    sign="(1/V) dE/dε, positive in tension",
    symmetric=True,
    needs_volume=True,
    other_labels=("virial",),
    census=("stress", "stress, mean of diagonal", "eV/Å³"),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in (ENERGY, FORCES, STRESS)}
"""Quantities by name. Their order is that of the columns of ``label_weights``, of counts of labels, and of tables."""

if TYPE_CHECKING:
    QuantityName = str
    WeightedName = str
else:  # for the schema of configurations: names in the table, and ``all``
    QuantityName = Literal[tuple(QUANTITIES)]
    WeightedName = Literal[("all", *QUANTITIES)]


def column_index(name: str) -> int:
    """Column of a quantity in ``label_weights`` and in counts of labels."""
    return list(QUANTITIES).index(name)


def label_names() -> tuple[str, ...]:
    """Names of all labels: quantities, then the labels that are converted into them, such as ``virial``."""
    return (*QUANTITIES, *(name for quantity in QUANTITIES.values() for name in quantity.other_labels))
