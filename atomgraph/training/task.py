"""Training task for Lightning: a potential, the terms of the loss, and an optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atomgraph.errors import ConfigError, TrainingError
from atomgraph.graph.quantities import QUANTITIES, column_index
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential
from atomgraph.training.adapters import LoRAPotential
from atomgraph.training.error_sums import ErrorSums
from atomgraph.training.loss import Term, label_errors
from atomgraph.training.optimizer import make_optimizer


class PotentialTask(pl.LightningModule):
    r"""Training task with the loss :math:`L = \sum_t w_t \frac{1}{N_t}\sum_{labels} \omega\,\ell_t` of an optimiser step.

    :math:`N_t` is the number of labels of term t in all batches of the step, over accumulated batches and processes. L is
    therefore the loss of the joint batch, for any division into batches. ``data.GraphLoader`` stores these numbers in each
    batch as ``window_counts``. Each batch loss is multiplied by the numbers of accumulated batches and of processes, because
    Lightning and DDP divide by them.

    Attributes:
        validation: Mean errors (eV and Å) and loss of the last validation.
        training_loss: Mean loss of the batches of the last epoch, each with the weights before its step.

    Args:
        potential: Potential to train, or a ``LoRAPotential``.
        terms: Terms of the loss, at most one per quantity. Terms with a weight of zero are removed.
        optimizer: Arguments of ``make_optimizer``; None: its defaults.
        head_weights: Positive weight of each head; None: all labels are averaged together. With weights, the labels of each
            head are averaged separately,
            :math:`L = \sum_h \omega_h \sum_t w_t \frac{1}{N_{ht}} \sum_{labels\ of\ h} \omega\,\ell_t`. The contribution
            of a head is then independent of the numbers of structures of other heads. ``window_counts`` are (n_heads, 3).

    Raises:
        ConfigError: If there is no term, or there are two terms of one quantity.
        TrainingError: If the loss is not finite during training.
    """

    head_weights: Tensor | None

    def __init__(
        self,
        potential: Potential | LoRAPotential,
        terms: Sequence[Term],
        optimizer: Mapping[str, Any] | None = None,
        head_weights: Sequence[float] | None = None,
    ):
        super().__init__()
        self.terms = [term for term in terms if term.is_used()]
        properties = [term.property for term in self.terms]
        if not properties or len(set(properties)) != len(properties):
            raise ConfigError(
                f"fit.terms: training needs terms with positive weights, one per property, but has {properties or 'none'}"
            )
        self.potential = potential
        weights = None if head_weights is None else torch.tensor(list(head_weights), dtype=torch.float64)
        self.register_buffer("head_weights", weights, persistent=False)
        self.optimizer_options = dict(optimizer or {})
        self.validation: dict[str, float] = {}
        self.training_loss = float("nan")
        self._valid_sums = ErrorSums(self.terms)
        self._losses: list[Tensor] = []

    def forward(self, graph: AtomicGraph) -> dict[str, Tensor]:
        """Return the predictions that the terms need, by quantity."""
        properties = {term.property for term in self.terms}
        return self.potential(graph, forces="forces" in properties, stress="stress" in properties)

    def loss(self, graph: AtomicGraph, epoch: int, window_counts: Tensor, n_batches: int = 1) -> Tensor:
        """Return the contribution of a batch to the loss of an optimiser step, multiplied by the number of batches.

        Args:
            graph: Batch.
            epoch: Index of the epoch, from 0, for weights of terms that depend on the epoch.
            window_counts: Numbers of labels in the step: energies, force components, stress components; (3,), or
                (n_heads, 3) with head weights.
            n_batches: Number of batches in the step.
        """
        result = self(graph)
        total = graph.pos.new_zeros(())
        for term in self.terms:
            errors, _, weight = label_errors(term.property, result, graph)
            count = window_counts[..., column_index(term.property)].clamp(min=1)
            if self.head_weights is not None:
                head_factor = (self.head_weights / count)[graph.head]  # (n_graphs,)
                per_atom = QUANTITIES[term.property].per == "atom"
                weight = weight * (head_factor[graph.graph_of_atom] if per_atom else head_factor)
                count = torch.ones_like(count[0])  # head_factor already contains 1 / count
            total = total + term.weight_in(epoch) * term.sum_loss(errors, weight) / count
        return total * n_batches

    def training_step(self, batch: AtomicGraph, batch_idx: int) -> Tensor:
        n_batches = self.trainer.world_size * self.trainer.accumulate_grad_batches
        counts = batch.get("window_counts")
        if counts is None:
            if n_batches > 1:
                raise TrainingError(
                    "batches without window_counts need one process and no accumulation; use data.GraphLoader"
                )
            counts = self.count_labels(batch)
        loss = self.loss(batch, self.current_epoch, counts, n_batches)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss.item()} in epoch {self.current_epoch + 1}, batch {batch_idx + 1}, with the structures "
                f"{structure_names(batch)}. Check these structures (atomgraph check), lower fit.optimizer.lr, or reduce "
                f"fit.gradient_clip_val; the last good checkpoint is kept"
            )
        self._losses.append(loss.detach())
        if self.trainer.world_size > 1:  # DDP needs a gradient of every weight, even if the loss is independent of it
            loss = loss + 0.0 * torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum()
        return loss

    def count_labels(self, batch: AtomicGraph) -> Tensor:
        """Return ``window_counts`` for a step with only this batch: (3,), or (n_heads, 3) with head weights."""
        return window_counts(batch, None if self.head_weights is None else len(self.head_weights))

    counts = OldAttribute("count_labels")

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute gradients of the weights only; gradients of positions, which forces depend on, would double the time."""
        torch.autograd.backward(loss, inputs=[p for p in self.parameters() if p.requires_grad])

    def on_train_start(self) -> None:
        """Set learning rates and weight decays from the configuration; a resumed run keeps the moments of its checkpoint."""
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        for group, configured in zip(optimizer.param_groups, self.configure_optimizers().param_groups, strict=True):
            group.pop("initial_lr", None)  # the schedule multiplies this value
            group.update({name: value for name, value in configured.items() if name != "params"})

    def on_train_epoch_start(self) -> None:
        self._losses = []

    def on_train_batch_end(self, outputs: Any, batch: AtomicGraph, batch_idx: int) -> None:
        if self.trainer.is_last_batch:  # mean over batches and processes
            mean = torch.stack(self._losses).mean()
            self.training_loss = float(self.trainer.strategy.reduce(mean, reduce_op="mean"))

    def on_validation_epoch_start(self) -> None:
        self._valid_sums = ErrorSums(self.terms)

    def validation_step(self, batch: AtomicGraph, batch_idx: int) -> None:
        self._valid_sums.add(self(batch), batch)

    def on_validation_epoch_end(self) -> None:
        self.validation = self._valid_sums.sum_over_processes(self.device).means()
        self.log_dict({f"valid/{name}": value for name, value in self.validation.items()}, sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return make_optimizer(self.potential, **self.optimizer_options)


def window_counts(graph: AtomicGraph, n_heads: int | None = None) -> Tensor:
    """Count the labels of a batch: energies, force components, stress components.

    Args:
        graph: Batch.
        n_heads: Number of heads, if labels are counted by head; None: one count for all heads.

    Returns:
        Numbers of labels, (3,) or (n_heads, 3), float64.
    """
    counts = []
    for quantity in QUANTITIES.values():
        labelled = graph[quantity.mask].double() * quantity.n_components
        if n_heads is None:
            counts.append(labelled.sum())
        else:
            head = graph.head[graph.graph_of_atom] if quantity.per == "atom" else graph.head
            counts.append(sum_to(labelled, head, n_heads))
    return torch.stack(counts, dim=-1)


def structure_names(batch: AtomicGraph, max_names: int = 8) -> str:
    """Return the sources of the structures in a batch, or their formulas if sources are unknown, as text.

    Args:
        batch: Batch.
        max_names: Largest number of names in the text.
    """
    sources = batch.get("source")
    if sources is None:
        from ase.formula import Formula
        from ase.symbols import Symbols

        numbers = batch.atomic_numbers.cpu().numpy()
        graph_of_atom = batch.graph_of_atom.cpu().numpy()
        sources = [str(Formula.from_list(list(Symbols(numbers[graph_of_atom == i])))) for i in range(batch.n_graphs)]
    names = [str(name) for name in (sources if isinstance(sources, list | tuple) else [sources])]
    more = f" and {len(names) - max_names} more" if len(names) > max_names else ""
    return ", ".join(names[:max_names]) + more


__getattr__ = old_names_of(__name__)
