"""Potential: energies, forces and stress of any energy model. The only file that differentiates with respect to positions."""

from __future__ import annotations

from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.graph.geometry import strained, volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.energy import EnergyModel
from atomgraph.ops.scatter import sum_to


class Potential(torch.nn.Module):
    r"""Wraps an energy model and gives the slopes of its sum.

    :math:`E = \sum_i E_i`, :math:`F_i = -\partial E/\partial x_i`, :math:`\sigma = V^{-1}\,\partial E/\partial\varepsilon`.

    metadata: what is known about where the potential comes from (data, splits, metrics, versions); JSON values.
    In training mode the results keep their derivative graph, so that a loss on forces can be minimised; in evaluation
    mode they are detached. The caller's graph is never changed.
    """

    def __init__(self, model: EnergyModel, metadata: dict[str, Any] | None = None):
        super().__init__()
        self.model = model
        self.metadata: dict[str, Any] = dict(metadata or {})

    @property
    def cutoff(self) -> float:
        """Å; graphs need every edge up to here."""
        return self.model.cutoff

    @property
    def elements(self) -> list[str]:
        """Chemical symbols that the potential knows."""
        return self.model.elements

    @property
    def heads(self) -> list[str]:
        """Names of the heads, one or more."""
        return self.model.heads

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Energies and their slopes, in the dtype of the graph's positions.

        Returns ``energy`` (n_graphs,) eV, ``node_energy`` (n_atoms,) eV, and unless refused ``forces`` (n_atoms, 3) eV/Å and
        ``stress`` (n_graphs, 3, 3) eV/Å³, positive in tension, NaN where a structure has no volume.
        Raises GraphError for unknown elements or a graph whose cutoff is too small.
        """
        wanted = forces or stress
        with torch.set_grad_enabled(wanted or (self.training and torch.is_grad_enabled())):
            pos = graph.pos.detach().requires_grad_(wanted)
            strain = pos.new_zeros(graph.n_graphs, 3, 3).requires_grad_(wanted)
            node_energy = self.model(strained(graph, pos, strain)).to(pos.dtype)
            energy = sum_to(node_energy, graph.graph_of_atom, graph.n_graphs)
            result = {"energy": energy, "node_energy": node_energy}
            if wanted:
                by_pos, by_strain = self._slopes(energy, pos, strain)
                if forces:
                    result["forces"] = -by_pos
                if stress:
                    result["stress"] = by_strain / volume(graph)[:, None, None]
        return result if self.training else {name: value.detach() for name, value in result.items()}

    def _slopes(self, energy: Tensor, pos: Tensor, strain: Tensor) -> tuple[Tensor, Tensor]:
        if not energy.requires_grad:  # no edge, and nothing learned
            return torch.zeros_like(pos), torch.zeros_like(strain)
        by_pos, by_strain = torch.autograd.grad(
            energy.sum(), [pos, strain], create_graph=self.training, materialize_grads=True
        )
        return by_pos, by_strain

    def descriptors(self, graph: AtomicGraph, *, invariants_only: bool = False) -> Tensor:
        """What the readouts read, concatenated: (n_atoms, n_features); with ``invariants_only`` its ``0e`` columns."""
        with torch.set_grad_enabled(self.training):
            features = self.model.features(graph)
        if invariants_only:
            features = [
                h[:, _scalar_columns(irreps)] for h, irreps in zip(features, self.model.irreps_read, strict=True)
            ]
        return torch.cat(features, dim=1)


def _scalar_columns(irreps: o3.Irreps) -> list[int]:
    spans = zip(irreps.slices(), irreps, strict=True)
    return [column for span, (_, irrep) in spans if irrep == o3.Irrep("0e") for column in range(span.start, span.stop)]
