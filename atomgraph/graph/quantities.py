"""The table of predicted quantities: name, shape, unit, sign convention, and the form of errors in tables and plots.

To add a quantity, such as a dipole or a charge, add a row to ``QUANTITIES``. Readers, graphs, batches, losses and
error tables use the names, shapes and units of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np

from atomgraph.old_names import OldAttribute
from atomgraph.units import PRESSURE

VOIGT = (0, 4, 8, 5, 2, 1)  # positions of xx, yy, zz, yz, xz, xy in a flattened 3×3 tensor


@dataclass(frozen=True)
class Quantity:
    """One predicted quantity.

    Attributes:
        name: Name of the label, of the field of a graph, and of the entry in a potential's results.
        title: Name in plots and reports.
        noun_phrase: Name with its article, for messages such as "no frame has a stress".
        per: ``atom`` for one label per atom, ``graph`` for one label per structure.
        shape: Shape of one label: () for a number, (3,) for a vector, (3, 3) for a tensor.
        inner_unit: Unit in graphs and results, a product of eV, Å and e.
        unit: Unit in error tables.
        factor: Factor from ``inner_unit`` to ``unit``.
        plot_unit: Unit of the axes of plots, and the factor from ``unit`` to this unit.
        sign: Sign convention, in words; empty if none is needed.
        extensive: Whether errors are divided by the number of atoms.
        symmetric: Whether a (3, 3) tensor is symmetric. Error tables then count its six Voigt components.
        needs_volume: Whether the quantity is NaN, and its label unused, for a structure without volume.
        convertible_labels: Names of other labels that are converted into this quantity, such as ``virial`` into stress.
        census_range: Key, title and unit of the range of values in the census (statistics) of a data set; None for no range.
        units: Accepted units of files, with factors to ``inner_unit``; empty if ``data.units`` has special rules.
        loss: Default loss of a training term.
        metric: Default error during training.
    """

    name: str
    title: str
    noun_phrase: str
    per: Literal["atom", "graph"]
    shape: tuple[int, ...]
    inner_unit: str
    unit: str
    factor: float
    plot_unit: tuple[str, float]
    sign: str = ""
    extensive: bool = False
    symmetric: bool = False
    needs_volume: bool = False
    convertible_labels: tuple[str, ...] = ()
    census_range: tuple[str, str, str] | None = None
    units: Mapping[str, float] = field(default_factory=dict, hash=False)
    loss: str = "mse"
    metric: str = "mae"

    @property
    def mask(self) -> str:
        """Name of the field of a graph that is True for present labels."""
        return f"{self.name}_mask"

    @property
    def n_components(self) -> int:
        """Number of components of one label, as losses count them."""
        return prod(self.shape)

    @property
    def n_table_components(self) -> int:
        """Number of components of one label, as error tables count them: six for a symmetric tensor."""
        return len(VOIGT) if self.symmetric else self.n_components

    def full_shape(self, n_atoms: int) -> tuple[int, ...]:
        """Return the shape of the label of a structure."""
        return (n_atoms, *self.shape) if self.per == "atom" else self.shape

    def table_components(self, value: np.ndarray, n_atoms: int) -> np.ndarray:
        """Return all components that error tables compare, (n_labels · n_table_components,), in ``inner_unit``.

        An extensive quantity is divided by the number of atoms.

        Args:
            value: Label or prediction of a structure, of ``full_shape``, in ``inner_unit``.
            n_atoms: Number of atoms of the structure.
        """
        flat = value.reshape(-1)
        if self.symmetric:
            return flat[list(VOIGT)]
        return flat / n_atoms if self.extensive else flat

    def census_value(self, label: np.ndarray, n_atoms: int) -> float:
        """Return one number for the census: the energy per atom, the mean of the diagonal, or the largest norm of a row."""
        if self.extensive and not self.shape:
            return float(label) / n_atoms
        if self.symmetric:
            return float(np.trace(label) / 3)
        return float(np.linalg.norm(label.reshape(-1, self.n_components), axis=1).max())

    axis = OldAttribute("plot_unit")


ENERGY = Quantity(
    name="energy",
    title="energy per atom",
    noun_phrase="an energy",
    per="graph",
    shape=(),
    inner_unit="eV",
    unit="meV/atom",
    factor=1e3,
    plot_unit=("eV/atom", 1e-3),
    extensive=True,
    census_range=("energy", "energy per atom", "eV"),
)
FORCES = Quantity(
    name="forces",
    title="forces",
    noun_phrase="forces",
    per="atom",
    shape=(3,),
    inner_unit="eV/Å",
    unit="eV/Å",
    factor=1.0,
    plot_unit=("eV/Å", 1.0),
    sign="−dE/dx",
    census_range=("force", "largest force", "eV/Å"),
)
STRESS = Quantity(
    name="stress",
    title="stress",
    noun_phrase="a stress",
    per="graph",
    shape=(3, 3),
    inner_unit="eV/Å³",
    unit="GPa",
    factor=1.0 / PRESSURE["GPa"],
    plot_unit=("GPa", 1.0),
    sign="(1/V) dE/dε, positive in tension",
    symmetric=True,
    needs_volume=True,
    convertible_labels=("virial",),
    census_range=("stress", "stress, mean of diagonal", "eV/Å³"),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in (ENERGY, FORCES, STRESS)}
"""Quantities by name. Columns of ``label_weights``, of label counts and of tables have this order."""

if TYPE_CHECKING:
    QuantityName = str
    WeightedName = str
else:  # the schema of configurations accepts the names of the table, and ``all``
    QuantityName = Literal[tuple(QUANTITIES)]
    WeightedName = Literal[("all", *QUANTITIES)]


def column_index(name: str) -> int:
    """Return the column of a quantity in ``label_weights`` and in label counts."""
    return list(QUANTITIES).index(name)


def label_names() -> tuple[str, ...]:
    """Return the names of all labels: quantities, then labels that are converted into quantities, such as ``virial``."""
    return (*QUANTITIES, *(name for quantity in QUANTITIES.values() for name in quantity.convertible_labels))
