"""Construction of the optimiser, with parameter groups for learning rates and weight decay."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from atomgraph.errors import ConfigError, nearest
from atomgraph.old_names import with_old_arguments

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    name: cls
    for name, cls in vars(torch.optim).items()
    if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer
}


@with_old_arguments
def make_optimizer(
    module: torch.nn.Module,
    *,
    kind: str = "Adam",
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    lr_factors: Mapping[str, float] | None = None,
    **options: Any,
) -> torch.optim.Optimizer:
    """Return an optimiser of ``torch.optim`` for the trainable parameters of a module.

    Args:
        module: Module with the parameters.
        kind: Name of the optimiser, such as ``Adam`` or ``AdamW``.
        lr: Peak learning rate, dimensionless.
        weight_decay: Weight decay of matrices; biases and single numbers have none.
        lr_factors: Factors on the learning rate, by parameter name; other parameters have the factor 1. None: no factors.
        options: Further arguments of the optimiser.

    Raises:
        ConfigError: If the kind or an option is unknown, or no parameter is trainable.
    """
    arguments = check_optimizer(kind=kind, lr=lr, weight_decay=weight_decay, **options)
    parameters_by_setting: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_bias = "bias" in name.rpartition(".")[2] or parameter.ndim < 2
            factor = (lr_factors or {}).get(name, 1.0)
            parameters_by_setting.setdefault((factor, not is_bias), []).append(parameter)
    if not parameters_by_setting:
        raise ConfigError("the model has no trainable parameter, so gradient training is not possible")
    groups: list[dict[str, Any]] = []
    for (factor, has_decay), parameters in sorted(
        parameters_by_setting.items(), key=lambda item: item[0], reverse=True
    ):
        group = {"params": parameters, "lr": lr * factor}
        groups.append(group | ({"weight_decay": weight_decay * has_decay} if "weight_decay" in arguments else {}))
    return OPTIMIZERS[kind](groups, lr=lr, **options)  # type: ignore[call-arg]


def check_optimizer(*, kind: str, lr: float = 1e-3, weight_decay: float = 0.0, **options: Any) -> list[str]:
    """Check the settings of an optimiser, and return the names of its arguments.

    Raises:
        ConfigError: If the kind or an option is unknown, or the learning rate is not positive.
    """
    if kind not in OPTIMIZERS:
        raise ConfigError(f"fit.optimizer.kind: no optimiser {kind!r}{nearest(kind, OPTIMIZERS)}")
    if not lr > 0:
        raise ConfigError(f"fit.optimizer.lr should be more than 0, but is {lr}")
    arguments = list(inspect.signature(OPTIMIZERS[kind]).parameters)[1:]
    for name in [*options, *(["weight_decay"] if weight_decay else [])]:
        if name not in arguments:
            raise ConfigError(f"fit.optimizer.{name}: unknown key{_advice(name, arguments)}")
    return arguments


def _advice(name: str, arguments: list[str]) -> str:
    """Return advice for an unknown option: the equivalent of a name of other programs, or the most similar argument."""
    equivalent = {"learning_rate": "lr", "max_lr": "lr", "wd": "weight_decay", "decay": "weight_decay"}.get(
        name.lower()
    )
    return f"; here that is {equivalent}" if equivalent in arguments else nearest(name, arguments)
