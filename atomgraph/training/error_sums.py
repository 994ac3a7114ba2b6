"""Errors of a potential on structures, exact whatever the batches: sums first, one division at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lightning.pytorch as pl
import torch
from torch import Tensor

from atomgraph.graph.quantities import QUANTITIES, VOIGT
from atomgraph.graph.structure import AtomicGraph
from atomgraph.training.loss import Term, difference


def in_words(metric: str, value: float) -> str:
    """``energy_mae`` and 0.0123 as ``energy MAE 12.3 meV/atom``."""
    name, _, kind = metric.rpartition("_")
    quantity = QUANTITIES[name]
    return f"{name} {kind.upper()} {value * quantity.factor:.3g} {quantity.unit}"


def column(metric: str) -> str:
    """The header of a metric's column: ``valid_energy_mae`` becomes ``valid_energy_mae (meV/atom)``."""
    name = metric.removeprefix("valid_").rpartition("_")[0]
    return f"{metric} ({QUANTITIES[name].unit})"


def validated(trainer: pl.Trainer) -> bool:
    """Whether the epoch that is ending had a validation."""
    return trainer.enable_validation and not (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1)


class ErrorSums:
    """Sums over labelled entries, for each term: of |x|, of x², of the term's loss, and labelled rows.

    Sums of batches and of processes add up, so mean errors are those of all structures at once, to the last batch.
    """

    def __init__(self, terms: Sequence[Term]):
        self.terms = list(terms)
        self.sums: Tensor | None = None  # (n_terms, 4)

    def add(self, result: dict[str, Tensor], graph: AtomicGraph) -> None:
        """Take a batch into account."""
        rows = []
        for term in self.terms:
            entries, labelled, weight = difference(term.property, result, graph)
            shown = entries[:, VOIGT] if QUANTITIES[term.property].symmetric else entries  # as in error tables
            addend = term.total(entries, weight)
            rows.append(torch.stack([shown.abs().sum(), shown.square().sum(), addend, labelled.sum().to(addend)]))
        self.put(torch.stack(rows).detach())

    def put(self, sums: Tensor) -> None:
        """Add sums that are there already, (n_terms, 4)."""
        self.sums = sums.clone() if self.sums is None else self.sums + sums

    def reduced(self, device: torch.device) -> ErrorSums:
        """The sums over all processes; these same sums where there is one process."""
        total = ErrorSums(self.terms)
        empty = torch.zeros(len(self.terms), 4, dtype=torch.float64, device=device)
        total.put(empty if self.sums is None else self.sums.to(device, torch.float64))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(total.sums)
        return total

    def means(self) -> dict[str, float]:
        """``{"energy_mae": ..., "energy_rmse": ..., "loss": ...}`` in eV and Å; properties without a label are left out.

        The loss weighs terms with their final weights.
        """
        means: dict[str, float] = {}
        loss = 0.0
        for term, (absolute, square, total, rows) in zip(
            self.terms, [] if self.sums is None else self.sums.tolist(), strict=False
        ):
            if rows > 0:
                quantity = QUANTITIES[term.property]
                means[f"{term.property}_mae"] = absolute / (quantity.n_table_components * rows)
                means[f"{term.property}_rmse"] = (square / (quantity.n_table_components * rows)) ** 0.5
                loss += term.weight_in(math.inf) * total / (quantity.n_components * rows)
        return means | {"loss": loss} if means else {}
