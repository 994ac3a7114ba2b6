"""Training with Lightning in a run folder: epochs, checkpoints, and the best weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.schema import Config, Gradient, RampSection
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
    """A training task, its batches and the trainer of Lightning, in a run folder.

    Args:
        context: Folder, console and options of the run.
        config: The resolved configuration, for loggers.
        settings: The resolved section ``fit``.
        data: Batches of all parts.
        task: The training task, with the potential and the loss.
        identity: Facts such as the fingerprint of the data; a resumed run requires equal values.

    Raises:
        ConfigError: If a setting is invalid for Lightning.
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
        for line in ramp_warnings(settings):
            context.print_line(f"warning: {line}")
        self.checkpoints = Checkpoints(
            context.folder.checkpoints, monitor=settings.monitor, patience=settings.patience, identity=identity
        )
        self.trainer = _trainer(context, config, settings, self.checkpoints, has_validation=bool(data.parts["valid"]))
        if context.is_main_process:  # other processes would use memory of the same device
            device = choose_device(settings.accelerator, settings.devices)
            context.print_line(str(dry_run(task, data.largest_batch(), device)))

    @property
    def has_checkpoint(self) -> bool:
        """Whether an epoch was saved."""
        return self.checkpoints.last_path.is_file()

    def run(self) -> None:
        """Train to the last epoch; a resumed run starts from its last checkpoint."""
        resume = self.checkpoints.last_path if self.context.resuming and self.has_checkpoint else None
        fit(self.trainer, self.task, self.data, resume=resume)

    def load_best_weights(self) -> dict[str, Any]:
        """Set the potential of the task to the best weights; return facts of the training."""
        return load_best_weights(self.task.potential, self.context.folder)

    def print_summary(self, facts: dict[str, Any]) -> None:
        """Print the number of epochs, the time and the best epoch."""
        self.context.print_line(
            f"trained {format_count(facts['epochs'], 'epoch')} in {duration(facts['seconds'])}; the weights of epoch "
            f"{facts['best_epoch']} are kept"
        )

    @property
    def interrupt_message(self) -> str:
        """Message for an interrupted run: the saved files, and the command that resumes the run."""
        if not self.has_checkpoint:
            return "nothing is saved, because the first epoch has not finished"
        command, path = self.context.command, self.context.folder.path
        return f"all finished epochs are saved; resume with: atomgraph {command} --resume {path}"


def _trainer(
    context: RunContext,
    config: Config | FinetuneConfig,
    settings: Gradient,
    checkpoints: Checkpoints,
    *,
    has_validation: bool,
) -> Trainer:
    """Create the trainer of Lightning with the settings of the section ``fit``."""
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
    """Create the batches of all parts.

    Args:
        config: The configuration, for the sizes of batches.
        settings: The section ``fit``, for the device.
        graphs: Graphs by part.
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


def load_best_weights(trained: torch.nn.Module, folder: RunFolder) -> dict[str, Any]:
    """Load the best weights from the checkpoints; averaged weights if the run has them.

    Args:
        trained: The trained module, changed in place.
        folder: The run folder.

    Returns:
        Facts of the training: best epoch, number of epochs, time in s.
    """
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


def ramp_warnings(settings: Gradient) -> Iterator[str]:
    """Yield a warning for each ramp that starts or ends after the last epoch."""
    n_epochs = settings.max_epochs
    for term in settings.terms:
        ramp = term.weight
        if not isinstance(ramp, RampSection) or ramp.start == ramp.end:
            continue
        label, end = f"fit.terms: the weight of {term.property}", ramp.from_epoch + ramp.n_epochs
        if ramp.from_epoch >= n_epochs:
            start = f"starts to change at epoch {ramp.from_epoch}"
            yield f"{label} {start}, but the run has {n_epochs} epochs; the weight stays {ramp.start:g}"
        elif end > n_epochs:
            yield f"{label} changes until its end at epoch {end}, but the run has {n_epochs} epochs"


def loss_terms(settings: Gradient, graphs: Sequence[AtomicGraph]) -> list[Term]:
    """Return the terms of the loss, without terms with ``if_labelled`` for which no graph has a label."""
    terms = []
    for term in settings.terms:
        if term.if_labelled and not any(bool(graph[f"{term.property}_mask"].any()) for graph in graphs):
            continue
        weight = _ramp(term.weight) if isinstance(term.weight, RampSection) else term.weight
        terms.append(Term(term.property, term.loss, weight, term.metric, term.delta))
    return terms


def _ramp(section: RampSection) -> Ramp:
    """Return the ramp of a section."""
    return Ramp(section.start, section.end, from_epoch=section.from_epoch, n_epochs=section.n_epochs)
