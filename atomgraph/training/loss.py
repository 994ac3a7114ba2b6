"""Term: one target of training, with its loss, its weight and the error that is shown for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.errors import ConfigError, nearest
from atomgraph.graph.geometry import volume
from atomgraph.graph.quantities import ENERGY, QUANTITIES
from atomgraph.graph.structure import AtomicGraph

LOSSES = ("mse", "mae", "huber")
METRICS = ("mae", "rmse")


@dataclass(frozen=True)
class Ramp:
    """A weight that goes in a straight line from ``start`` to ``end``, in ``over`` epochs, beginning in ``from_epoch``."""

    start: float
    end: float
    from_epoch: int = 0
    over: int = 1

    def __post_init__(self) -> None:
        if min(self.start, self.end, self.from_epoch) < 0 or self.over < 1:
            raise ConfigError(f"a weight's schedule needs start, end, from_epoch ≥ 0 and over ≥ 1, but is {self}")

    def __call__(self, epoch: float) -> float:
        """The weight in an epoch (the first is 0)."""
        progress = min(max((epoch - self.from_epoch) / self.over, 0.0), 1.0)
        return self.start + (self.end - self.start) * progress


@dataclass(frozen=True)
class Term:
    r"""One addend of the loss, :math:`w(epoch)\,\frac{1}{N}\sum_s \omega_s \sum_{k \in s} \ell(\hat y_k - y_k)`.

    The sum runs over the labelled entries, :math:`\omega_s` is the weight of structure s, and N the number of entries.

    Without loss or metric, the quantity's own are taken.

    Attributes:
        property: A name in ``QUANTITIES``: ``energy`` (per atom, eV), ``forces`` (components, eV/Å), ``stress``
            (components, eV/Å³).
        loss: ``mse`` (x²), ``mae`` (:math:`|x|`) or ``huber`` (x²/2 up to ``delta``, beyond it :math:`\delta(|x| -
            \delta/2)`).
        weight: A number, or a ``Ramp`` over epochs.
        metric: The error shown while training, ``mae`` or ``rmse``.
        delta: Where Huber's loss turns from square to linear, in units of the property.
    """

    property: str
    loss: str = ""
    weight: float | Ramp = 1.0
    metric: str = ""
    delta: float = 0.01

    def __post_init__(self) -> None:
        quantity = QUANTITIES.get(self.property, ENERGY)  # an unknown property is refused below
        object.__setattr__(self, "loss", self.loss or quantity.loss)
        object.__setattr__(self, "metric", self.metric or quantity.metric)
        for name, known in {"property": tuple(QUANTITIES), "loss": LOSSES, "metric": METRICS}.items():
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(f"a term's {name} cannot be {value!r}{nearest(str(value), known)}")
        if isinstance(self.weight, int | float) and not self.weight >= 0:
            raise ConfigError(f"the weight of {self.property} should be positive or zero, but is {self.weight}")
        if not self.delta > 0:
            raise ConfigError(f"delta of Huber's loss should be positive, but is {self.delta}")

    def weight_in(self, epoch: float) -> float:
        """The weight in an epoch (the first is 0); infinity gives the last weight."""
        return self.weight(epoch) if isinstance(self.weight, Ramp) else float(self.weight)

    def ever_counts(self) -> bool:
        """False where the weight is zero in every epoch."""
        return self.weight_in(0) > 0 or self.weight_in(math.inf) > 0

    def total(self, difference: Tensor, weight: Tensor) -> Tensor:
        """The sum over rows of weight times loss: from (n_rows, n_components) and (n_rows,) to ()."""
        if self.loss == "mse":
            entries = difference.square()
        elif self.loss == "mae":
            entries = difference.abs()
        else:
            entries = torch.nn.functional.huber_loss(
                difference, torch.zeros_like(difference), reduction="none", delta=self.delta
            )
        return (entries.sum(dim=1) * weight).sum()


def difference(name: str, result: dict[str, Tensor], graph: AtomicGraph) -> tuple[Tensor, Tensor, Tensor]:
    """What a potential gives minus the label: (n_rows, n_components), zero in rows without a label.

    Energies are per atom.
    A stress without a volume counts as not labelled.

    Returns:
        Also (n_rows,) bool, which rows are labelled, and (n_rows,) the structures' weights.
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
