"""CompiledPotential: a potential's interface over fused kernels, which are compared with the model before they are believed."""

from __future__ import annotations

import warnings

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.compiled.check import PRECISION, largest_difference
from atomgraph.compiled.kernel_graph import DegenerateEdge
from atomgraph.compiled.mace.fused_model import FusedMACE
from atomgraph.compiled.probe_structures import fragments_of
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import KernelWarning
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential, per_volume

LEAST, MOST = 8, 32  # atoms of a piece of a structure that is compared
PRODUCTS = 2**24  # of all its atoms; where the model has more for ``LEAST``, it takes seconds for these


class CompiledPotential(Potential):
    """The numbers of a potential from kernels that were compiled for it: frozen, for inference, on CPUs.

    When elements are first met, pieces of the structure that hold them are evaluated by the model in float64, too. Where
    energies, forces or virials differ by more than ``PRECISION``, a KernelWarning says by how much, and all is evaluated by the
    model from then on.

    Args:
        potential: Whose model is kept as it is, for saving, for descriptors, and for what the kernels do not do: in
            training mode, on another device, or where atoms sit on one spot or nowhere, it is evaluated as ever.
        fused: Its kernels.
    """

    def __init__(self, potential: Potential, fused: FusedMACE):
        super().__init__(potential.model, potential.metadata)
        self.head = potential.head
        self._fused: FusedMACE | None = fused
        self._checked: frozenset[int] = frozenset()  # elements, as rows of the model's table
        self.training = False  # the model's own mode stays as it is

    @property
    def radial_error(self) -> float:
        """Largest error of a radial weight's slope so far, by the largest there or farther; 0 before the first structure."""
        return 0.0 if self._fused is None else self._fused.radial_error

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """``Potential.forward`` of the same model, detached."""
        graph = self._with_head(graph)
        if not self.training and graph.pos.device.type == "cpu":
            try:
                self.model.check(graph)
                fused = self._believed(graph)
                if fused is not None:
                    return evaluated(fused, graph, forces=forces, stress=stress)
            except DegenerateEdge:
                pass
        return super().forward(graph, forces=forces, stress=stress)

    def _believed(self, graph: AtomicGraph) -> FusedMACE | None:
        """The kernels, compared with the model for every element that has had neighbours; None where they have differed."""
        if self._fused is not None and not self._checked.issuperset(self._fused.present(graph)):
            self._check(self._fused, graph)
        return self._fused

    def _check(self, fused: FusedMACE, graph: AtomicGraph) -> None:
        """Compare with the model on pieces with new elements; without kernels from then on where they differ."""
        rows = {atomic_numbers[symbol]: row for row, symbol in enumerate(self.elements)}
        here = set(fused.present(graph)) - self._checked
        new = {z for z, row in rows.items() if row in here}
        model, promised = Potential(fused.model).eval(), PRECISION[fused.dtype]
        n_atoms = min(max(PRODUCTS // fused.n_products, LEAST), MOST)
        for piece in fragments_of(graph, new, n_atoms):
            difference = largest_difference(evaluated(fused, piece), model, piece)
            if not difference.part <= promised:
                self._fused = None
                warnings.warn(
                    f"{difference}, more than {promised:.0e}: the model itself is used from now on",
                    KernelWarning,
                    stacklevel=4,
                )
                return
            self._checked |= {rows[z] for z in piece.atomic_numbers[piece.edge_index[1]].tolist()}


def evaluated(fused: FusedMACE, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
    """What ``Potential.forward`` gives, by kernels; every atom's head is chosen.

    Raises:
        DegenerateEdge: .
    """
    dtype = graph.pos.dtype
    with torch.inference_mode(False), torch.no_grad():
        frame = fused.frame(graph)
        in_order, slope = fused.energies(graph, frame)
        node_energy = torch.empty_like(in_order)
        node_energy[frame.atom] = in_order
        energy = sum_to(node_energy, graph.graph_of_atom, graph.n_graphs)
        result = {"energy": energy.to(dtype), "node_energy": node_energy.to(dtype)}
        if forces or stress:
            gradient, by_strain = frame.collect(fused.library, slope(), graph)
            if stress:
                result["stress"] = per_volume(by_strain.to(dtype), volume(graph))
            if forces:
                result["forces"] = -gradient.to(dtype)
    return result
