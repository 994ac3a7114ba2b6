"""The graph of a moving structure; its edges are kept while no pair can be missing."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import torch

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays
from atomgraph.graph.structure import AtomicGraph, get_charge_and_spin

FARTHEST = 1e6  # Å; farther than any diffusion


class VerletGraph:
    r"""Verlet's list on arrays: edges up to cutoff + skin, made again when a pair might have come within the cutoff.

    A pair that was not listed stays outside the cutoff :math:`r_c` while
    :math:`(r_c + s)\,\sigma_{min}(F) - 2 u_{max} \ge r_c`, where F is the deformation of the cell since the list was made
    (:math:`L = L_0 F`, the identity across open directions), :math:`u_i = x_i - x_i^0 F` the displacement of atoms beside it
    and :math:`\sigma_{min}` the smallest singular value. For a constant cell this is Verlet's :math:`2 u_{max} \le s`.

    Args:
        cutoff: Å.
        skin: Å by which the list reaches beyond the cutoff.
        device: Of the graph.

    Attributes:
        n_lists: Neighbour lists that were made so far.

    Source: Verlet, Phys. Rev. 159, 98 (1967).
    """

    def __init__(self, cutoff: float, skin: float, device: torch.device):
        if not (np.isfinite(skin) and skin >= 0):
            raise GraphError(f"skin must be zero or more, in Å, but is {skin}")
        self.cutoff, self.skin, self.device = cutoff, float(skin), device
        self.n_lists = 0
        self._graph: AtomicGraph | None = None

    def graph_from_ase(self, atoms: ase.Atoms) -> AtomicGraph:
        """``graph`` of an ASE structure.

        Args:
            atoms: The structure; charge and spin are taken from ``info``.
        """
        return self._updated(StructureArrays.from_ase(atoms), get_charge_and_spin(atoms))

    def graph(
        self, positions: Any, numbers: Any, cell: Any, pbc: Any, *, charge: float = 0.0, spin: float = 1.0
    ) -> AtomicGraph:
        """The graph of the structure as it is now; the same object as before where its edges are still valid.

        Args:
            positions: (n_atoms, 3), Å.
            numbers: (n_atoms,), atomic numbers.
            cell: (3, 3), cell vectors as rows, Å; None for no cell.
            pbc: (3,) bool, or one bool for all directions.
            charge: Total charge, e.
            spin: Spin multiplicity.

        Raises:
            GraphError: For positions or cells that are not finite, and structures that make no graph.
        """
        return self._updated(
            StructureArrays.from_arrays(positions, numbers, cell, pbc), {"charge": charge, "spin": spin}
        )

    def _updated(self, structure: StructureArrays, states: dict[str, float]) -> AtomicGraph:
        reach = np.abs(structure.positions).max(initial=0.0)
        if not (reach < FARTHEST and np.isfinite(structure.cell).all()):
            raise GraphError(
                f"positions reach {reach:.0e} Å, or the cell is not finite; in dynamics, a smaller time step or a relaxed "
                "start helps, and distances that the potential was never trained on are a usual cause"
            )
        if self._graph is None or states != self._states or not self._is_valid(structure):
            return self._make(structure, states)
        self._graph.pos = torch.from_numpy(structure.positions.copy()).to(self.device)
        self._graph.cell = torch.from_numpy(np.array(structure.cell, dtype=np.float64)).to(self.device)[None]
        return self._graph

    def _make(self, structure: StructureArrays, states: dict[str, float]) -> AtomicGraph:
        self._graph = None  # a structure that makes no graph leaves none behind
        fields = structure.positions, structure.numbers, structure.cell, structure.pbc
        graph = AtomicGraph.from_arrays(
            *fields, cutoff=self.cutoff + self.skin, charge=states["charge"], spin=states["spin"]
        )
        graph = graph.to(self.device)
        self._graph, self._states = graph, dict(states)
        self._listed = StructureArrays(*(np.array(field) for field in fields))
        self.n_lists += 1
        return graph

    def _is_valid(self, structure: StructureArrays) -> bool:
        """Whether no pair can have come within the cutoff since the list was made."""
        listed = self._listed
        if not (np.array_equal(structure.numbers, listed.numbers) and np.array_equal(structure.pbc, listed.pbc)):
            return False
        moved, least = structure.positions - listed.positions, 1.0
        periods, periods_before = structure.cell[structure.pbc], listed.cell[listed.pbc]
        if not np.array_equal(periods, periods_before):
            change = np.linalg.pinv(periods_before) @ (periods - periods_before)  # F - 1
            moved -= listed.positions @ change
            least = np.linalg.svd(np.eye(3) + change, compute_uv=False)[-1]
        farthest = float(np.sqrt((moved**2).sum(axis=1).max()))
        return bool((self.cutoff + self.skin) * least - 2.0 * farthest >= self.cutoff)
