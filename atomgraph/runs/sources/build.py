"""A model built from its specification, and constants of its parts taken from the training part."""

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

CALIBRATION_EDGES = 200_000  # in a batch, while constants are taken from the data


def new_potential(config: Config, spec: dict[str, Any]) -> Potential:
    """The untrained potential; its weights depend only on the seed."""
    with use_seed(config.seed):
        potential = Potential(build_model(spec))
    in_double = not isinstance(config.fit, Gradient) or str(config.fit.precision) in ("64", "64-true", "double")
    return potential.to(torch.float64) if in_double else potential


def calibrate(potential: Potential, train: Sequence[AtomicGraph]) -> None:
    """Set constants of parts from the training part."""
    potential.model.calibrate(_Batches(train))


@dataclass(frozen=True)
class _Batches:
    """Batches that are built in each iteration; only one is in memory."""

    graphs: Sequence[AtomicGraph]

    def __iter__(self) -> Iterator[AtomicGraph]:
        return budget_batches(self.graphs, CALIBRATION_EDGES)


def describe(potential: Potential, n_fitted: int | None = None) -> str:
    """A line about the model: kind, number of parameters, elements, cutoff.

    Args:
        potential: The potential.
        n_fitted: Number of parameters that are solved for; None for all with gradients; 0 if it is not known yet.
    """
    trained = sum(p.numel() for p in potential.parameters() if p.requires_grad)
    count = f"{trained} parameters" if n_fitted in (None, trained) else f"{n_fitted} of {trained} parameters are fitted"
    if n_fitted == 0:
        count = "weights of sparse points, which are chosen next"
    kind = public_name(type(potential.model)).removeprefix("atomgraph.models.")
    what = f"{kind} for {', '.join(potential.elements)}: {count}"
    return f"{what}, cutoff {potential.cutoff:g} Å, {potential.model.dtype_name}"
