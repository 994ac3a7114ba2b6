"""How far labels may be from the fit: the weights of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.ops.scatter import sum_to


@dataclass(frozen=True)
class Sigma:
    """Expected errors of labels, 1/weight of their rows: energy and virial in eV per atom, forces in eV/Å; None: not fitted.

    Attributes:
        grows: How the error of a structure's energy and virial grows with its number of atoms N: ``atoms``, with N, so
            that errors per atom count equally; ``root``, with √N, as of errors that are independent atom by atom
            (gap_fit).
    """

    energy: float | None = 0.002
    forces: float | None = 0.1
    virial: float | None = 0.02
    grows: Literal["atoms", "root"] = "atoms"

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ("energy", "forces", "virial")}
        if any(value is not None and not 0 < value < float("inf") for value in given.values()):
            raise FittingError(f"each sigma should be positive, in eV/atom and eV/Å, or null, but they are {given}")
        if all(value is None for value in given.values()):
            raise FittingError("a fit needs energies, forces or virials, but no sigma is given")

    def of_structures(self, n_atoms: Tensor) -> Tensor:
        """(n_graphs,): what errors per atom are multiplied by to be the structures'."""
        return n_atoms if self.grows == "atoms" else n_atoms.sqrt()


@dataclass(frozen=True)
class EnergyWeight:
    r"""Weights of energies by how stable a structure is, :math:`w_n = \omega / [E_n - E_{min}(1 + \Delta)]^2`.

    E is the cohesive energy per atom, eV; :math:`E_{min}` the lowest of the training structures.

    Attributes:
        delta: Δ.
        omega: ω, None for weights of mean 1.
        floor: The least that the bracket may be, eV: it vanishes for :math:`E_{min} \ge 0`, or where Δ = 0, and a
            single structure would then have all the weight.

    Source: Pacemaker, Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022), and the lecture behind this project.
    """

    delta: float = 0.2
    omega: float | None = None
    floor: float = 0.01

    def __post_init__(self) -> None:
        if not (self.delta >= 0 and self.floor > 0 and (self.omega is None or self.omega > 0)):
            raise FittingError(
                "an energy weight wants delta ≥ 0 and positive omega and floor (eV), but they are "
                f"{self.delta}, {self.omega} and {self.floor}"
            )

    def of(self, cohesive: Tensor) -> Tensor:
        """(n_structures,) weights of cohesive energies per atom (n_structures,), eV."""
        bracket = (cohesive - cohesive.min() * (1.0 + self.delta)).clamp_min(self.floor)
        weight = bracket**-2
        return weight * (1.0 / weight.mean() if self.omega is None else self.omega)


@dataclass(frozen=True)
class Noise:
    """Sigmas for all structures, for those of some configuration types, and the energy weight.

    Attributes:
        of_type: Sigmas by ``config_type``.
        types: The type of each structure of the fit, in order.
        energy_weights: Of each structure (n_structures,), or None.
    """

    sigma: Sigma = field(default_factory=Sigma)
    of_type: Mapping[str, Sigma] = field(default_factory=dict)
    types: Sequence[str] = ()
    energy_weights: Tensor | None = None

    def weights(self, graph: AtomicGraph, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Row weights of energies (n_graphs,), forces (n_atoms,) and virials (n_graphs,), zero where there is no label.

        Args:
            first: The number of the batch's first structure in the fit.
        """
        n = graph.n_graphs
        sigmas = [self._of(first + i) for i in range(n)]
        n_atoms = sum_to(torch.ones_like(graph.graph_of_atom, dtype=graph.energy.dtype), graph.graph_of_atom, n)
        grown = torch.stack([s.of_structures(n_atoms[i]) for i, s in enumerate(sigmas)])
        energy = (
            graph.loss_weight("energy").sqrt() * _inverse([s.energy for s in sigmas], graph) / grown * graph.energy_mask
        )
        if self.energy_weights is not None:
            energy = energy * self.energy_weights[first : first + n].to(energy).sqrt()
        virial = (
            graph.loss_weight("stress").sqrt() * _inverse([s.virial for s in sigmas], graph) / grown * graph.stress_mask
        )
        of_forces = graph.loss_weight("forces").sqrt() * _inverse([s.forces for s in sigmas], graph)
        forces = of_forces[graph.graph_of_atom] * graph.forces_mask
        return energy, forces, virial

    def _of(self, number: int) -> Sigma:
        return self.of_type.get(self.types[number], self.sigma) if self.of_type else self.sigma


def _inverse(sigmas: Sequence[float | None], graph: AtomicGraph) -> Tensor:
    values = [0.0 if sigma is None else 1.0 / sigma for sigma in sigmas]
    return torch.tensor(values, dtype=graph.energy.dtype, device=graph.energy.device)
