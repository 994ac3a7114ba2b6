"""CompiledPotential: evaluates a potential by fused kernels, after it has compared them with the model."""

from __future__ import annotations

import warnings

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.compiled.check import PRECISION, largest_difference
from atomgraph.compiled.kernel_graph import DegenerateEdge
from atomgraph.compiled.mace.fused_model import FusedMACE
from atomgraph.compiled.probe_structures import probe_structures
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import KernelWarning
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential, per_volume

LEAST, MOST = 8, 32  # atoms of a probe structure
PRODUCTS = 2**24  # of all atoms of a probe structure; a model with more of them for ``LEAST`` atoms takes seconds


class CompiledPotential(Potential):
    """A frozen potential for inference on CPUs, evaluated by kernels that were compiled for it.

    When a structure has elements that were not seen before, small probe structures with these elements are evaluated by the
    model in float64, too. If energies, forces or virials differ by more than ``PRECISION``, a KernelWarning gives the
    difference, and the model replaces the kernels from then on.

    Falls back to the model in training mode, on other devices, and for coincident atoms or positions that are not finite.

    Args:
        potential: The potential. Its model serves for saving, for descriptors and as the fallback.
        fused: Its kernels.
    """

    def __init__(self, potential: Potential, fused: FusedMACE):
        super().__init__(potential.model, potential.metadata)
        self.head, self._estimator = potential.head, potential._estimator
        self._fused: FusedMACE | None = fused
        self._checked: frozenset[int] = frozenset()  # elements, as rows of the model's table
        self.training = False  # the model's own mode stays as it is

    @property
    def radial_error(self) -> float:
        """Largest relative error of a radial weight's derivative so far; 0 before the first structure."""
        return 0.0 if self._fused is None else self._fused.radial_error

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """As ``Potential.forward``; results are detached."""
        graph = self._with_head(graph)
        if not self.training and graph.pos.device.type == "cpu":
            try:
                self.model.check(graph)
                fused = self._verified_kernels(graph)
                if fused is not None:
                    return evaluated(fused, graph, forces=forces, stress=stress)
            except DegenerateEdge:
                pass
        return super().forward(graph, forces=forces, stress=stress)

    def _verified_kernels(self, graph: AtomicGraph) -> FusedMACE | None:
        """The kernels, after a comparison with the model for new elements; None if they have differed."""
        if self._fused is not None and not self._checked.issuperset(self._fused.present(graph)):
            self._check(self._fused, graph)
        return self._fused

    def _check(self, fused: FusedMACE, graph: AtomicGraph) -> None:
        """Compare kernels and model on probe structures with new elements; drop the kernels if they differ."""
        rows = {atomic_numbers[symbol]: row for row, symbol in enumerate(self.elements)}
        unchecked = set(fused.present(graph)) - self._checked
        new = {z for z, row in rows.items() if row in unchecked}
        model, tolerance = Potential(fused.model).eval(), PRECISION[fused.dtype]
        n_atoms = min(max(PRODUCTS // fused.n_products, LEAST), MOST)
        for probe in probe_structures(graph, new, n_atoms):
            difference = largest_difference(evaluated(fused, probe), model, probe)
            if not difference.relative <= tolerance:
                self._fused = None
                warnings.warn(
                    f"{difference}, more than {tolerance:.0e}: the model itself is used from now on",
                    KernelWarning,
                    stacklevel=4,
                )
                return
            self._checked |= {rows[z] for z in probe.atomic_numbers[probe.edge_index[1]].tolist()}


def evaluated(fused: FusedMACE, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
    """The results of ``Potential.forward``, by kernels. The head of each structure must be set.

    Raises:
        DegenerateEdge: For coincident atoms or positions that are not finite.
    """
    dtype = graph.pos.dtype
    with torch.inference_mode(False), torch.no_grad():
        kernel_graph = fused.kernel_graph(graph)
        in_order, grad = fused.energies(graph, kernel_graph)
        node_energy = torch.empty_like(in_order)
        node_energy[kernel_graph.atom] = in_order
        energy = sum_to(node_energy, graph.graph_of_atom, graph.n_graphs)
        result = {"energy": energy.to(dtype), "node_energy": node_energy.to(dtype)}
        if forces or stress:
            gradient, grad_strain = kernel_graph.collect(fused.library, grad(), graph)
            if stress:
                result["stress"] = per_volume(grad_strain.to(dtype), volume(graph))
            if forces:
                result["forces"] = -gradient.to(dtype)
    return result
