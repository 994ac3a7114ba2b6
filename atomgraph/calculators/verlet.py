"""The graph of a structure that moves: its edges are kept for as long as they cannot miss a pair."""

from __future__ import annotations

import ase
import numpy as np
import torch

from atomgraph.errors import GraphError
from atomgraph.graph.checks import positions_of
from atomgraph.graph.structure import AtomicGraph, states_of, without_labels

FARTHEST = 1e6  # Å; nobody diffuses this far, atoms that fly apart do


class VerletGraph:
    r"""Verlet's list: edges up to cutoff + skin, made anew only when some pair might have come inside the cutoff unseen.

    A pair that was not listed stays outside the cutoff :math:`r_c` while
    :math:`(r_c + s)\,\sigma_{min}(F) - 2 u_{max} \ge r_c`, where F is the deformation of the cell since the list was made
    (:math:`L = L_0 F`, the identity across open directions), :math:`u_i = x_i - x_i^0 F` what atoms moved beside it and
    :math:`\sigma_{min}` the smallest singular value; for a cell at rest this is Verlet's :math:`2 u_{max} \le s`.

    cutoff, skin: Å.  ``n_lists`` counts the neighbour lists that were made.
    Source: Verlet, Phys. Rev. 159, 98 (1967).
    """

    def __init__(self, cutoff: float, skin: float, device: torch.device):
        if not (np.isfinite(skin) and skin >= 0):
            raise GraphError(f"skin must be zero or more, in Å, but is {skin}")
        self.cutoff, self.skin, self.device = cutoff, float(skin), device
        self.n_lists = 0
        self._graph: AtomicGraph | None = None

    def of(self, atoms: ase.Atoms) -> AtomicGraph:
        """The graph of the structure as it is now; the same object as before where its edges still hold.

        Raises GraphError for positions or cells that are not finite, and structures that make no graph.
        """
        positions = positions_of(atoms)
        reach = np.abs(positions).max(initial=0.0)
        if not (reach < FARTHEST and np.isfinite(atoms.cell.array).all()):
            raise GraphError(
                f"positions reach {reach:.0e} Å, or the cell is not finite; in dynamics, a smaller time step or a relaxed "
                "start helps, and distances that the potential was never trained on are a usual cause"
            )
        if self._graph is None or not self._holds(atoms):
            return self._make(atoms)
        self._graph.pos = torch.from_numpy(positions.copy()).to(self.device)
        self._graph.cell = torch.from_numpy(np.array(atoms.cell.array, dtype=np.float64)).to(self.device)[None]
        return self._graph

    def _make(self, atoms: ase.Atoms) -> AtomicGraph:
        bare = without_labels(atoms)
        self._graph = None  # a structure that makes no graph leaves none behind
        self._graph = AtomicGraph.from_ase(bare, self.cutoff + self.skin).to(self.device)
        self._made_for = bare
        self.n_lists += 1
        return self._graph

    def _holds(self, atoms: ase.Atoms) -> bool:
        old = self._made_for
        if not (np.array_equal(atoms.numbers, old.numbers) and np.array_equal(atoms.pbc, old.pbc)):
            return False
        if states_of(atoms) != states_of(old):
            return False
        moved, least = positions_of(atoms) - old.positions, 1.0
        repeating, repeating_before = atoms.cell.array[atoms.pbc], old.cell.array[atoms.pbc]
        if not np.array_equal(repeating, repeating_before):
            change = np.linalg.pinv(repeating_before) @ (repeating - repeating_before)  # F - 1
            moved -= old.positions @ change
            least = np.linalg.svd(np.eye(3) + change, compute_uv=False)[-1]
        farthest = float(np.sqrt((moved**2).sum(axis=1).max()))
        return bool((self.cutoff + self.skin) * least - 2.0 * farthest >= self.cutoff)
