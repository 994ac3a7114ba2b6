"""Expected errors of labels, and the row weights that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute, warn_old_name, with_old_arguments
from atomgraph.ops.scatter import sum_to


@with_old_arguments
@dataclass(frozen=True)
class Sigma:
    """Expected errors of labels; the weight of a row is the inverse error.

    Attributes:
        energy: Error of energies, eV/atom; None to exclude energies from the fit.
        forces: Error of force components, eV/Å; None to exclude forces.
        virial: Error of virial components, eV/atom; None to exclude virials.
        energy_error_scaling: Increase of the error of energy and virial of a structure with its number of atoms N. With
            ``atoms``, the error is proportional to N, so that errors per atom have equal weights. With ``sqrt``, it is
            proportional to √N, as for independent errors of atoms (gap_fit).
    """

    energy: float | None = 0.002
    forces: float | None = 0.1
    virial: float | None = 0.02
    energy_error_scaling: Literal["atoms", "sqrt"] = "atoms"
    grows = OldAttribute("energy_error_scaling")

    def __post_init__(self) -> None:
        if self.energy_error_scaling == "root":
            warn_old_name("energy_error_scaling='root'", "energy_error_scaling='sqrt'")
            object.__setattr__(self, "energy_error_scaling", "sqrt")
        sigmas = {name: getattr(self, name) for name in ("energy", "forces", "virial")}
        if any(value is not None and not 0 < value < float("inf") for value in sigmas.values()):
            raise FittingError(
                f"each sigma should be positive, in eV/atom and eV/Å, or null, but the values are {sigmas}"
            )
        if all(value is None for value in sigmas.values()):
            raise FittingError("a fit needs energies, forces or virials, but no sigma is given; set at least one")

    def scale_errors(self, n_atoms: Tensor) -> Tensor:
        """Return the ratio of the error of a structure to the error per atom, N or √N, for numbers of atoms of any shape."""
        return n_atoms if self.energy_error_scaling == "atoms" else n_atoms.sqrt()

    of_structures = OldAttribute("scale_errors")


@dataclass(frozen=True)
class EnergyWeight:
    r"""Energy weights that are larger for more stable structures, :math:`w_n = \omega / [E_n - E_{min}(1 + \Delta)]^2`.

    E is the cohesive energy per atom, eV, and :math:`E_{min}` its smallest value in the training structures.

    Attributes:
        delta: Δ, without unit.
        omega: ω, eV²; None for weights of mean 1.
        floor: Smallest value of the bracket, eV. Without this limit, the bracket of the most stable structure could be 0 (for
            :math:`E_{min} \ge 0` or Δ = 0), and this structure would dominate.

    Source: Pacemaker, Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022).
    """

    delta: float = 0.2
    omega: float | None = None
    floor: float = 0.01

    def __post_init__(self) -> None:
        if not (self.delta >= 0 and self.floor > 0 and (self.omega is None or self.omega > 0)):
            raise FittingError(
                "an energy weight needs delta ≥ 0 and positive omega and floor (eV), but they are "
                f"{self.delta}, {self.omega} and {self.floor}"
            )

    def compute(self, cohesive: Tensor) -> Tensor:
        """Return the weights of structures, (n_structures,).

        Args:
            cohesive: Cohesive energies per atom, (n_structures,), eV.
        """
        bracket = (cohesive - cohesive.min() * (1.0 + self.delta)).clamp_min(self.floor)
        weight = bracket**-2
        return weight * (1.0 / weight.mean() if self.omega is None else self.omega)

    of = OldAttribute("compute")


@with_old_arguments
@dataclass(frozen=True)
class Noise:
    """Expected errors of all labels of a fit.

    Attributes:
        sigma: Errors for all structures whose type is not in ``sigma_by_type``.
        sigma_by_type: Errors by ``config_type``.
        config_types: ``config_type`` of each structure of the fit, in order.
        energy_weights: Weight of the energy of each structure, (n_structures,); None for 1.
    """

    sigma: Sigma = field(default_factory=Sigma)
    sigma_by_type: Mapping[str, Sigma] = field(default_factory=dict)
    config_types: Sequence[str] = ()
    energy_weights: Tensor | None = None
    of_type = OldAttribute("sigma_by_type")
    types = OldAttribute("config_types")

    @with_old_arguments
    def weights(self, graph: AtomicGraph, first_index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the row weights of a structure or a batch, zero without a label.

        Args:
            graph: Structure or batch.
            first_index: Index, in the fit, of the first structure of graph.

        Returns:
            Weights of energies, (n_graphs,), 1/eV, of forces, (n_atoms,), Å/eV, and of virials, (n_graphs,), 1/eV.
        """
        n = graph.n_graphs
        sigmas = [self._sigma(first_index + i) for i in range(n)]
        n_atoms = sum_to(torch.ones_like(graph.graph_of_atom, dtype=graph.energy.dtype), graph.graph_of_atom, n)
        error_scale = torch.stack([s.scale_errors(n_atoms[i]) for i, s in enumerate(sigmas)])
        energy = (
            graph.loss_weight("energy").sqrt()
            * _inverse_sigma([s.energy for s in sigmas], graph)
            / error_scale
            * graph.energy_mask
        )
        if self.energy_weights is not None:
            energy = energy * self.energy_weights[first_index : first_index + n].to(energy).sqrt()
        virial = (
            graph.loss_weight("stress").sqrt()
            * _inverse_sigma([s.virial for s in sigmas], graph)
            / error_scale
            * graph.stress_mask
        )
        graph_weight = graph.loss_weight("forces").sqrt() * _inverse_sigma([s.forces for s in sigmas], graph)
        forces = graph_weight[graph.graph_of_atom] * graph.forces_mask
        return energy, forces, virial

    def _sigma(self, index: int) -> Sigma:
        """Return the errors of a structure by its index in the fit."""
        by_type = self.sigma_by_type
        return by_type.get(self.config_types[index], self.sigma) if by_type else self.sigma


def _inverse_sigma(sigmas: Sequence[float | None], graph: AtomicGraph) -> Tensor:
    """Return 1/σ as a tensor on the graph's device, (n_graphs,); zero for None."""
    values = [0.0 if sigma is None else 1.0 / sigma for sigma in sigmas]
    return torch.tensor(values, dtype=graph.energy.dtype, device=graph.energy.device)
