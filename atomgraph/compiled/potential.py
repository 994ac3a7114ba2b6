"""CompiledPotential: a potential's interface over fused kernels, which are compared with the model before they are believed."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from atomgraph.compiled.fragment import fragment_of
from atomgraph.compiled.frame import NoDirection
from atomgraph.compiled.model import FusedMACE
from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import KernelWarning
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential, per_volume

#: Largest difference of forces from the model in float64, by their root mean square or 0.1 eV/Å, whichever is larger.
#: What is met in practice is a hundred times less.
PRECISION = {torch.float64: 1e-8, torch.float32: 1e-3}


class CompiledPotential(Potential):
    """The numbers of a potential from kernels that were compiled for it: frozen, for inference, on CPUs.

    potential: whose model is kept as it is, for saving, for descriptors, and for what the kernels do not do: in training mode,
    on another device, or where atoms sit on one spot or nowhere, it is evaluated as ever.  fused: its kernels.

    At the first use a piece of the structure is evaluated by the model in float64, too. Where forces differ by more than
    ``PRECISION``, a KernelWarning says by how much, and all is evaluated by the model from then on.
    """

    def __init__(self, potential: Potential, fused: FusedMACE):
        super().__init__(potential.model, potential.metadata)
        self.head = potential.head
        self._fused: FusedMACE | None = fused
        self._is_checked = False
        self.training = False  # the model's own mode stays as it is

    @property
    def radial_error(self) -> float:
        """Largest error of the splines' slopes so far, by the largest slope; 0 before the first structure."""
        return 0.0 if self._fused is None else self._fused.radial_error

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """``Potential.forward`` of the same model, detached."""
        graph = self._with_head(graph)
        if not self.training and graph.pos.device.type == "cpu":
            try:
                fused = self._believed(graph)
                if fused is not None:
                    self.model.check(graph)
                    return evaluated(fused, graph, forces=forces, stress=stress)
            except NoDirection:
                pass
        return super().forward(graph, forces=forces, stress=stress)

    def _believed(self, graph: AtomicGraph) -> FusedMACE | None:
        """The kernels, compared with the model at the first graph that has edges; None where they have differed."""
        if self._fused is not None and not self._is_checked and graph.n_edges:
            self._check(self._fused, graph)
            self._is_checked = True
        return self._fused

    def _check(self, fused: FusedMACE, graph: AtomicGraph) -> None:
        """Compare with the model on a piece of the graph; without kernels from then on where they differ."""
        piece = fragment_of(graph)
        wanted = Potential(fused.model).eval()(piece, stress=False)["forces"]
        found = evaluated(fused, piece, stress=False)["forces"]
        scale = max(float(wanted.square().mean().sqrt()), 0.1)
        error, promised = float((found - wanted).abs().max()) / scale, PRECISION[fused.dtype]
        if not error <= promised:
            self._fused = None
            warnings.warn(
                f"compiled forces differ from the model's by {error:.0e} of {scale:.2g} eV/Å, more than {promised:.0e}: "
                "the model itself is used from now on",
                KernelWarning,
                stacklevel=3,
            )


def evaluated(fused: FusedMACE, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
    """What ``Potential.forward`` gives, by kernels; every atom's head is chosen.  Raises NoDirection."""
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
