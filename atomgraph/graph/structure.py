"""AtomicGraph: a structure as a PyG graph, with labels and their masks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import ase
import numpy as np
import torch
from ase.calculators.calculator import PropertyNotImplementedError
from torch import Tensor
from torch_geometric.data import Data

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays
from atomgraph.graph.checks import check_contacts, check_structure
from atomgraph.graph.neighbours import NeighbourList, edges_within, vectors_to_neighbours
from atomgraph.graph.quantities import QUANTITIES, column_index
from atomgraph.graph.quantities import VOIGT as VOIGT

STATES = {"charge": (("charge", "total_charge"), 0.0), "spin": (("spin", "total_spin"), 1.0)}  # keys of info, default


class AtomicGraph(Data):
    r"""Atoms as nodes, pairs inside the cutoff as directed edges. Å and eV; real numbers are float64.

    ===================  ====================  =======================================================================
    field                shape                 meaning
    ===================  ====================  =======================================================================
    ``atomic_numbers``   (n_atoms,) int64      Z
    ``pos``              (n_atoms, 3)          positions, Å
    ``edge_index``       (2, n_edges) int64    row 0 the neighbour (sender), row 1 the centre (receiver), sorted by centre
    ``cell_shift``       (n_edges, 3) int32    S in vector = pos[centre] − pos[neighbour] + S @ cell
    ``cell``             (n_graphs, 3, 3)      cell vectors as rows, Å; zeros where there is none
    ``pbc``              (n_graphs, 3) bool    which directions repeat
    ``cutoff``           (n_graphs,)           every pair nearer than this is an edge, Å
    ``head``             (n_graphs,) int64     which head's E0, scale and readout column the structure uses; −1: not chosen
    ``charge``           (n_graphs,)           total charge, e; 0 where the structure says none
    ``spin``             (n_graphs,)           spin multiplicity, 2S + 1; 1 where the structure says none
    ``weight``           (n_graphs,)           weight of the structure in a loss
    ``label_weights``    (n_graphs, 3)         weights of energy, forces and stress, which multiply it
    ``energy``           (n_graphs,)           label, eV, total
    ``energy_mask``      (n_graphs,) bool      True where ``energy`` is a label, False where it is a zero
    ``forces``           (n_atoms, 3)          label, eV/Å
    ``forces_mask``      (n_atoms,) bool       the same per atom
    ``stress``           (n_graphs, 3, 3)      label, eV/Å³, positive in tension
    ``stress_mask``      (n_graphs,) bool      the same
    ===================  ====================  =======================================================================

    A head that is not chosen is the model's only one, or the head of the potential (``Potential.head``).
    Every field is always present, so structures with different labels batch together (``Batch.from_data_list``).
    An atom's own images are edges; the atom itself is not.
    """

    @classmethod
    def from_ase(cls, atoms: ase.Atoms, cutoff: float, *, neighbours: NeighbourList | None = None) -> Self:
        """The graph of one structure, with the labels found on its calculator, in ``info`` and in ``arrays``.

        The graph's tensors are its own; moving the atoms later leaves it alone.

        Args:
            cutoff: Å, positive.
            neighbours: Another neighbour list may stand in (see ``graph/neighbours.py``).

        Raises:
            GraphError: For an empty structure, a cutoff that is not positive, positions, cells or labels that are not
                finite or of a wrong shape, a periodic cell without volume, or two atoms on one spot.
        """
        structure = StructureArrays.from_ase(atoms)
        if neighbours is not None:
            centre, neighbour, shift = neighbours(atoms, cutoff)
            edges = np.stack([neighbour, centre]), -shift.astype(np.int32)
        else:
            edges = edges_within(structure, cutoff)
        return cls._assembled(structure, cutoff, edges, labels_of(atoms), states_of(atoms))

    @classmethod
    def from_arrays(
        cls,
        positions: Any,
        numbers: Any,
        cell: Any = None,
        pbc: Any = False,
        edges: tuple[Any, Any] | None = None,
        *,
        cutoff: float,
        labels: Mapping[str, Any] | None = None,
        charge: float = 0.0,
        spin: float = 1.0,
    ) -> Self:
        """The graph of one structure from arrays, for simulation engines.

        Args:
            positions: (n_atoms, 3), Å.
            numbers: (n_atoms,), atomic numbers.
            cell: (3, 3), cell vectors as rows, Å; None for no cell.
            pbc: (3,) bool, which directions are periodic, or one bool for all.
            edges: ``edge_index`` (2, n_edges), neighbours and centres, and ``cell_shift`` (n_edges, 3), as in the table
                above; every pair within the cutoff, in both directions. A neighbour list is made where they are None.
            cutoff: Å, positive.
            labels: Labels by name, in eV and Å.
            charge: Total charge, e.
            spin: Spin multiplicity, 2S + 1.

        Returns:
            The graph. Its tensors share no memory with the arrays.

        Raises:
            GraphError: As ``from_ase``, and for arrays or edges of a wrong shape.
        """
        structure = StructureArrays.checked(positions, numbers, cell, pbc)
        edges = edges_within(structure, cutoff) if edges is None else _checked_edges(structure, cutoff, *edges)
        checked = {name: checked_label(name, value, len(structure)) for name, value in (labels or {}).items()}
        return cls._assembled(structure, cutoff, edges, checked, {"charge": charge, "spin": spin})

    @classmethod
    def _assembled(
        cls,
        structure: StructureArrays,
        cutoff: float,
        edges: tuple[np.ndarray, np.ndarray],
        labels: Mapping[str, np.ndarray],
        states: Mapping[str, float],
    ) -> Self:
        edge_index, cell_shift = edges
        fields = {
            "atomic_numbers": torch.from_numpy(np.array(structure.numbers, dtype=np.int64)),
            "pos": torch.from_numpy(structure.positions.copy()),
            "edge_index": torch.from_numpy(edge_index),
            "cell_shift": torch.from_numpy(cell_shift),
            "cell": torch.from_numpy(np.array(structure.cell, dtype=np.float64))[None],
            "pbc": torch.from_numpy(np.array(structure.pbc, dtype=np.bool_))[None],
            "cutoff": torch.tensor([cutoff], dtype=torch.float64),
            "head": torch.full((1,), -1, dtype=torch.int64),
            "weight": torch.ones(1, dtype=torch.float64),
            "label_weights": torch.ones((1, len(QUANTITIES)), dtype=torch.float64),
        }
        fields |= {name: torch.tensor([value], dtype=torch.float64) for name, value in states.items()}
        return cls(**fields, **_label_fields(labels, len(structure)))

    @property
    def n_atoms(self) -> int:
        return int(self.pos.shape[0])

    @property
    def n_edges(self) -> int:
        return int(self.edge_index.shape[1])

    @property
    def n_graphs(self) -> int:
        return int(self.cell.shape[0])

    @property
    def graph_of_atom(self) -> Tensor:
        """(n_atoms,) int64: the structure that each atom belongs to; zeros for a graph that is not a batch."""
        batch = self._store.get("batch")
        return batch if batch is not None else torch.zeros_like(self.atomic_numbers)

    def weight_of(self, label: str) -> Tensor:
        """(n_graphs,) weights of a label, ``energy``, ``forces`` or ``stress``: the structure's times the label's own."""
        return self.weight * self.label_weights[:, column_index(label)]

    def shallow_copy(self) -> Self:
        """Another graph with the same tensors; setting a field of the copy leaves this one as it is."""
        return copy.copy(self)


def without_labels(atoms: ase.Atoms) -> ase.Atoms:
    """A copy of what a graph is made of, and nothing else: no labels, no notes but charge and spin, no velocities."""
    states = {name: value for name, value in states_of(atoms).items() if value != STATES[name][1]}
    return ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=states)


def states_of(atoms: ase.Atoms) -> dict[str, float]:
    """Total charge (e) and spin multiplicity, from ``info``: ``charge`` or ``total_charge``, ``spin`` or ``total_spin``.

    Raises:
        GraphError: For what is no finite number, or where two entries contradict.
    """
    if not atoms.info:  # in dynamics this is asked for several times a step
        return {name: default for name, (_, default) in STATES.items()}
    states = {}
    for name, (keys, default) in STATES.items():
        values = {key: _number(key, atoms.info[key]) for key in keys if atoms.info.get(key) is not None}
        if len(set(values.values())) > 1:
            raise GraphError(f"info tells two values of the {name}: {values}; keep one")
        states[name] = next(iter(values.values()), default)
    return states


def _number(key: str, value: Any) -> float:
    try:
        number = float(np.asarray(value, dtype=float).reshape(()))
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise GraphError(f"info[{key!r}] should be a number, but is {value!r}")
    return number


def labels_of(atoms: ase.Atoms) -> dict[str, np.ndarray]:
    """Energy (), forces (n_atoms, 3), stress (3, 3) as far as the structure carries them, in its own units.

    Looked for on a calculator that holds results for this very structure, then in ``info`` and ``arrays``, where
    older ASE and other programs leave them. A label that is NaN in all its entries counts as missing.

    Raises:
        GraphError: Where a label has a wrong shape or is not finite.
    """
    labels: dict[str, np.ndarray] = {}
    for name, quantity in QUANTITIES.items():
        value = _from_calculator(atoms, name)
        if value is None:
            value = atoms.arrays.get(name) if quantity.per == "atom" else atoms.info.get(name)
        if value is not None and not _is_missing(value):
            labels[name] = checked_label(name, value, len(atoms))
    return labels


def _is_missing(value: Any) -> bool:
    """Whether all entries are NaN."""
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return False
    return bool(numbers.size) and bool(np.isnan(numbers).all())


def checked_label(name: str, value: Any, n_atoms: int) -> np.ndarray:
    """The label in its full shape (Voigt stresses become 3×3), or a GraphError that says what it should have been."""
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


def _label_fields(labels: Mapping[str, np.ndarray], n_atoms: int) -> dict[str, Tensor]:
    """A label and a mask for each quantity: numbers and True where there is a label, zeros and False where there is none."""
    fields = {}
    for name, quantity in QUANTITIES.items():
        labelled = name in labels
        n_rows = n_atoms if quantity.per == "atom" else 1
        shape = (n_rows, *quantity.shape)
        value = torch.tensor(labels[name]).reshape(shape) if labelled else torch.zeros(shape, dtype=torch.float64)
        fields[name], fields[quantity.mask] = value, torch.full((n_rows,), labelled)
    return fields


def _checked_edges(
    structure: StructureArrays, cutoff: float, edge_index: Any, cell_shift: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Edges of an engine's neighbour list as int64 and int32, sorted by centre; GraphError where they cannot be edges."""
    check_structure(structure, cutoff)
    index, shift = np.array(edge_index, dtype=np.int64), np.array(cell_shift, dtype=np.int32)
    n_edges, n_atoms = index.shape[-1] if index.ndim else 0, len(structure)
    for name, value, shape in (("edge_index", index, (2, n_edges)), ("cell_shift", shift, (n_edges, 3))):
        if value.shape != shape:
            raise GraphError(f"{name} should have shape {shape}, but has {value.shape}")
    if n_edges and not 0 <= index.min() <= index.max() < n_atoms:
        raise GraphError(f"edge_index should hold rows of {n_atoms} atoms, but reaches {index.min()} ... {index.max()}")
    if (np.diff(index[1]) < 0).any():
        order = np.argsort(index[1], kind="stable")
        index, shift = np.ascontiguousarray(index[:, order]), shift[order]
    vector = vectors_to_neighbours(structure, index[1], index[0], -shift)
    check_contacts(structure, index[1], index[0], -shift, np.linalg.norm(vector, axis=1))
    return index, shift


def _from_calculator(atoms: ase.Atoms, name: str) -> np.ndarray | None:
    """A result that a calculator holds already; nothing is computed."""
    calculator = atoms.calc
    if calculator is None:
        return None
    try:
        return calculator.get_property(name, atoms, allow_calculation=False)
    except (PropertyNotImplementedError, NotImplementedError):
        return None
