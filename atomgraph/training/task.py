"""PotentialTask: a potential, some terms and an optimiser, as Lightning trains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atomgraph.errors import ConfigError, TrainingError
from atomgraph.graph.quantities import QUANTITIES, column_index
from atomgraph.graph.structure import AtomicGraph
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential
from atomgraph.training.adapters import LoRAPotential
from atomgraph.training.error_sums import ErrorSums
from atomgraph.training.loss import Term, difference
from atomgraph.training.optimizer import make_optimizer


class PotentialTask(pl.LightningModule):
    r"""Minimises :math:`L = \sum_t w_t \frac{1}{N_t}\sum_{entries} \omega\,\ell_t` over an optimiser step.

    N_t counts the labels of the whole step, over all processes and accumulated batches, so L is the loss of the joint batch
    however it is cut. Batches bring these numbers along as ``window_counts`` (see ``data.GraphLoader``); Lightning divides by
    the number of accumulated batches and DDP by the number of processes, so each loss is multiplied by both.

    After each validation, ``validation`` holds mean errors in eV and Å and the loss; after each epoch ``training_loss``
    that of the epoch's batches, as the weights went along.

    Args:
        potential: What is trained, a Potential or one that is ``LoRAPotential``.
        terms: Its targets.
        optimizer: Keywords of ``make_optimizer``.
        head_weights: For several heads, one positive weight each; then every head is divided by its own labels,
            :math:`L = \sum_h \omega_h \sum_t w_t \frac{1}{N_{ht}} \sum_{entries\ of\ h} \omega\,\ell_t`, so that a
            head's share in the loss does not depend on how many structures the others have; ``window_counts`` are
            then (n_heads, 3).

    Raises:
        ConfigError: For no terms or two of one property.
        TrainingError: While training, for a loss that is not finite.
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
        self.terms = [term for term in terms if term.ever_counts()]
        properties = [term.property for term in self.terms]
        if not properties or len(set(properties)) != len(properties):
            raise ConfigError(
                f"fit.terms: training needs terms with positive weights, one a property, but has {properties or 'none'}"
            )
        self.potential = potential
        of_heads = None if head_weights is None else torch.tensor(list(head_weights), dtype=torch.float64)
        self.register_buffer("head_weights", of_heads, persistent=False)
        self.optimizer_options = dict(optimizer or {})
        self.validation: dict[str, float] = {}
        self.training_loss = float("nan")
        self._valid_sums = ErrorSums(self.terms)
        self._losses: list[Tensor] = []

    def forward(self, graph: AtomicGraph) -> dict[str, Tensor]:
        """The potential's results, as far as the terms ask for them."""
        properties = {term.property for term in self.terms}
        return self.potential(graph, forces="forces" in properties, stress="stress" in properties)

    def loss(self, graph: AtomicGraph, epoch: int, window_counts: Tensor, n_batches: int = 1) -> Tensor:
        """This batch's part of an optimiser step's loss, times the number of batches in the step.

        Args:
            window_counts: (3,) labels in the whole step: energies, force components, stress components.
        """
        result = self(graph)
        total = graph.pos.new_zeros(())
        for term in self.terms:
            entries, _, weight = difference(term.property, result, graph)
            count = window_counts[..., column_index(term.property)].clamp(min=1)
            if self.head_weights is not None:
                share = (self.head_weights / count)[graph.head]  # (n_graphs,)
                per_atom = QUANTITIES[term.property].per == "atom"
                weight = weight * (share[graph.graph_of_atom] if per_atom else share)
                count = torch.ones_like(count[0])
            total = total + term.weight_in(epoch) * term.total(entries, weight) / count
        return total * n_batches

    def training_step(self, batch: AtomicGraph, batch_idx: int) -> Tensor:
        n_batches = self.trainer.world_size * self.trainer.accumulate_grad_batches
        counts = batch.get("window_counts")
        if counts is None:
            if n_batches > 1:
                raise TrainingError("batches without window_counts serve one process without accumulation only")
            counts = self.counts(batch)
        loss = self.loss(batch, self.current_epoch, counts, n_batches)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss.item()} in epoch {self.current_epoch + 1}, batch {batch_idx + 1}, with the structures "
                f"{names_of(batch)}. Look at them (atomgraph check), lower fit.optimizer.lr, or clip gradients harder; "
                f"the last good checkpoint is kept"
            )
        self._losses.append(loss.detach())
        if self.trainer.world_size > 1:  # DDP waits for every weight's gradient, though no term here may depend on it
            loss = loss + 0.0 * torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum()
        return loss

    def counts(self, batch: AtomicGraph) -> Tensor:
        """Labels of a batch that is a step by itself: ``window_counts``, of each head where heads have weights."""
        return window_counts(batch, None if self.head_weights is None else len(self.head_weights))

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Gradients of the weights only: those of positions, which forces bring in, would double the time."""
        torch.autograd.backward(loss, inputs=[p for p in self.parameters() if p.requires_grad])

    def on_train_start(self) -> None:
        """A run that goes on has the moments of its checkpoint, but rates and decays as they are configured now."""
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        for group, configured in zip(optimizer.param_groups, self.configure_optimizers().param_groups, strict=True):
            group.pop("initial_lr", None)  # what a schedule multiplies
            group.update({name: value for name, value in configured.items() if name != "params"})

    def on_train_epoch_start(self) -> None:
        self._losses = []

    def on_train_batch_end(self, outputs: Any, batch: AtomicGraph, batch_idx: int) -> None:
        if self.trainer.is_last_batch:  # the mean over micro-batches and processes of steps' losses
            mean = torch.stack(self._losses).mean()
            self.training_loss = float(self.trainer.strategy.reduce(mean, reduce_op="mean"))

    def on_validation_epoch_start(self) -> None:
        self._valid_sums = ErrorSums(self.terms)

    def validation_step(self, batch: AtomicGraph, batch_idx: int) -> None:
        self._valid_sums.add(self(batch), batch)

    def on_validation_epoch_end(self) -> None:
        self.validation = self._valid_sums.reduced(self.device).means()
        self.log_dict({f"valid/{name}": value for name, value in self.validation.items()}, sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return make_optimizer(self.potential, **self.optimizer_options)


def window_counts(graph: AtomicGraph, n_heads: int | None = None) -> Tensor:
    """(3,) float64: labels of a batch, in energies, force components, stress components; (n_heads, 3) of each head."""
    counts = []
    for quantity in QUANTITIES.values():
        labelled = graph[quantity.mask].double() * quantity.n_components
        if n_heads is None:
            counts.append(labelled.sum())
        else:
            head = graph.head[graph.graph_of_atom] if quantity.per == "atom" else graph.head
            counts.append(sum_to(labelled, head, n_heads))
    return torch.stack(counts, dim=-1)


def names_of(batch: AtomicGraph, most: int = 8) -> str:
    """What a batch's structures are called: where they come from as far as the graphs say, else their formulas."""
    sources = batch.get("source")
    if sources is None:
        from ase.formula import Formula
        from ase.symbols import Symbols

        numbers = batch.atomic_numbers.cpu().numpy()
        owner = batch.graph_of_atom.cpu().numpy()
        sources = [str(Formula.from_list(list(Symbols(numbers[owner == i])))) for i in range(batch.n_graphs)]
    names = [str(name) for name in (sources if isinstance(sources, list | tuple) else [sources])]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
