"""AtomicGraph: a structure as a PyG graph, with labels and a mask for each label."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import ase
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays
from atomgraph.graph.ase_labels import STATES as STATES
from atomgraph.graph.ase_labels import check_label as check_label
from atomgraph.graph.ase_labels import get_charge_and_spin as get_charge_and_spin
from atomgraph.graph.ase_labels import get_labels as get_labels
from atomgraph.graph.ase_labels import strip_labels as strip_labels
from atomgraph.graph.checks import check_contacts, check_structure
from atomgraph.graph.neighbours import NeighbourList, edges_within, vectors_to_neighbours
from atomgraph.graph.quantities import QUANTITIES, column_index
from atomgraph.graph.quantities import VOIGT as VOIGT
from atomgraph.old_names import OldAttribute, old_names_of


class AtomicGraph(Data):
    r"""Atoms as nodes, pairs inside the cutoff as directed edges. Å and eV; real numbers are float64.

    ===================  ====================  =======================================================================
    field                shape                 meaning
    ===================  ====================  =======================================================================
    ``atomic_numbers``   (n_atoms,) int64      Z
    ``pos``              (n_atoms, 3)          positions, Å
    ``edge_index``       (2, n_edges) int64    row 0 the neighbour (sender), row 1 the centre (receiver), sorted by centre
    ``cell_shift``       (n_edges, 3) int32    S in vector = pos[centre] − pos[neighbour] + S @ cell
    ``cell``             (n_graphs, 3, 3)      cell vectors as rows, Å; zeros for a missing vector
    ``pbc``              (n_graphs, 3) bool    periodicity along each cell vector
    ``cutoff``           (n_graphs,)           pairs at a smaller distance are edges, Å
    ``head``             (n_graphs,) int64     index of the head of the model; −1: not chosen
    ``charge``           (n_graphs,)           total charge, e; default 0
    ``spin``             (n_graphs,)           spin multiplicity, 2S + 1; default 1
    ``weight``           (n_graphs,)           weight of the structure in a loss
    ``label_weights``    (n_graphs, 3)         weights of energy, forces and stress, multiplied by ``weight``
    ``energy``           (n_graphs,)           label, eV, total
    ``energy_mask``      (n_graphs,) bool      True for a label, False for a zero in place of a missing label
    ``forces``           (n_atoms, 3)          label, eV/Å
    ``forces_mask``      (n_atoms,) bool       the same for forces, per atom
    ``stress``           (n_graphs, 3, 3)      label, eV/Å³, positive in tension
    ``stress_mask``      (n_graphs,) bool      the same for the stress
    ===================  ====================  =======================================================================

    The head selects E0, scale and column of the readout. If no head is chosen, the model's only head or
    ``Potential.head`` is used. Every field is always present, so structures with different labels can be batched
    (``Batch.from_data_list``). Edges connect an atom to its own periodic images, never to itself.
    """

    @classmethod
    def from_ase(cls, atoms: ase.Atoms, cutoff: float, *, neighbours: NeighbourList | None = None) -> Self:
        """Return the graph of one structure, with the labels of its calculator, of ``info`` and of ``arrays``.

        The graph shares no memory with the structure.

        Args:
            atoms: The structure; its labels are in eV and Å.
            cutoff: Cutoff radius, Å, positive.
            neighbours: Neighbour list (see ``graph/neighbours.py``); None: the default list.

        Raises:
            GraphError: If the structure is empty, the cutoff is not positive, the periodic cell has no volume, or two
                atoms are at the same position; if positions, cell or labels are not finite or have a wrong shape.
        """
        structure = StructureArrays.from_ase(atoms)
        if neighbours is not None:
            centre, neighbour, shift = neighbours(atoms, cutoff)
            edges = np.stack([neighbour, centre]), -shift.astype(np.int32)
        else:
            edges = edges_within(structure, cutoff)
        return cls._from_parts(structure, cutoff, edges, get_labels(atoms), get_charge_and_spin(atoms))

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
        """Return the graph of one structure from arrays, for simulation engines.

        Args:
            positions: Positions, (n_atoms, 3), Å.
            numbers: Atomic numbers, (n_atoms,).
            cell: Cell vectors as rows, (3, 3), Å; None for no cell.
            pbc: Periodicity along each cell vector, (3,), bool, or one bool for all.
            edges: ``edge_index`` (2, n_edges) and ``cell_shift`` (n_edges, 3), as in the table above, with every pair within
                the cutoff in both directions. If None, the edges are computed.
            cutoff: Cutoff radius, Å, positive.
            labels: Labels by name, in eV and Å; None for no labels.
            charge: Total charge, e.
            spin: Spin multiplicity, 2S + 1.

        Returns:
            The graph. Its tensors share no memory with the arrays.

        Raises:
            GraphError: For the reasons of ``from_ase``, and if arrays or edges have a wrong shape.
        """
        structure = StructureArrays.from_arrays(positions, numbers, cell, pbc)
        edges = edges_within(structure, cutoff) if edges is None else _check_edges(structure, cutoff, *edges)
        full_labels = {name: check_label(name, value, len(structure)) for name, value in (labels or {}).items()}
        return cls._from_parts(structure, cutoff, edges, full_labels, {"charge": charge, "spin": spin})

    @classmethod
    def _from_parts(
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
        """Index of the structure of each atom, (n_atoms,) int64; zeros for a graph that is not a batch."""
        batch = self._store.get("batch")
        return batch if batch is not None else torch.zeros_like(self.atomic_numbers)

    def loss_weight(self, label: str) -> Tensor:
        """Return the weights of a label in a loss, (n_graphs,): ``weight`` times the column of ``label_weights``.

        Args:
            label: Name of the quantity: ``energy``, ``forces`` or ``stress``.
        """
        return self.weight * self.label_weights[:, column_index(label)]

    def shallow_copy(self) -> Self:
        """Return a copy with the same tensors; setting a field of the copy does not change this graph."""
        return copy.copy(self)

    weight_of = OldAttribute("loss_weight")


def _label_fields(labels: Mapping[str, np.ndarray], n_atoms: int) -> dict[str, Tensor]:
    """Return a label and a mask for each quantity: the label and True, or zeros and False if the label is missing."""
    fields = {}
    for name, quantity in QUANTITIES.items():
        is_present = name in labels
        n_rows = n_atoms if quantity.per == "atom" else 1
        shape = (n_rows, *quantity.shape)
        value = torch.tensor(labels[name]).reshape(shape) if is_present else torch.zeros(shape, dtype=torch.float64)
        fields[name], fields[quantity.mask] = value, torch.full((n_rows,), is_present)
    return fields


def _check_edges(
    structure: StructureArrays, cutoff: float, edge_index: Any, cell_shift: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of an engine's neighbour list as int64 and int32, sorted by centre.

    Raises:
        GraphError: If shapes or row numbers are wrong, or two atoms are at the same position.
    """
    check_structure(structure, cutoff)
    index, shift = np.array(edge_index, dtype=np.int64), np.array(cell_shift, dtype=np.int32)
    n_edges, n_atoms = index.shape[-1] if index.ndim else 0, len(structure)
    for name, value, shape in (("edge_index", index, (2, n_edges)), ("cell_shift", shift, (n_edges, 3))):
        if value.shape != shape:
            raise GraphError(f"{name} should have shape {shape}, but has {value.shape}")
    if n_edges and not 0 <= index.min() <= index.max() < n_atoms:
        raise GraphError(
            f"edge_index should hold row numbers from 0 to {n_atoms - 1}, but has {index.min()} ... {index.max()}"
        )
    if (np.diff(index[1]) < 0).any():
        order = np.argsort(index[1], kind="stable")
        index, shift = np.ascontiguousarray(index[:, order]), shift[order]
    vector = vectors_to_neighbours(structure, index[1], index[0], -shift)
    check_contacts(structure, index[1], index[0], -shift, np.linalg.norm(vector, axis=1))
    return index, shift


__getattr__ = old_names_of(__name__)
