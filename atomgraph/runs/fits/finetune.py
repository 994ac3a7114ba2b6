"""Fine-tuning by gradient of all weights, of all weights except frozen groups, or of low-rank changes (LoRA)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from atomgraph.config.finetune_defaults import fit_metadata, parameter_lr_factors, resolve_fit, to_schema
from atomgraph.config.finetune_schema import FinetuneConfig, FrozenGroups, LoRA
from atomgraph.config.schema import Gradient
from atomgraph.data import GraphDataModule, build_graphs
from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError, WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.parameter_groups import parameters_in
from atomgraph.potential import Potential
from atomgraph.runs.builders.build import describe
from atomgraph.runs.builders.existing import ExistingPotentialBuilder
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import assign_head, attach_frame_names
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.fits.lightning_training import LightningTraining, data_module, loss_terms
from atomgraph.runs.folder import MODEL
from atomgraph.runs.resume_check import check_epochs
from atomgraph.runs.run import FitMethod
from atomgraph.training import PotentialTask
from atomgraph.training.adapters import LoRAPotential
from atomgraph.training.checkpoints import BEST, LAST
from atomgraph.training.device import choose_device


class FinetuneFit(FitMethod):
    """Fit method for ``method.kind: full``, ``frozen`` and ``lora``.

    Args:
        context: Folder, console and options of the run.
        config: The configuration.
        builder: Builder of the potential, with starting potential and replayed structures.
    """

    training: LightningTraining

    def __init__(self, context: RunContext, config: FinetuneConfig, builder: ExistingPotentialBuilder):
        self.context, self.config, self.builder = context, config, builder
        self.description = f"fine-tuned, {config.method.kind}" + (" with replay" if config.replay else "")

    def device(self) -> torch.device:
        return choose_device(self.config.fit.accelerator, self.config.fit.devices)

    def check_resumable(self) -> None:
        check_epochs(self.context.folder, LAST, BEST)

    def prepare(self, inputs: FitInputs) -> FitInputs:
        config, potential, graphs = self.config, inputs.potential, inputs.graphs
        if config.fit.precision is not None:
            in_double = str(config.fit.precision) in ("64", "64-true", "double")
            potential.to(torch.float64 if in_double else torch.float32)
        data = self._data_module(potential, graphs)
        n_batches = data.sampler("train").n_batches
        self.n_steps = config.fit.max_epochs * -(
            -n_batches // (config.fit.accumulate_grad_batches * _n_processes(config.fit))
        )
        settings, choices = resolve_fit(config, self.n_steps, potential.model.dtype_name)
        for line in choices:
            self.context.print_line(f"chosen: {line}")
        section = to_schema(settings)
        self.ema = section.ema
        potential.metadata["fit"] = fit_metadata(settings)
        factors = parameter_lr_factors(config.lr_factors, potential.model)
        trained = self._trainable_potential(potential)
        optimizer = settings.optimizer.model_dump() | {"lr_factors": _trained_factors(factors, trained)}
        terms = loss_terms(settings, graphs["train"])
        task = PotentialTask(trained, terms, optimizer, self._head_weights(potential))
        resolved = config.model_copy(update={"fit": section})
        identity = _identity(potential)
        self.training = LightningTraining(self.context, resolved, settings, data, task, identity)
        return replace(inputs, config=resolved)

    def fit(self, inputs: FitInputs) -> dict[str, Any]:
        self.training.run()
        if not self.context.is_main_process:
            return {}
        facts = self._load_best_weights(inputs.potential)
        self.training.print_summary(facts)
        return facts

    def save_interrupted(self, potential: Potential) -> str:
        if self.training.has_checkpoint and self.context.is_main_process:
            potential.metadata["training"] = self._load_best_weights(potential) | {"interrupted": True}
            potential.save(self.context.folder.path / MODEL)
        return self.training.interrupt_message

    def _load_best_weights(self, potential: Potential) -> dict[str, Any]:
        """Set the potential to the best weights; return facts of the training."""
        facts = self.training.load_best_weights()
        trained = self.training.task.potential
        if isinstance(trained, LoRAPotential):
            potential.load_state_dict(trained.merge().state_dict())
        potential.requires_grad_(True)
        potential.head = self.builder.starting.head
        return facts

    def _data_module(self, potential: Potential, graphs: dict[str, list[AtomicGraph]]) -> GraphDataModule:
        """Return the batches of all parts, with replayed structures in the training batches."""
        replay = self.config.replay
        ratio = {} if replay is None else {"ratio": replay.ratio}
        replay_graphs = self._replay_graphs(potential)
        return data_module(
            self.config, self.config.fit, graphs, replay=replay_graphs, n_heads=len(potential.heads), **ratio
        )

    def _replay_graphs(self, potential: Potential) -> list[AtomicGraph]:
        """Build the graphs of replayed structures and record them in the metadata; empty without replay."""
        if self.config.replay is None:
            return []
        graphs = attach_frame_names(build_graphs(self.builder.replay, potential.cutoff), self.builder.replay)
        assign_head(graphs, potential.heads.index(self.builder.starting.source_head))
        potential.metadata["replay"] = {
            "head": self.builder.starting.source_head,
            "structures": len(graphs),
            "weight": self.config.replay.weight,
            "ratio": self.config.replay.ratio,
            "labels": self.config.replay.labels,
            "fingerprint": fingerprint(self.builder.replay),
        }
        self.context.print_line(
            f"replay: the head {self.builder.starting.source_head} is trained on {format_count(len(graphs), 'structure')}, "
            f"{self.config.replay.ratio:.0%} of every batch, weight {self.config.replay.weight:g}"
        )
        return graphs

    def _head_weights(self, potential: Potential) -> list[float] | None:
        """Return the weight of each head in the loss; None without replay."""
        if self.config.replay is None:
            return None
        weights = {self.builder.starting.source_head: self.config.replay.weight}
        return [weights.get(head, 1.0) for head in potential.heads]

    def _trainable_potential(self, potential: Potential) -> Potential | LoRAPotential:
        """Return the potential in which only the weights that the method trains require gradients."""
        method = self.config.method
        if isinstance(method, LoRA):
            adapted = LoRAPotential(
                potential, method.rank, method.alpha, skip_connections=method.skip_connections, products=method.products
            )
            n_trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
            self.context.print_line(
                f"{describe(potential)}; {n_trained} parameters of {len(adapted.first)} adapters are trained"
            )
            return adapted
        if isinstance(method, FrozenGroups):
            freeze(potential, method.groups)
        self.context.print_line(describe(potential))
        return potential


def _identity(potential: Potential) -> dict[str, Any]:
    """Return fingerprints of the data, the starting potential and the replayed structures; a resumed run needs equal values."""
    metadata = potential.metadata
    replay = metadata.get("replay", {}).get("fingerprint")
    return {"data": metadata["data"]["fingerprint"], "start": metadata["origin"]["sha256"], "replay": replay}


def freeze(potential: Potential, groups: Sequence[str]) -> None:
    """Freeze groups of weights.

    Raises:
        ConfigError: If a group is unknown, or all weights would be frozen.
    """
    try:
        names_by_group = parameters_in(potential.model, groups)
    except WiringError as error:
        raise ConfigError(f"method.groups: {error}") from error
    weights = dict(potential.model.named_parameters())
    for names in names_by_group.values():
        for name in names:
            weights[name].requires_grad_(False)
    if not any(weight.requires_grad for weight in weights.values()):
        raise ConfigError(f"method.groups: freezing {', '.join(groups)} freezes all weights; leave a group out")


def _n_processes(fit: Gradient) -> int:
    """Return the number of processes that share an optimiser step; 1 if the configuration has no number."""
    devices = len(fit.devices) if isinstance(fit.devices, list) else fit.devices
    return max(devices, 1) * fit.num_nodes if isinstance(devices, int) else 1


def _trained_factors(factors: dict[str, float], trained: Potential | LoRAPotential) -> dict[str, float]:
    """Return factors on the learning rate of trained parameters, by name in the trained module.

    Args:
        factors: Factors by parameter name in the model.
        trained: The trained module.
    """
    trained_factors = {}
    for name, parameter in trained.named_parameters():
        model_name = trained.adapted_name(name) if isinstance(trained, LoRAPotential) else name.removeprefix("model.")
        if parameter.requires_grad and model_name in factors:
            trained_factors[name] = factors[model_name]
    return trained_factors
