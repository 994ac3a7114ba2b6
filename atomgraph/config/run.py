"""The run: data to trained potential, in the order in which things must happen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from atomgraph.config.dataset import Dataset, gather
from atomgraph.config.ending import judge, metrics_of, take_best, write_down
from atomgraph.config.folder import CONFIG, MODEL, TABLE, RunFolder, run_to_resume
from atomgraph.config.loggers import check_loggers, make_loggers
from atomgraph.config.parts import resolved
from atomgraph.config.preparation import calibrate, describe, model_specification, new_potential, set_baseline
from atomgraph.config.resolve import absolute, as_yaml, config_of
from atomgraph.config.schema import Config, Gradient
from atomgraph.config.schema import Ramp as RampConfig
from atomgraph.data import GraphDataModule
from atomgraph.errors import ConfigError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
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
from atomgraph.training.dry_run import dry_run
from atomgraph.training.fit import device_of
from atomgraph.training.progress import TrainingProgress, duration
from atomgraph.training.randomness import seeded
from atomgraph.training.table import MetricsTable


def train(
    config: Config | Mapping[str, Any] | str | Path, *, overwrite: bool = False, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Train a potential as a configuration says, in a new run folder.

    config: a mapping, a YAML file, or a validated ``Config``.  overwrite: replace an earlier run in the folder.
    quiet: say nothing.
    Returns the potential with its best weights, and its metrics (errors with their units, facts of the run).
    Raises ConfigError and DataError before anything is written, TrainingError for a loss that is not finite,
    KeyboardInterrupt after Ctrl-C, with the best weights so far in the run folder.
    """
    checked = config_of(config)
    folder = RunFolder(Path(checked.output.folder))
    if getattr(rank_zero_only, "rank", 0) == 0:
        folder.check_free(overwrite=overwrite)
    return _Run(checked, folder, quiet=quiet, overwrite=overwrite).carry_out()


