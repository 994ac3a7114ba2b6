"""What all runs share: a folder of their own, graphs, words; and those that begin with a new potential, its making."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atomgraph.config.automatic_radii import asks_for_radii, automatic_radii, with_radii
from atomgraph.config.dataset import Dataset, fitted_labels, gather
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.folder import RunFolder
from atomgraph.config.in_memory import write_structures
from atomgraph.config.loggers import check_loggers
from atomgraph.config.parts import resolved
from atomgraph.config.preparation import calibrate, describe, model_specification, new_potential, set_baseline
from atomgraph.config.resolve import absolute, as_yaml
from atomgraph.config.schema import Config
from atomgraph.config.torchrun import is_first_process
from atomgraph.data.label_weights import require_weight
from atomgraph.errors import ConfigError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.progress import output_console
from atomgraph.training.device import device_of


class Run(ABC):
    """A run of a configuration in a folder; ``carry_out`` is told by the way to fit."""

    command = "train"

    def __init__(
        self,
        config: Config | FinetuneConfig,
        folder: RunFolder,
        *,
        quiet: bool,
        overwrite: bool = False,
        going_on: bool = False,
    ):
        self.config, self.folder = config, folder
        self.overwrite, self.going_on = overwrite, going_on
        self.is_first = is_first_process()
        self.console = output_console(quiet=quiet or not self.is_first)
        check_loggers(config.output.loggers)

    @abstractmethod
    def check_going_on(self) -> None:
        """ConfigError where the run has made progress and has lost what it could go on from."""

    @abstractmethod
    def carry_out(self) -> tuple[Potential, dict[str, Any]]:
        """The potential with its best weights, and its metrics."""

    @abstractmethod
    def _gather(self) -> Dataset:
        """The structures, read and split."""

    @abstractmethod
    def _prepare(self, dataset: Dataset) -> tuple[Potential, dict[str, list[AtomicGraph]]]:
        """The potential before its fit, and the graphs of each part."""

    def _graphs(self, dataset: Dataset, cutoff: float, heads: Sequence[str]) -> dict[str, list[AtomicGraph]]:
        """The graphs of each part, from the cache where they are in it."""
        data = self.config.data
        place = Path(data.cache) if isinstance(data.cache, str) else None
        if data.cache is True:
            place = self.folder.path.parent / ".graphs"
        parts = dataset.split.take(dataset.graphs(cutoff, place, data, heads, self.console.is_terminal))
        require_weight(parts["train"], fitted_labels(self.config.fit))
        return parts

    def _open(self, dataset: Dataset) -> None:
        """From here on the run folder is ours."""
        if self.is_first and not self.going_on:
            config, split = as_yaml(absolute(self.config)), dataset.split.to_json()
            self.folder.claim(config, split, overwrite=self.overwrite)
            write_structures(self.config)

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


class NewPotentialRun(Run):
    """A run whose potential is made for it: the model built and told what the training part says."""

    config: Config

    def _n_fitted(self, potential: Potential) -> int | None:
        """How many of the potential's numbers are fitted; None for all, 0 where that is not known yet."""
        return None

    def _gather(self) -> Dataset:
        return gather(self.config)

    def _prepare(self, dataset: Dataset) -> tuple[Potential, dict[str, list[AtomicGraph]]]:
        config = self.config
        spec = model_specification(config, dataset.elements)
        missing = sorted(set(dataset.elements) - set(spec.get("elements", dataset.elements)))
        if missing:
            raise ConfigError(
                f"model.elements lacks {', '.join(missing)}, which the training structures hold; add them, or say auto"
            )
        radii = None
        if asks_for_radii(spec):
            device = device_of(config.fit.accelerator, 1)
            radii = automatic_radii(config, spec, dataset.parts["train"], device)
            spec, config.model = with_radii(spec, radii.values), with_radii(config.model, radii.values)
            self._say(radii.said)
        potential = new_potential(config, spec)
        config.model = resolved(config.model, dataset.elements)
        parts = self._graphs(dataset, potential.cutoff, potential.heads)
        baseline = set_baseline(potential, config.baseline, parts["train"])
        calibrate(potential, parts["train"])
        files = {part: getattr(config.data, part) for part in ("train", "valid", "test")}
        potential.metadata.update(
            data=dataset.record(files),
            split={"method": dataset.split.method, "seed": dataset.split.seed, "key": dataset.split.key},
            e0_origin=baseline["e0"]["origin"],
            baseline=baseline,
            config=config.model_dump(),
            **({} if radii is None else {"radii": radii.said}),
        )
        self._say(describe(potential, self._n_fitted(potential)))
        return potential, parts
