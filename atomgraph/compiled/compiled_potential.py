"""CompiledPotential: a potential evaluated by fused kernels, which are compared with the model before use."""

from __future__ import annotations

import warnings

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.compiled.check import PRECISION, largest_difference
from atomgraph.compiled.fused_model import FusedModel
from atomgraph.compiled.kernel_graph import DegenerateEdge
from atomgraph.compiled.probe_structures import probe_structures
from atomgraph.compiled.wrapped_potential import WrappedPotential
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import KernelWarning
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential, evaluation_mode, per_volume

MIN_ATOMS, MAX_ATOMS = 8, 32  # limits of the size of a probe structure
MAX_PRODUCTS = 2**24  # maximum of (terms of the product basis per atom) · (atoms of a probe structure)


class CompiledPotential(WrappedPotential):
    """A frozen potential for inference on CPUs, evaluated by compiled kernels.

    For elements that occur for the first time, the kernels are compared with the model in float64 on small probe structures
    of these elements. If energies, forces or virials differ by more than ``PRECISION``, a KernelWarning states the
    difference, and the model is used instead of the kernels.

    The model is also used in training mode, on other devices, and for coincident atoms or positions that are not finite.

    Args:
        potential: The potential. Its mode and head are not changed.
        fused: The kernels of the potential's model.
    """

    def __init__(self, potential: Potential, fused: FusedModel):
        super().__init__(
            Potential(potential.model, potential.metadata)
        )  # a separate object, with its own head and mode
        self.potential.training = False
        self.potential.head, self.potential._estimator = potential.head, potential._estimator
        self._fused: FusedModel | None = fused
        self._checked_rows: frozenset[int] = frozenset()  # rows of checked elements in the model's element table

    @property
    def radial_error(self) -> float:
        """Largest relative error of the derivative of a tabulated radial weight; 0 before the first evaluation."""
        return 0.0 if self._fused is None else self._fused.radial_error

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute the results of ``Potential.forward`` by kernels. The results are detached from autograd."""
        if not self.training and graph.pos.device.type == "cpu":
            graph_with_head = self.potential.with_head(graph)
            try:
                self.model.check(graph_with_head)
                fused = self._verified_kernels(graph_with_head)
                if fused is not None:
                    return evaluate_fused(fused, graph_with_head, forces=forces, stress=stress)
            except DegenerateEdge:
                pass
        return super().forward(graph, forces=forces, stress=stress)

    def evaluate(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute ``forward`` in evaluation mode, with ``uncertainty`` if there is an estimator."""
        with evaluation_mode(self):
            return self.potential.add_uncertainty(self(graph, forces=forces, stress=stress), graph)

    def _verified_kernels(self, graph: AtomicGraph) -> FusedModel | None:
        """Return the kernels after a check of all elements of a graph, or None if a check has failed."""
        if self._fused is not None and not self._checked_rows.issuperset(self._fused.element_rows(graph)):
            self._check(self._fused, graph)
        return self._fused

    def _check(self, fused: FusedModel, graph: AtomicGraph) -> None:
        """Compare kernels and model on probe structures with unchecked elements; discard the kernels if they differ."""
        row_of_number = {atomic_numbers[symbol]: row for row, symbol in enumerate(self.elements)}
        unchecked_rows = set(fused.element_rows(graph)) - self._checked_rows
        unchecked_numbers = {number for number, row in row_of_number.items() if row in unchecked_rows}
        model, tolerance = Potential(fused.model).eval(), PRECISION[fused.dtype]
        n_atoms = min(max(MAX_PRODUCTS // fused.n_products, MIN_ATOMS), MAX_ATOMS)
        for probe in probe_structures(graph, unchecked_numbers, n_atoms):
            difference = largest_difference(evaluate_fused(fused, probe), model, probe)
            if not difference.relative <= tolerance:
                self._fused = None
                warnings.warn(
                    f"{difference}, more than {tolerance:.0e}: the model itself is used instead of the kernels from now on",
                    KernelWarning,
                    stacklevel=4,
                )
                return
            # elements of atoms that have neighbours: isolated atoms do not test the kernels
            self._checked_rows |= {row_of_number[z] for z in probe.atomic_numbers[probe.edge_index[1]].tolist()}


def evaluate_fused(
    fused: FusedModel, graph: AtomicGraph, *, forces: bool = True, stress: bool = True
) -> dict[str, Tensor]:
    """Compute the results of ``Potential.forward`` by kernels.

    Args:
        fused: The kernels.
        graph: One structure or a batch; each structure has a head.
        forces: Whether forces are computed.
        stress: Whether stresses are computed.

    Raises:
        DegenerateEdge: For coincident atoms or positions that are not finite.
    """
    dtype = graph.pos.dtype
    with torch.inference_mode(False), torch.no_grad():
        kernel_graph = fused.kernel_graph(graph)
        ordered_energy, backward = fused.energies(graph, kernel_graph)
        node_energy = torch.empty_like(ordered_energy)
        node_energy[kernel_graph.graph_row] = ordered_energy
        energy = sum_to(node_energy, graph.graph_of_atom, graph.n_graphs)
        result = {"energy": energy.to(dtype), "node_energy": node_energy.to(dtype)}
        if forces or stress:
            gradient, strain_gradient = kernel_graph.collect(fused.library, backward(), graph)
            if stress:
                result["stress"] = per_volume(strain_gradient.to(dtype), volume(graph))
            if forces:
                result["forces"] = -gradient.to(dtype)
    return result
