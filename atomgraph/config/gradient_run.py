"""A run by gradient: Lightning's epochs, and the best weights at their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.report.page import Section
from atomgraph.config.base_run import NewPotentialRun, Run
from atomgraph.config.closed_form_run import solve
from atomgraph.config.dataset import Dataset
from atomgraph.config.ending import judge, metrics_of, write_down
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.folder import MODEL, TABLE, RunFolder
from atomgraph.config.linear_hint import closed_form_hint
from atomgraph.config.loggers import make_loggers
from atomgraph.config.resumption import check_epochs
from atomgraph.config.schema import Config, Gradient
from atomgraph.config.schema import Ramp as RampConfig
from atomgraph.data import GraphDataModule
from atomgraph.data.frame_names import number_of
from atomgraph.fitting import FittingError
from atomgraph.fitting.energy_start import start_at_mean_energy
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.progress import duration
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
from atomgraph.training.device import device_of
from atomgraph.training.dry_run import dry_run
from atomgraph.training.epoch_progress import TrainingProgress
from atomgraph.training.metrics_table import MetricsTable
from atomgraph.training.randomness import seeded


class GradientRun(Run):
    """Training by gradient, from the weights that ``_prepare`` gives or, with ``fit.start``, solved for."""

    how = "trained by gradient"

    def __init__(self, config: Config | FinetuneConfig, fit: Gradient, folder: RunFolder, **words: bool):
        super().__init__(config, folder, **words)
        self.fit = fit

    def check_going_on(self) -> None:
        check_epochs(self.folder, LAST, BEST)

    def carry_out(self) -> tuple[Potential, dict[str, Any]]:
        config = self.config
        device = device_of(self.fit.accelerator, self.fit.devices)
        with seeded(config.seed):
            dataset = self._gather()
            self.console.print(dataset.census, crop=False)
            potential, graphs = self._prepare(dataset)
            if not self.going_on:
                self._set_first_weights(potential, graphs["train"], dataset, device)
            data, task = self._task(potential, graphs)
            for line in late_ramps(self.fit):
                self._say(f"warning: {line}")
            checkpoints, trainer = self._trainer(data, potential)
            if self.is_first:  # the others would crowd into the memory of the same device
                self._say(str(dry_run(task, data.dry_run(), device)))
            self._open(dataset)
            try:
                fit(trainer, task, data, resume=checkpoints.last_path if self._has_begun(checkpoints) else None)
                return potential, self._end(task, potential, dataset, device) if self.is_first else {}
            except KeyboardInterrupt:
                raise KeyboardInterrupt(self._save_interrupted(task, potential, checkpoints)) from None

    def _end(self, task: PotentialTask, potential: Potential, dataset: Dataset, device: torch.device) -> dict[str, Any]:
        """The best weights, what they are worth, and all of it written down."""
        facts = self._take_best(task, potential)
        self._say(
            f"trained {number_of(facts['epochs'], 'epoch')} in {duration(facts['seconds'])}; the weights of epoch "
            f"{facts['best_epoch']} are kept"
        )
        comparisons = judge(potential, dataset, device)
        metrics = metrics_of(comparisons, facts)
        more = partial(self._sections, potential, dataset, comparisons, device)
        write_down(potential, self.config, self.folder, comparisons, metrics, self.console, device, self.how, more)
        return metrics

    def _sections(
        self, potential: Potential, dataset: Dataset, comparisons: Mapping[str, Comparison], device: torch.device
    ) -> Sequence[Section]:
        """What the report says beside errors, learning and settings."""
        return ()

    def _take_best(self, task: PotentialTask, potential: Potential) -> dict[str, Any]:
        """Give the potential the best weights; facts of the training."""
        return take_best(task.potential, self.folder)

    def _set_first_weights(
        self, potential: Potential, graphs: list[AtomicGraph], dataset: Dataset, device: torch.device
    ) -> None:
        """First weights of linear readouts from a fit in closed form, if the configuration has one (``fit.start``)."""
        if self.fit.start is None:
            return
        dtype = potential.model.dtype
        potential.to(torch.float64)
        solution = solve(potential, graphs, dataset.parts["train"], self.fit.start, device, self.console)
        potential.cpu().to(dtype)
        potential.metadata["start"] = solution.facts

    def _task(
        self, potential: Potential, graphs: dict[str, list[AtomicGraph]]
    ) -> tuple[GraphDataModule, PotentialTask]:
        return self._data(graphs), PotentialTask(
            potential, terms_of(self.fit, graphs["train"]), self.fit.optimizer.model_dump()
        )

    def _data(self, graphs: dict[str, list[AtomicGraph]], **replay: Any) -> GraphDataModule:
        """The loaders of the parts.  replay: what ``GraphDataModule`` takes for structures that go along."""
        data = self.config.data
        return GraphDataModule(
            graphs["train"],
            graphs["valid"],
            graphs["test"],
            edge_budget=data.edge_budget,
            atom_budget=data.atom_budget,
            seed=self.config.seed,
            num_workers=data.num_workers,
            pin_memory=device_of(self.fit.accelerator, self.fit.devices).type == "cuda",
            **replay,
        )

    def _trainer(self, data: GraphDataModule, potential: Potential) -> tuple[Checkpoints, Trainer]:
        chosen, path = self.fit, self.folder.path
        checkpoints = Checkpoints(
            self.folder.checkpoints,
            monitor=chosen.monitor,
            patience=chosen.patience,
            identity=self._identity(potential),
        )
        callbacks: list[Callback] = [
            LearningRate([Phase(**p.model_dump()) for p in chosen.schedule], chosen.max_epochs)
        ]
        callbacks += [WeightAverage(chosen.ema)] if chosen.ema is not None else []
        callbacks += [MetricsTable(path / TABLE), TrainingProgress(self.console)]
        return checkpoints, make_trainer(
            checkpoints,
            callbacks,
            max_epochs=chosen.max_epochs,
            check_val_every_n_epoch=chosen.valid_every,
            limit_val_batches=1.0 if data.parts["valid"] else 0,
            gradient_clip_val=chosen.gradient_clip,
            accumulate_grad_batches=chosen.accumulate,
            accelerator=chosen.accelerator,
            devices=chosen.devices,
            num_nodes=chosen.num_nodes,
            strategy=chosen.strategy,
            precision=chosen.precision,
            deterministic=chosen.deterministic or None,
            logger=make_loggers(self.config.output.loggers, path, self.config.model_dump()) or False,
        )

    def _identity(self, potential: Potential) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {"data": potential.metadata["data"]["fingerprint"]}

    def _has_begun(self, checkpoints: Checkpoints) -> bool:
        return self.going_on and checkpoints.last_path.is_file()

    def _save_interrupted(self, task: PotentialTask, potential: Potential, checkpoints: Checkpoints) -> str:
        if not checkpoints.last_path.is_file():
            return "before the first epoch; nothing is saved"
        if self.is_first:
            facts = self._take_best(task, potential)
            potential.metadata["training"] = facts | {"interrupted": True}
            potential.save(self.folder.path / MODEL)
        return f"all whole epochs are saved; go on with: atomgraph {self.command} --resume {self.folder.path}"


class TrainingRun(NewPotentialRun, GradientRun):
    """Training by gradient of a potential that is made for it."""

    def _prepare(self, dataset: Dataset) -> tuple[Potential, dict[str, list[AtomicGraph]]]:
        potential, graphs = super()._prepare(dataset)
        if self.fit.start is None and (hint := closed_form_hint(potential)):
            self._say(hint)
        return potential, graphs

    def _set_first_weights(
        self, potential: Potential, graphs: list[AtomicGraph], dataset: Dataset, device: torch.device
    ) -> None:
        """Also start at the mean energy of the data where E0 does not contain it, as energies of isolated atoms do not."""
        super()._set_first_weights(potential, graphs, dataset, device)
        if (
            self.fit.start is not None
            or self.config.baseline.e0 == "least_squares"
            or self.config.baseline.shift != "none"
        ):
            return
        try:
            start = start_at_mean_energy(potential, graphs)
        except FittingError as error:
            self._say(f"first weights: random, the mean energy is left to training: {error}")
            return
        potential.metadata["energy_start"] = asdict(start)
        self._say(start.describe())


def take_best(trained: torch.nn.Module, folder: RunFolder) -> dict[str, Any]:
    """Give what was trained the best weights of the checkpoints (averaged where there is an average); of which epoch."""
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


def late_ramps(chosen: Gradient) -> Iterator[str]:
    """A line for each weight that would begin to change after the last epoch, or end after it."""
    epochs = chosen.max_epochs
    for term in chosen.terms:
        ramp = term.weight
        if not isinstance(ramp, RampConfig) or ramp.start == ramp.end:
            continue
        weight, end = f"fit.terms: the weight of {term.property}", ramp.from_epoch + ramp.over
        if ramp.from_epoch >= epochs:
            yield f"{weight} begins to change at epoch {ramp.from_epoch}, but there are {epochs}; it stays {ramp.start:g}"
        elif end > epochs:
            yield f"{weight} ends at epoch {end}, after the last of {epochs}"


def terms_of(chosen: Gradient, graphs: Sequence[AtomicGraph]) -> list[Term]:
    """The terms of the loss that a configuration describes, without those ``if_labelled`` whose label no graph has."""
    terms = []
    for term in chosen.terms:
        if term.if_labelled and not any(bool(graph[f"{term.property}_mask"].any()) for graph in graphs):
            continue
        weight = Ramp(**term.weight.model_dump()) if isinstance(term.weight, RampConfig) else term.weight
        terms.append(Term(term.property, term.loss, weight, term.metric, term.delta))
    return terms
