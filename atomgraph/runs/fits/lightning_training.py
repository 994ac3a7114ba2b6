"""Training with Lightning: epochs, checkpoints, and the best weights at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.schema import Config, Gradient
from atomgraph.config.schema import Ramp as RampSection
from atomgraph.data import GraphDataModule
from atomgraph.data.frame_names import format_count
from atomgraph.graph.structure import AtomicGraph
from atomgraph.progress import duration
from atomgraph.runs.context import RunContext
from atomgraph.runs.folder import TABLE, RunFolder
from atomgraph.runs.loggers import make_loggers
from atomgraph.training import (
    Checkpoints,
    LearningRate,
    Phase,
    PotentialTask,
    Ramp,
    Term,
    WeightAverage,
    fit,
    make_trainer,
)
from atomgraph.training.checkpoint_content import check_entries, check_weights
from atomgraph.training.checkpoints import BEST, LAST, averaged_weights, read_checkpoint
from atomgraph.training.csv_table import read_table
from atomgraph.training.device import choose_device
from atomgraph.training.dry_run import dry_run
from atomgraph.training.epoch_progress import TrainingProgress
from atomgraph.training.metrics_table import MetricsTable


class LightningTraining:
    """A task, its data and Lightning's trainer in a run folder.

    Args:
        context: Of the run.
        config: The resolved configuration, for loggers.
        settings: The resolved section ``fit``.
        data: Batches.
        task: What is trained.
        identity: Facts that must be equal for a run to resume: fingerprint of the data, and more.

    Raises:
        ConfigError: If Lightning refuses a setting.
    """

    def __init__(
        self,
        context: RunContext,
        config: Config | FinetuneConfig,
        settings: Gradient,
        data: GraphDataModule,
        task: PotentialTask,
        identity: dict[str, Any],
    ):
        self.context, self.data, self.task = context, data, task
        for line in late_ramps(settings):
            context.say(f"warning: {line}")
        self.checkpoints = Checkpoints(
            context.folder.checkpoints, monitor=settings.monitor, patience=settings.patience, identity=identity
        )
        self.trainer = _trainer(context, config, settings, self.checkpoints, has_validation=bool(data.parts["valid"]))
        if context.is_first:  # the others would fill the memory of the same device
            device = choose_device(settings.accelerator, settings.devices)
            context.say(str(dry_run(task, data.largest_batch(), device)))

    @property
    def has_checkpoint(self) -> bool:
        """Whether an epoch was saved."""
        return self.checkpoints.last_path.is_file()

    def run(self) -> None:
        """Train to the last epoch; a run that resumes starts from its last checkpoint."""
        resume = self.checkpoints.last_path if self.context.resuming and self.has_checkpoint else None
        fit(self.trainer, self.task, self.data, resume=resume)

    def take_best(self) -> dict[str, Any]:
        """Give the task's potential the best weights; facts of the training."""
        return take_best(self.task.potential, self.context.folder)

    def say_trained(self, facts: dict[str, Any]) -> None:
        """Print epochs, time and the best epoch."""
        self.context.say(
            f"trained {format_count(facts['epochs'], 'epoch')} in {duration(facts['seconds'])}; the weights of epoch "
            f"{facts['best_epoch']} are kept"
        )

    @property
    def interrupt_message(self) -> str:
        """How an interrupted run goes on."""
        if not self.has_checkpoint:
            return "before the first epoch; nothing is saved"
        command, path = self.context.command, self.context.folder.path
        return f"all whole epochs are saved; go on with: atomgraph {command} --resume {path}"


def _trainer(
    context: RunContext,
    config: Config | FinetuneConfig,
    settings: Gradient,
    checkpoints: Checkpoints,
    *,
    has_validation: bool,
) -> Trainer:
    path = context.folder.path
    callbacks: list[Callback] = [
        LearningRate([Phase(**phase.model_dump()) for phase in settings.schedule], settings.max_epochs)
    ]
    callbacks += [WeightAverage(settings.ema)] if settings.ema is not None else []
    callbacks += [MetricsTable(path / TABLE), TrainingProgress(context.console)]
    return make_trainer(
        checkpoints,
        callbacks,
        max_epochs=settings.max_epochs,
        check_val_every_n_epoch=settings.check_val_every_n_epoch,
        limit_val_batches=1.0 if has_validation else 0,
        gradient_clip_val=settings.gradient_clip_val,
        accumulate_grad_batches=settings.accumulate_grad_batches,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision=settings.precision,
        deterministic=settings.deterministic or None,
        logger=make_loggers(config.output.loggers, path, config.model_dump()) or False,
    )


def data_module(
    config: Config | FinetuneConfig, settings: Gradient, graphs: dict[str, list[AtomicGraph]], **replay: Any
) -> GraphDataModule:
    """Batches of the parts.

    Args:
        config: Its section ``data`` has the budgets.
        settings: The section ``fit``.
        graphs: By part.
        **replay: Arguments of ``GraphDataModule`` for replayed structures.
    """
    data = config.data
    return GraphDataModule(
        graphs["train"],
        graphs["valid"],
        graphs["test"],
        edge_budget=data.edge_budget,
        atom_budget=data.atom_budget,
        seed=config.seed,
        num_workers=data.num_workers,
        pin_memory=choose_device(settings.accelerator, settings.devices).type == "cuda",
        **replay,
    )


def take_best(trained: torch.nn.Module, folder: RunFolder) -> dict[str, Any]:
    """Load the best weights of the checkpoints, averaged if there is an average; returns facts of the training."""
    best = folder.checkpoints / BEST
    path = best if best.is_file() else folder.checkpoints / LAST
    checkpoint = read_checkpoint(path)
    check_entries(path, checkpoint, ("state_dict", "callbacks", "epoch"))
    weights = averaged_weights(checkpoint, "potential.")
    check_weights(path, weights, trained.state_dict())
    trained.load_state_dict(weights)
    trained.eval().cpu()
    rows = read_table(folder.path / TABLE)
    seconds = float(rows[-1]["seconds"]) if rows else 0.0
    return {"best_epoch": int(checkpoint["epoch"]) + 1, "epochs": len(rows), "seconds": seconds}


def late_ramps(settings: Gradient) -> Iterator[str]:
    """A warning for each ramp that starts or ends after the last epoch."""
    epochs = settings.max_epochs
    for term in settings.terms:
        ramp = term.weight
        if not isinstance(ramp, RampSection) or ramp.start == ramp.end:
            continue
        weight, end = f"fit.terms: the weight of {term.property}", ramp.from_epoch + ramp.n_epochs
        if ramp.from_epoch >= epochs:
            yield f"{weight} begins to change at epoch {ramp.from_epoch}, but there are {epochs}; it stays {ramp.start:g}"
        elif end > epochs:
            yield f"{weight} ends at epoch {end}, after the last of {epochs}"


def loss_terms(settings: Gradient, graphs: Sequence[AtomicGraph]) -> list[Term]:
    """The terms of the loss, without those ``if_labelled`` for which no graph has a label."""
    terms = []
    for term in settings.terms:
        if term.if_labelled and not any(bool(graph[f"{term.property}_mask"].any()) for graph in graphs):
            continue
        weight = _ramp(term.weight) if isinstance(term.weight, RampSection) else term.weight
        terms.append(Term(term.property, term.loss, weight, term.metric, term.delta))
    return terms


def _ramp(section: RampSection) -> Ramp:
    return Ramp(section.start, section.end, from_epoch=section.from_epoch, n_epochs=section.n_epochs)
