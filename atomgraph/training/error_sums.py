"""Mean errors and loss over structures, computed from sums, so that they do not depend on the batches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lightning.pytorch as pl
import torch
from torch import Tensor

from atomgraph.graph.quantities import QUANTITIES, VOIGT
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.training.loss import Term, label_errors


def format_error(metric: str, value: float) -> str:
    """Return an error as text with a unit: ``energy_mae`` and 0.0123 become ``energy MAE 12.3 meV/atom``."""
    name, _, kind = metric.rpartition("_")
    quantity = QUANTITIES[name]
    return f"{name} {kind.upper()} {value * quantity.factor:.3g} {quantity.unit}"


def column_header(metric: str) -> str:
    """Return the column header of a metric: ``valid_energy_mae`` becomes ``valid_energy_mae (meV/atom)``."""
    name = metric.removeprefix("valid_").rpartition("_")[0]
    return f"{metric} ({QUANTITIES[name].unit})"


def has_validation(trainer: pl.Trainer) -> bool:
    """Return whether the current epoch includes a validation."""
    return trainer.enable_validation and not (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1)


class ErrorSums:
    """Sums of |x|, of x² and of the loss over all errors x, and the number of labelled rows, for each term of the loss.

    Args:
        terms: Terms of the loss.
    """

    def __init__(self, terms: Sequence[Term]):
        self.terms = list(terms)
        self.sums: Tensor | None = None  # (n_terms, 4): sums of |x|, of x² and of the loss, number of labelled rows

    def add(self, result: dict[str, Tensor], graph: AtomicGraph) -> None:
        """Add the errors of a batch.

        Args:
            result: Predictions of the batch, by name of the quantity.
            graph: Batch with labels.
        """
        rows = []
        for term in self.terms:
            errors, labelled, weight = label_errors(term.property, result, graph)
            components = errors[:, VOIGT] if QUANTITIES[term.property].symmetric else errors  # as in error tables
            loss = term.sum_loss(errors, weight)
            rows.append(torch.stack([components.abs().sum(), components.square().sum(), loss, labelled.sum().to(loss)]))
        self.add_sums(torch.stack(rows).detach())

    def add_sums(self, sums: Tensor) -> None:
        """Add sums of further structures, (n_terms, 4)."""
        self.sums = sums.clone() if self.sums is None else self.sums + sums

    def sum_over_processes(self, device: torch.device) -> ErrorSums:
        """Return the sums over all processes, on a device."""
        total = ErrorSums(self.terms)
        empty = torch.zeros(len(self.terms), 4, dtype=torch.float64, device=device)
        total.add_sums(empty if self.sums is None else self.sums.to(device, torch.float64))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(total.sums)
        return total

    def means(self) -> dict[str, float]:
        """Return ``{"energy_mae": ..., "energy_rmse": ..., "loss": ...}``, in eV and Å.

        Properties without labels are skipped. The loss uses the final weights of the terms.
        """
        means: dict[str, float] = {}
        loss = 0.0
        for term, (absolute, square, total_loss, n_rows) in zip(
            self.terms, [] if self.sums is None else self.sums.tolist(), strict=False
        ):
            if n_rows > 0:
                quantity = QUANTITIES[term.property]
                means[f"{term.property}_mae"] = absolute / (quantity.n_table_components * n_rows)
                means[f"{term.property}_rmse"] = (square / (quantity.n_table_components * n_rows)) ** 0.5
                loss += term.weight_in(math.inf) * total_loss / (quantity.n_components * n_rows)
        return means | {"loss": loss} if means else {}

    put = OldAttribute("add_sums")
    reduced = OldAttribute("sum_over_processes")


__getattr__ = old_names_of(__name__)
