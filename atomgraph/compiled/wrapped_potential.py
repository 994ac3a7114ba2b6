"""WrappedPotential: the interface of a potential for classes that evaluate it in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from atomgraph.evaluator import UncertaintyEstimator
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.energy import EnergyModel
from atomgraph.potential import Potential
from atomgraph.structure_predictor import StructurePredictor


class WrappedPotential(StructurePredictor):
    """An evaluator that holds a potential and replaces its ``forward``.

    Properties, mode, descriptors and saving are those of the potential.

    Args:
        potential: The potential.
    """

    def __init__(self, potential: Potential):
        self.potential = potential

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute the results of ``Potential.forward``."""
        return self.potential(graph, forces=forces, stress=stress)

    def __call__(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Call ``forward``."""
        return self.forward(graph, forces=forces, stress=stress)

    @property
    def model(self) -> EnergyModel:
        """The energy model of the potential."""
        return self.potential.model

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of the potential."""
        return self.potential.metadata

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of the elements of the model."""
        return self.potential.elements

    @property
    def cutoff(self) -> float:
        """Cutoff radius, Å. Graphs need all edges up to this length."""
        return self.potential.cutoff

    @property
    def heads(self) -> list[str]:
        """Names of the heads; there is at least one."""
        return self.potential.heads

    @property
    def head(self) -> str | None:
        """The head for graphs without a head. None if there are several heads and none was chosen."""
        return self.potential.head

    @head.setter
    def head(self, name: str | None) -> None:
        self.potential.head = name

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.potential.device

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Names of the allowed dtypes, see ``Potential.dtypes``."""
        return self.potential.dtypes

    @property
    def uncertainty(self) -> UncertaintyEstimator | None:
        """The estimator of standard deviations of the potential, or None."""
        return self.potential.uncertainty

    @uncertainty.setter
    def uncertainty(self, estimator: UncertaintyEstimator | None) -> None:
        self.potential.uncertainty = estimator

    @property
    def training(self) -> bool:
        """Whether the potential is in training mode."""
        return self.potential.training

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the potential."""
        self.potential.train(mode)
        return self

    def eval(self) -> Self:
        """Set the potential to evaluation mode."""
        return self.train(False)

    def to(self, *arguments: Any, **options: Any) -> Self:
        """Move or convert the potential, with the arguments of ``torch.nn.Module.to``."""
        self.potential.to(*arguments, **options)
        return self

    def descriptors(self, graph: AtomicGraph, *, invariants_only: bool = False) -> Tensor:
        """Compute the input features of all readouts, see ``Potential.descriptors``."""
        return self.potential.descriptors(graph, invariants_only=invariants_only)

    def save(self, path: str | Path) -> None:
        """Write the potential to a file, see ``Potential.save``."""
        self.potential.save(path)
