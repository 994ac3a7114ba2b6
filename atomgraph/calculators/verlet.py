"""VerletGraph: the graph of a moving structure, with a Verlet neighbour list that serves several steps."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import torch

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays
from atomgraph.graph.structure import AtomicGraph, get_charge_and_spin
from atomgraph.old_names import OldAttribute

MAX_POSITION = 1e6  # Å; atoms of a stable simulation stay below this distance from the origin


class VerletGraph:
    r"""Verlet's neighbour list on arrays: edges up to cutoff + skin. The list is built again before a pair can be missing.

    A pair that is not in the list is farther apart than the cutoff :math:`r_c` as long as
    :math:`(r_c + s)\,\sigma_{min}(F) - 2 u_{max} \ge r_c`. Here s is the skin, F the deformation of the cell since the list
    was built (:math:`L = L_0 F`, the identity in directions without periodicity), :math:`u_i = x_i - x_i^0 F` the
    displacement of atom i relative to the deformed cell, and :math:`\sigma_{min}` the smallest singular value. For a constant
    cell this is Verlet's :math:`2 u_{max} \le s`.

    Args:
        cutoff: Cutoff radius, Å.
        skin: Distance by which the list reaches beyond the cutoff, Å.
        device: Device of the graph.

    Attributes:
        n_lists: Number of neighbour lists that were built.

    Source: Verlet, Phys. Rev. 159, 98 (1967).
    """

    def __init__(self, cutoff: float, skin: float, device: torch.device):
        if not (np.isfinite(skin) and skin >= 0):
            raise GraphError(f"skin must be zero or more, in Å, but is {skin}")
        self.cutoff, self.skin, self.device = cutoff, float(skin), device
        self.n_lists = 0
        self._graph: AtomicGraph | None = None

    def graph_from_ase(self, atoms: ase.Atoms) -> AtomicGraph:
        """Return the graph of an ASE structure, see ``graph``.

        Args:
            atoms: The structure. Charge and spin are read from ``info``.
        """
        return self._update(StructureArrays.from_ase(atoms), get_charge_and_spin(atoms))

    of = OldAttribute("graph_from_ase")

    def graph(
        self, positions: Any, numbers: Any, cell: Any, pbc: Any, *, charge: float = 0.0, spin: float = 1.0
    ) -> AtomicGraph:
        """Return the graph of a structure: the previous graph with new positions and cell, if its edges are still valid.

        Args:
            positions: Positions, (n_atoms, 3), Å.
            numbers: Atomic numbers, (n_atoms,).
            cell: Cell vectors as rows, (3, 3), Å; None for no cell.
            pbc: Periodicity by direction, (3,) bool, or one bool for all directions.
            charge: Total charge, e.
            spin: Spin multiplicity.

        Raises:
            GraphError: For positions or cells that are not finite, and for structures from which no graph can be built.
        """
        return self._update(
            StructureArrays.from_arrays(positions, numbers, cell, pbc), {"charge": charge, "spin": spin}
        )

    def _update(self, structure: StructureArrays, global_state: dict[str, float]) -> AtomicGraph:
        """Return the previous graph with new positions and cell, or a new graph if its edges are not valid.

        Args:
            structure: The structure.
            global_state: Total charge, e, and spin multiplicity, by name.
        """
        largest_coordinate = np.abs(structure.positions).max(initial=0.0)
        if not (largest_coordinate < MAX_POSITION and np.isfinite(structure.cell).all()):
            raise GraphError(
                f"positions reach {largest_coordinate:.0e} Å, or the cell is not finite; in dynamics, use a smaller time step "
                "or a relaxed start; distances that do not occur in the training data are a usual cause"
            )
        if self._graph is None or global_state != self._global_state or not self._is_valid(structure):
            return self._build(structure, global_state)
        self._graph.pos = torch.from_numpy(structure.positions.copy()).to(self.device)
        self._graph.cell = torch.from_numpy(np.array(structure.cell, dtype=np.float64)).to(self.device)[None]
        return self._graph

    def _build(self, structure: StructureArrays, global_state: dict[str, float]) -> AtomicGraph:
        """Build and store the graph of a structure, with edges up to cutoff + skin."""
        self._graph = None  # the previous graph is dropped even if building fails
        arrays = structure.positions, structure.numbers, structure.cell, structure.pbc
        charge, spin = global_state["charge"], global_state["spin"]
        graph = AtomicGraph.from_arrays(*arrays, cutoff=self.cutoff + self.skin, charge=charge, spin=spin)
        graph = graph.to(self.device)
        self._graph, self._global_state = graph, dict(global_state)
        self._reference = StructureArrays(*(np.array(array) for array in arrays))
        self.n_lists += 1
        return graph

    def _is_valid(self, structure: StructureArrays) -> bool:
        """Return whether all pairs within the cutoff are in the list, by the inequality of the class docstring."""
        reference = self._reference  # the structure for which the list was built
        if not (np.array_equal(structure.numbers, reference.numbers) and np.array_equal(structure.pbc, reference.pbc)):
            return False
        displacement, smallest_singular_value = structure.positions - reference.positions, 1.0
        vectors, reference_vectors = structure.cell[structure.pbc], reference.cell[reference.pbc]
        if not np.array_equal(vectors, reference_vectors):
            change = np.linalg.pinv(reference_vectors) @ (vectors - reference_vectors)  # F − 1, (3, 3)
            displacement -= reference.positions @ change
            smallest_singular_value = np.linalg.svd(np.eye(3) + change, compute_uv=False)[-1]
        largest_displacement = float(np.sqrt((displacement**2).sum(axis=1).max()))
        return bool((self.cutoff + self.skin) * smallest_singular_value - 2.0 * largest_displacement >= self.cutoff)