def resume(
    folder: str | Path, overrides: Iterable[str] = (), *, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Go on with a run that was stopped, exactly as if it had not been.

    overrides: ``fit.max_epochs=200`` and the like; what was fitted so far must stay what it is, so only keys of ``fit``.
    Raises ConfigError where there is no run, or its data are other ones now.
    """
    run = run_to_resume(folder)
    words = list(overrides)
    strange = [word for word in words if not word.startswith("fit.")]
    if strange:
        raise ConfigError(f"a run that goes on can change keys of fit only, not {strange[0].partition('=')[0]}")
    if any(word.startswith("fit.optimizer.kind=") for word in words):
        raise ConfigError(
            "fit.optimizer.kind: a run goes on with the optimiser that it has; start another run for another"
        )
    config = config_of(run.path / CONFIG, words)
    config.output.folder = str(run.path)
    return _Run(config, run, quiet=quiet, going_on=True).carry_out()


class _Run:
    def __init__(
        self, config: Config, folder: RunFolder, *, quiet: bool, overwrite: bool = False, going_on: bool = False
    ):
        self.config, self.folder = config, folder
        self.overwrite, self.going_on = overwrite, going_on
        self.is_first = getattr(rank_zero_only, "rank", 0) == 0
        self.console = Console(highlight=False, quiet=quiet or not self.is_first)
        check_loggers(config.output.loggers)

    def carry_out(self) -> tuple[Potential, dict[str, Any]]:
        config = self.config
        device = device_of(config.fit.accelerator, config.fit.devices)
        with seeded(config.seed):
            dataset = gather(config)
            self.console.print(dataset.census)
            potential, graphs = self._prepare(dataset)
            data, task = self._task(potential, graphs)
            checkpoints, trainer = self._trainer(data, potential)
            if self.is_first:  # the others would crowd into the memory of the same device
                self._say(str(dry_run(task, data.dry_run(), device)))
            self._open(dataset)
            try:
                fit(trainer, task, data, resume=checkpoints.last_path if self._has_begun(checkpoints) else None)
                return potential, self._end(potential, dataset, device) if self.is_first else {}
            except KeyboardInterrupt:
                raise KeyboardInterrupt(self._save_interrupted(potential, checkpoints)) from None

    def _end(self, potential: Potential, dataset: Dataset, device: torch.device) -> dict[str, Any]:
        """The best weights, what they are worth, and all of it written down."""
        facts = take_best(potential, self.folder)
        self._say(
            f"trained {facts['epochs']} epochs in {duration(facts['seconds'])}; the weights of epoch "
            f"{facts['best_epoch']} are kept"
        )
        comparisons = judge(potential, dataset, device)
        metrics = metrics_of(comparisons, facts)
        write_down(potential, self.config, self.folder, comparisons, metrics, self.console)
        return metrics

    def _prepare(self, dataset: Dataset) -> tuple[Potential, dict[str, list[AtomicGraph]]]:
        config = self.config
        spec = model_specification(config, dataset.elements)
        missing = sorted(set(dataset.elements) - set(spec.get("elements", dataset.elements)))
        if missing:
            raise ConfigError(f"model.elements lacks {', '.join(missing)}, which the training structures hold")
        potential = new_potential(config, spec)
        config.model = resolved(config.model, dataset.elements)
        cache = config.data.cache
        place = Path(cache) if isinstance(cache, str) else self.folder.path.parent / ".graphs" if cache else None
        graphs = dataset.graphs(potential.cutoff, place, config.data.weights, potential.heads, self.console.is_terminal)
        parts = dataset.split.take(graphs)
        baseline = set_baseline(potential, config.baseline, parts["train"])
        calibrate(potential, parts["train"])
        files = {part: getattr(config.data, part) for part in ("train", "valid", "test")}
        potential.metadata.update(
            data=dataset.record(files),
            split={"method": dataset.split.method, "seed": dataset.split.seed, "key": dataset.split.key},
            e0_origin=baseline["e0"]["origin"],
            baseline=baseline,
            config=config.model_dump(),
        )
        self._say(describe(potential))
        return potential, parts

    def _task(
        self, potential: Potential, graphs: dict[str, list[AtomicGraph]]
    ) -> tuple[GraphDataModule, PotentialTask]:
        config = self.config
        data = GraphDataModule(
            **graphs,
            edge_budget=config.data.edge_budget,
            atom_budget=config.data.atom_budget,
            seed=config.seed,
            num_workers=config.data.num_workers,
            pin_memory=device_of(config.fit.accelerator, config.fit.devices).type == "cuda",
        )
        return data, PotentialTask(potential, terms_of(config.fit), config.fit.optimizer.model_dump())

    def _trainer(self, data: GraphDataModule, potential: Potential) -> tuple[Checkpoints, Trainer]:
        chosen, path = self.config.fit, self.folder.path
        checkpoints = Checkpoints(
            self.folder.checkpoints,
            monitor=chosen.monitor,
            patience=chosen.patience,
            identity={"data": potential.metadata["data"]["fingerprint"]},
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

    def _has_begun(self, checkpoints: Checkpoints) -> bool:
        return self.going_on and checkpoints.last_path.is_file()

    def _open(self, dataset: Dataset) -> None:
        """From here on the run folder is ours."""
        if self.is_first and not self.going_on:
            config, split = as_yaml(absolute(self.config)), dataset.split.to_json()
            self.folder.claim(config, split, overwrite=self.overwrite)

    def _save_interrupted(self, potential: Potential, checkpoints: Checkpoints) -> str:
        if not checkpoints.last_path.is_file():
            return "before the first epoch; nothing is saved"
        if self.is_first:
            facts = take_best(potential, self.folder)
            potential.metadata["training"] = facts | {"interrupted": True}
            potential.save(self.folder.path / MODEL)
        return f"all whole epochs are saved; go on with: atomgraph train --resume {self.folder.path}"

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


def terms_of(chosen: Gradient) -> list[Term]:
    """The terms of the loss that a configuration describes."""
    terms = []
    for term in chosen.terms:
        weight = Ramp(**term.weight.model_dump()) if isinstance(term.weight, RampConfig) else term.weight
        terms.append(Term(term.property, term.loss, weight, term.metric, term.delta))
    return terms
