"""Fine-tuning by gradient: a starting potential, edited; some of its weights trained on the target, beside a replay set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from atomgraph.config.dataset import Dataset, called
from atomgraph.config.finetune_defaults import factors_of, facts_of, resolved_fit, written
from atomgraph.config.finetune_schema import FinetuneConfig, Frozen, LoRA
from atomgraph.config.folder import RunFolder
from atomgraph.config.gradient_run import GradientRun, take_best, terms_of
from atomgraph.config.preparation import describe
from atomgraph.config.schema import Gradient
from atomgraph.config.started_run import StartedRun, assign_head
from atomgraph.data import GraphDataModule, build_graphs
from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.frame_names import number_of
from atomgraph.errors import ConfigError, WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.parameter_groups import parameters_in
from atomgraph.potential import Potential
from atomgraph.training import PotentialTask
from atomgraph.training.adapters import LoRAPotential


class FinetuneRun(StartedRun, GradientRun):
    """Fine-tuning by gradient."""

    def __init__(self, config: FinetuneConfig, folder: RunFolder, **words: bool):
        GradientRun.__init__(self, config, config.fit, folder, **words)
        self.how = f"fine-tuned, {config.method.kind}" + (" with replay" if config.replay else "")

    def _prepare(self, dataset: Dataset) -> tuple[Potential, dict[str, list[AtomicGraph]]]:
        potential, parts = super()._prepare(dataset)
        fit = self.fit
        if fit.precision is not None:
            potential.to(torch.float64 if str(fit.precision) in ("64", "64-true", "double") else torch.float32)
        return potential, parts

    def _identity(self, potential: Potential) -> dict[str, Any]:
        told = potential.metadata
        replay = told.get("replay", {}).get("fingerprint")
        return super()._identity(potential) | {"start": told["origin"]["sha256"], "replay": replay}

    def _task(
        self, potential: Potential, graphs: dict[str, list[AtomicGraph]]
    ) -> tuple[GraphDataModule, PotentialTask]:
        config = self.config
        ratio = {} if config.replay is None else {"ratio": config.replay.ratio}
        data = self._data(graphs, replay=self._replayed(potential), n_heads=len(potential.heads), **ratio)
        a_step = self.fit.accumulate * _n_processes(self.fit)
        self.n_steps = n_steps = self.fit.max_epochs * -(-data.sampler("train").n_batches // a_step)
        self.fit, chosen = resolved_fit(config, n_steps, potential.model.dtype_name)
        config.fit = written(self.fit)
        for line in chosen:
            self._say(f"chosen: {line}")
        potential.metadata["fit"] = facts_of(self.fit)
        factors = factors_of(config.rates, potential.model)
        trained = self._trained(potential)
        optimizer = self.fit.optimizer.model_dump() | {"factors": _of_trained(factors, trained)}
        return data, PotentialTask(
            trained, terms_of(self.fit, graphs["train"]), optimizer, self._head_weights(potential)
        )

    def _replayed(self, potential: Potential) -> list[AtomicGraph]:
        if self.config.replay is None:
            return []
        graphs = called(build_graphs(self.replay, potential.cutoff), self.replay)
        assign_head(graphs, potential.heads.index(self.beginning.source))
        potential.metadata["replay"] = {
            "head": self.beginning.source,
            "structures": len(graphs),
            "weight": self.config.replay.weight,
            "ratio": self.config.replay.ratio,
            "labels": self.config.replay.labels,
            "fingerprint": fingerprint(self.replay),
        }
        self._say(
            f"replay: the head {self.beginning.source} is trained on {number_of(len(graphs), 'structure')}, "
            f"{self.config.replay.ratio:.0%} of every batch, weight {self.config.replay.weight:g}"
        )
        return graphs

    def _head_weights(self, potential: Potential) -> list[float] | None:
        if self.config.replay is None:
            return None
        weights = {self.beginning.source: self.config.replay.weight}
        return [weights.get(head, 1.0) for head in potential.heads]

    def _trained(self, potential: Potential) -> Potential | LoRAPotential:
        """The potential with the method's weights ready to be trained, and no others."""
        method = self.config.method
        if isinstance(method, LoRA):
            adapted = LoRAPotential(potential, method.rank, method.alpha, skips=method.skips, products=method.products)
            n = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
            self._say(f"{describe(potential)}; {n} numbers of {len(adapted.first)} adapters are trained")
            return adapted
        if isinstance(method, Frozen):
            freeze(potential, method.groups)
        self._say(describe(potential))
        return potential

    def _take_best(self, task: PotentialTask, potential: Potential) -> dict[str, Any]:
        facts = take_best(task.potential, self.folder)
        if isinstance(task.potential, LoRAPotential):
            potential.load_state_dict(task.potential.merged().state_dict())
        potential.requires_grad_(True)
        potential.head = self.beginning.head
        return facts


def freeze(potential: Potential, groups: Sequence[str]) -> None:
    """Take groups of weights out of training; ConfigError for unknown ones, or where nothing is left to train."""
    try:
        chosen = parameters_in(potential.model, groups)
    except WiringError as error:
        raise ConfigError(f"method.groups: {error}") from error
    weights = dict(potential.model.named_parameters())
    for names in chosen.values():
        for name in names:
            weights[name].requires_grad_(False)
    if not any(weight.requires_grad for weight in weights.values()):
        raise ConfigError(f"method.groups: with {', '.join(groups)} frozen there is nothing left to train")


def _n_processes(fit: Gradient) -> int:
    """How many processes share an optimiser step, as far as the configuration says it."""
    devices = len(fit.devices) if isinstance(fit.devices, list) else fit.devices
    return max(devices, 1) * fit.num_nodes if isinstance(devices, int) else 1


def _of_trained(factors: dict[str, float], trained: Potential | LoRAPotential) -> dict[str, float]:
    """Factors by the names that the trained module has for its parameters."""
    found = {}
    for name, parameter in trained.named_parameters():
        of_model = trained.adapted(name) if isinstance(trained, LoRAPotential) else name.removeprefix("model.")
        if parameter.requires_grad and of_model in factors:
            found[name] = factors[of_model]
    return found
