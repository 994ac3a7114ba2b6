"""Fine-tuning by gradient: all weights, all but frozen groups, or low-rank changes (LoRA), beside replayed structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from atomgraph.config.finetune_defaults import factors_of, facts_of, resolved_fit, to_schema
from atomgraph.config.finetune_schema import FinetuneConfig, Frozen, LoRA
from atomgraph.config.schema import Gradient
from atomgraph.data import GraphDataModule, build_graphs
from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError, WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.parameter_groups import parameters_in
from atomgraph.potential import Potential
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import assign_head, attach_sources
from atomgraph.runs.fits.lightning_training import LightningTraining, data_module, loss_terms
from atomgraph.runs.folder import MODEL
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.resume_check import check_epochs
from atomgraph.runs.run import Fit
from atomgraph.runs.sources.build import describe
from atomgraph.runs.sources.existing import ExistingPotential
from atomgraph.training import PotentialTask
from atomgraph.training.adapters import LoRAPotential
from atomgraph.training.checkpoints import BEST, LAST
from atomgraph.training.device import choose_device


class FinetuneFit(Fit):
    """``method.kind: full``, ``frozen`` and ``lora``."""

    training: LightningTraining

    def __init__(self, context: RunContext, config: FinetuneConfig, source: ExistingPotential):
        self.context, self.config, self.source = context, config, source
        self.description = f"fine-tuned, {config.method.kind}" + (" with replay" if config.replay else "")

    def device(self) -> torch.device:
        return choose_device(self.config.fit.accelerator, self.config.fit.devices)

    def check_resumable(self) -> None:
        check_epochs(self.context.folder, LAST, BEST)

    def prepare(self, prepared: Prepared) -> Prepared:
        config, potential, graphs = self.config, prepared.potential, prepared.graphs
        if config.fit.precision is not None:
            in_double = str(config.fit.precision) in ("64", "64-true", "double")
            potential.to(torch.float64 if in_double else torch.float32)
        data = self._data(potential, graphs)
        n_batches = data.sampler("train").n_batches
        self.n_steps = config.fit.max_epochs * -(
            -n_batches // (config.fit.accumulate_grad_batches * _n_processes(config.fit))
        )
        settings, choices = resolved_fit(config, self.n_steps, potential.model.dtype_name)
        for line in choices:
            self.context.say(f"chosen: {line}")
        section = to_schema(settings)
        self.ema = section.ema
        potential.metadata["fit"] = facts_of(settings)
        factors = factors_of(config.lr_factors, potential.model)
        trained = self._trained(potential)
        optimizer = settings.optimizer.model_dump() | {"lr_factors": _trained_factors(factors, trained)}
        terms = loss_terms(settings, graphs["train"])
        task = PotentialTask(trained, terms, optimizer, self._head_weights(potential))
        resolved = config.model_copy(update={"fit": section})
        identity = _identity(potential)
        self.training = LightningTraining(self.context, resolved, settings, data, task, identity)
        return replace(prepared, config=resolved)

    def fit(self, prepared: Prepared) -> dict[str, Any]:
        self.training.run()
        if not self.context.is_first:
            return {}
        facts = self._take_best(prepared.potential)
        self.training.say_trained(facts)
        return facts

    def save_interrupted(self, potential: Potential) -> str:
        if self.training.has_checkpoint and self.context.is_first:
            potential.metadata["training"] = self._take_best(potential) | {"interrupted": True}
            potential.save(self.context.folder.path / MODEL)
        return self.training.interrupt_message

    def _take_best(self, potential: Potential) -> dict[str, Any]:
        facts = self.training.take_best()
        trained = self.training.task.potential
        if isinstance(trained, LoRAPotential):
            potential.load_state_dict(trained.merge().state_dict())
        potential.requires_grad_(True)
        potential.head = self.source.starting.head
        return facts

    def _data(self, potential: Potential, graphs: dict[str, list[AtomicGraph]]) -> GraphDataModule:
        replay = self.config.replay
        ratio = {} if replay is None else {"ratio": replay.ratio}
        replayed = self._replayed(potential)
        return data_module(self.config, self.config.fit, graphs, replay=replayed, n_heads=len(potential.heads), **ratio)

    def _replayed(self, potential: Potential) -> list[AtomicGraph]:
        if self.config.replay is None:
            return []
        graphs = attach_sources(build_graphs(self.source.replay, potential.cutoff), self.source.replay)
        assign_head(graphs, potential.heads.index(self.source.starting.source))
        potential.metadata["replay"] = {
            "head": self.source.starting.source,
            "structures": len(graphs),
            "weight": self.config.replay.weight,
            "ratio": self.config.replay.ratio,
            "labels": self.config.replay.labels,
            "fingerprint": fingerprint(self.source.replay),
        }
        self.context.say(
            f"replay: the head {self.source.starting.source} is trained on {format_count(len(graphs), 'structure')}, "
            f"{self.config.replay.ratio:.0%} of every batch, weight {self.config.replay.weight:g}"
        )
        return graphs

    def _head_weights(self, potential: Potential) -> list[float] | None:
        if self.config.replay is None:
            return None
        weights = {self.source.starting.source: self.config.replay.weight}
        return [weights.get(head, 1.0) for head in potential.heads]

    def _trained(self, potential: Potential) -> Potential | LoRAPotential:
        """The potential in which only the weights of the method require gradients."""
        method = self.config.method
        if isinstance(method, LoRA):
            adapted = LoRAPotential(
                potential, method.rank, method.alpha, skip_connections=method.skip_connections, products=method.products
            )
            n = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
            self.context.say(f"{describe(potential)}; {n} numbers of {len(adapted.first)} adapters are trained")
            return adapted
        if isinstance(method, Frozen):
            freeze(potential, method.groups)
        self.context.say(describe(potential))
        return potential


def _identity(potential: Potential) -> dict[str, Any]:
    """Facts that must be equal for a run to resume."""
    facts = potential.metadata
    replay = facts.get("replay", {}).get("fingerprint")
    return {"data": facts["data"]["fingerprint"], "start": facts["origin"]["sha256"], "replay": replay}


def freeze(potential: Potential, groups: Sequence[str]) -> None:
    """Freeze groups of weights; ConfigError for unknown groups, or if no weight is left to train."""
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
    """Number of processes that share an optimiser step, if the configuration gives it; else 1."""
    devices = len(fit.devices) if isinstance(fit.devices, list) else fit.devices
    return max(devices, 1) * fit.num_nodes if isinstance(devices, int) else 1


def _trained_factors(factors: dict[str, float], trained: Potential | LoRAPotential) -> dict[str, float]:
    """Factors on the learning rate, by parameter names of the trained module."""
    selected = {}
    for name, parameter in trained.named_parameters():
        model_name = trained.adapted_name(name) if isinstance(trained, LoRAPotential) else name.removeprefix("model.")
        if parameter.requires_grad and model_name in factors:
            selected[name] = factors[model_name]
    return selected
