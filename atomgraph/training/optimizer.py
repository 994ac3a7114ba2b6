"""Which optimiser, on which weights: biases and frozen numbers do not decay."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from atomgraph.errors import ConfigError, nearest

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    name: cls
    for name, cls in vars(torch.optim).items()
    if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer
}


def make_optimizer(
    module: torch.nn.Module,
    *,
    kind: str = "Adam",
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    factors: Mapping[str, float] | None = None,
    **options: Any,
) -> torch.optim.Optimizer:
    """An optimiser of ``torch.optim`` over the trainable parameters of a module.

    Args:
        kind: ``Adam``, ``AdamW``, ...
        lr: The peak learning rate.
        weight_decay: On matrices; biases, single numbers and frozen parameters have none.
        factors: On the rate, by the names of parameters; 1 for those not named.
        options: Further arguments of that optimiser.

    Raises:
        ConfigError: For an unknown kind or option, or if nothing can be trained.
    """
    known = check_optimizer(kind=kind, lr=lr, weight_decay=weight_decay, **options)
    alike: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_bias = "bias" in name.rpartition(".")[2] or parameter.ndim < 2
            alike.setdefault(((factors or {}).get(name, 1.0), not is_bias), []).append(parameter)
    if not alike:
        raise ConfigError("the model has no trainable parameter; gradient training has nothing to do")
    groups: list[dict[str, Any]] = []
    for (factor, decays), parameters in sorted(alike.items(), key=lambda item: item[0], reverse=True):
        group = {"params": parameters, "lr": lr * factor}
        groups.append(group | ({"weight_decay": weight_decay * decays} if "weight_decay" in known else {}))
    return OPTIMIZERS[kind](groups, lr=lr, **options)  # type: ignore[call-arg]


def check_optimizer(*, kind: str, lr: float = 1e-3, weight_decay: float = 0.0, **options: Any) -> list[str]:
    """The arguments that an optimiser knows; ConfigError for an unknown kind, option, or a rate that is not positive."""
    if kind not in OPTIMIZERS:
        raise ConfigError(f"fit.optimizer.kind: no optimiser {kind!r}{nearest(kind, OPTIMIZERS)}")
    if not lr > 0:
        raise ConfigError(f"fit.optimizer.lr should be more than 0, but is {lr}")
    known = list(inspect.signature(OPTIMIZERS[kind]).parameters)[1:]
    for name in [*options, *(["weight_decay"] if weight_decay else [])]:
        if name not in known:
            raise ConfigError(f"fit.optimizer.{name}: unknown key{_advice(name, known)}")
    return known


def _advice(name: str, known: list[str]) -> str:
    """Names of the learning rate and the decay in other programs, or the nearest name here."""
    same = {"learning_rate": "lr", "max_lr": "lr", "wd": "weight_decay", "decay": "weight_decay"}.get(name.lower())
    return f"; here that is {same}" if same in known else nearest(name, known)
