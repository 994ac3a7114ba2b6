"""Builds a new potential from the model specification, and computes constants of its parts from training structures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from atomgraph.config.model_spec import build_model
from atomgraph.config.schema import Config, Gradient
from atomgraph.data import budget_batches
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.part import public_name
from atomgraph.potential import Potential
from atomgraph.training.randomness import use_seed

CALIBRATION_EDGES = 200_000  # largest number of edges in a batch for ``calibrate``


def new_potential(config: Config, spec: dict[str, Any]) -> Potential:
    """Build a potential with random weights, which depend on the seed only.

    Args:
        config: The configuration, for seed and precision.
        spec: The resolved specification of the model.
    """
    with use_seed(config.seed):
        potential = Potential(build_model(spec))
    in_double = not isinstance(config.fit, Gradient) or str(config.fit.precision) in ("64", "64-true", "double")
    return potential.to(torch.float64) if in_double else potential


def calibrate(potential: Potential, train: Sequence[AtomicGraph]) -> None:
    """Compute constants of parts, such as means and widths, from the graphs of the training part."""
    potential.model.calibrate(_Batches(train))


@dataclass(frozen=True)
class _Batches:
    """Iterable of batches that are built during iteration; only one batch is in memory at a time."""

    graphs: Sequence[AtomicGraph]

    def __iter__(self) -> Iterator[AtomicGraph]:
        return budget_batches(self.graphs, CALIBRATION_EDGES)


def describe(potential: Potential, n_fitted: int | None = None) -> str:
    """Return a line of text about the model: kind, number of parameters, elements, cutoff and dtype.

    Args:
        potential: The potential.
        n_fitted: Number of parameters that a linear fit determines; None: all trained parameters; 0: the weights of sparse
            points, whose number is not determined yet.
    """
    n_trained = sum(p.numel() for p in potential.parameters() if p.requires_grad)
    count = (
        f"{n_trained} parameters"
        if n_fitted in (None, n_trained)
        else f"{n_fitted} of {n_trained} parameters are fitted"
    )
    if n_fitted == 0:
        count = "weights of sparse points, which are selected next"
    kind = public_name(type(potential.model)).removeprefix("atomgraph.models.")
    model_text = f"{kind} for {', '.join(potential.elements)}: {count}"
    return f"{model_text}, cutoff {potential.cutoff:g} Å, {potential.model.dtype_name}"
