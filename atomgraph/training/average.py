"""Exponential moving average (EMA) of the weights, for validation and for the final potential."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atomgraph.errors import ConfigError


class WeightAverage(pl.Callback):
    r"""Average of the weights θ, :math:`\bar\theta \leftarrow d\,\bar\theta + (1-d)\,\theta` after each optimiser step n.

    Validation uses the average, training uses the weights. Checkpoints contain the weights and the average.

    Args:
        decay: Final decay, 0 ≤ decay < 1. The decay of step n is :math:`d = \min(decay, (1+n)/(10+n))`, so that the initial
            weights lose their influence early.

    Raises:
        ConfigError: If the decay is out of range.
    """

    def __init__(self, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ConfigError(f"fit.ema should be at least 0 and below 1, but is {decay}")
        self.decay, self.steps = decay, 0  # steps: number of finished optimiser steps
        self.average: dict[str, Tensor] = {}  # by name of the trainable parameter; empty before training

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.average:
            self.average = {name: parameter.detach().clone() for name, parameter in _trainable(task)}
        else:
            for name, parameter in _trainable(task):
                if self.average[name].shape != parameter.shape:
                    shape = tuple(self.average[name].shape)
                    raise ValueError(f"the average of {name} has the shape {shape}, not {tuple(parameter.shape)}")
            self.average = {name: self.average[name].to(p.device, p.dtype) for name, p in _trainable(task)}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self.steps:  # gradients were accumulated without a step
            return
        self.steps = trainer.global_step
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for _, p in _trainable(task)], 1.0 - decay)

    @torch.no_grad()
    def swap(self, task: pl.LightningModule) -> None:
        """Exchange the weights and their average."""
        for name, parameter in _trainable(task):
            parameter.data, self.average[name] = self.average[name], parameter.data

    def on_validation_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if self.average:
            self.swap(task)

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if self.average:
            self.swap(task)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": dict(self.average)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps, self.average = state_dict["steps"], dict(state_dict["average"])
        if self.steps and not self.average:
            raise ValueError("the average of the weights is missing")


def _trainable(task: pl.LightningModule) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Return the trainable parameters and their names."""
    return ((name, parameter) for name, parameter in task.named_parameters() if parameter.requires_grad)
