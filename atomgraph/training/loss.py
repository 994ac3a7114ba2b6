"""Terms of the loss: a quantity with its loss function, its weight and its error metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.errors import ConfigError, nearest
from atomgraph.graph.geometry import volume
from atomgraph.graph.quantities import ENERGY, QUANTITIES
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments

LOSSES = ("mse", "mae", "huber")
METRICS = ("mae", "rmse")


@with_old_arguments
@dataclass(frozen=True)
class Ramp:
    """Weight that changes linearly with the epoch.

    Attributes:
        start: Weight before and in ``from_epoch``.
        end: Weight after ``n_epochs`` further epochs.
        from_epoch: Epoch in which the change starts; the first epoch is 0.
        n_epochs: Number of epochs of the change.
    """

    start: float
    end: float
    from_epoch: int = 0
    n_epochs: int = 1
    over = OldAttribute("n_epochs")

    def __post_init__(self) -> None:
        if min(self.start, self.end, self.from_epoch) < 0 or self.n_epochs < 1:
            raise ConfigError(
                f"the schedule of a weight needs start, end, from_epoch ≥ 0 and n_epochs ≥ 1, but is {self}"
            )

    def __call__(self, epoch: float) -> float:
        """Return the weight in an epoch; the first epoch is 0."""
        progress = min(max((epoch - self.from_epoch) / self.n_epochs, 0.0), 1.0)
        return self.start + (self.end - self.start) * progress


@dataclass(frozen=True)
class Term:
    r"""Term of the loss, :math:`w(epoch)\,\frac{1}{N}\sum_s \omega_s \sum_{k \in s} \ell(\hat y_k - y_k)`.

    The sum is over the labelled components k of structures s, with the structure weight :math:`\omega_s` and the number N of
    labelled components.

    Attributes:
        property: Quantity, a name in ``QUANTITIES``: ``energy`` (per atom, eV), ``forces`` (components, eV/Å), ``stress``
            (components, eV/Å³).
        loss: Loss function ℓ(x): ``mse`` (x²), ``mae`` (:math:`|x|`), or ``huber`` (x²/2 up to ``delta``, above
            :math:`\delta(|x| - \delta/2)`); if empty, the loss function of the quantity.
        weight: Weight w, a number or a ``Ramp`` over epochs.
        metric: Error metric printed during training, ``mae`` or ``rmse``; if empty, the metric of the quantity.
        delta: Error at which the Huber loss changes from quadratic to linear, in the unit of the quantity.
    """

    property: str
    loss: str = ""
    weight: float | Ramp = 1.0
    metric: str = ""
    delta: float = 0.01

    def __post_init__(self) -> None:
        quantity = QUANTITIES.get(self.property, ENERGY)  # an unknown property raises an error below
        object.__setattr__(self, "loss", self.loss or quantity.loss)
        object.__setattr__(self, "metric", self.metric or quantity.metric)
        for name, options in {"property": tuple(QUANTITIES), "loss": LOSSES, "metric": METRICS}.items():
            value = getattr(self, name)
            if value not in options:
                raise ConfigError(f"a term's {name} cannot be {value!r}{nearest(str(value), options)}")
        if isinstance(self.weight, int | float) and not self.weight >= 0:
            raise ConfigError(f"the weight of {self.property} should be positive or zero, but is {self.weight}")
        if not self.delta > 0:
            raise ConfigError(f"delta of Huber's loss should be positive, but is {self.delta}")

    def weight_in(self, epoch: float) -> float:
        """Return the weight in an epoch; the first epoch is 0, and infinity means the final weight."""
        return self.weight(epoch) if isinstance(self.weight, Ramp) else float(self.weight)

    def is_used(self) -> bool:
        """Return whether the weight is positive in at least one epoch."""
        return self.weight_in(0) > 0 or self.weight_in(math.inf) > 0

    def sum_loss(self, errors: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted sum of the loss over rows, ().

        Args:
            errors: Prediction − label, (n_rows, n_components).
            weight: Weights of the rows, (n_rows,).
        """
        if self.loss == "mse":
            losses = errors.square()
        elif self.loss == "mae":
            losses = errors.abs()
        else:
            losses = torch.nn.functional.huber_loss(
                errors, torch.zeros_like(errors), reduction="none", delta=self.delta
            )
        return (losses.sum(dim=1) * weight).sum()

    ever_counts = OldAttribute("is_used")
    total = OldAttribute("sum_loss")


def label_errors(name: str, result: dict[str, Tensor], graph: AtomicGraph) -> tuple[Tensor, Tensor, Tensor]:
    """Compute prediction − label of a quantity. Energies are per atom; a stress without volume counts as not labelled.

    Args:
        name: Name in ``QUANTITIES``.
        result: Predictions, by name of the quantity.
        graph: Structure or batch with labels.

    Returns:
        Errors, (n_rows, n_components), zero in rows without label; whether a row is labelled, (n_rows,) bool; and the
        weights of the structures, (n_rows,).
    """
    quantity = QUANTITIES[name]
    labelled, weight = graph[quantity.mask], graph.loss_weight(name)
    error = result[name] - graph[name]
    if quantity.per == "atom":
        weight = weight[graph.graph_of_atom]
    if quantity.needs_volume:
        labelled = labelled & volume(graph).isfinite()
    error = error.reshape(len(labelled), -1)
    if quantity.extensive:
        error = error / torch.bincount(graph.graph_of_atom, minlength=graph.n_graphs)[:, None]
    return torch.where(labelled[:, None], error, 0.0), labelled, weight


__getattr__ = old_names_of(__name__)
