"""Defaults of fine-tuning that depend on the method and the number of steps: learning rate, decay of averages, schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atomgraph.config.finetune_schema import FinetuneConfig, FinetuneGradient
from atomgraph.config.schema import Gradient
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError, WiringError
from atomgraph.models.energy import EnergyModel
from atomgraph.models.parameter_groups import parameter_groups, parameters_in
from atomgraph.old_names import old_names_of

LEARNING_RATES = {"full": 1e-4, "frozen": 1e-4, "lora": 1e-3}  # peak learning rate by kind of method
WARM_UP_FRACTION = 0.05  # fraction of the epochs with increasing learning rate
AVERAGED_FRACTION = 0.05  # fraction of the steps over which weights are averaged
MIN_DECAY, MAX_DECAY = 0.9, 0.9999  # limits of the decay factor of the average


def resolve_fit(config: FinetuneConfig, n_steps: int, dtype: str) -> tuple[Gradient, list[str]]:
    """Return the section ``fit`` with a chosen value for each null, and a line of text for each chosen value.

    Args:
        config: The configuration.
        n_steps: Number of optimiser steps of the run.
        dtype: Dtype of the starting potential, ``float32`` or ``float64``.
    """
    fit, lines = config.fit, []
    plain_fit = fit.model_dump()
    if fit.optimizer.lr is None:
        plain_fit["optimizer"]["lr"] = LEARNING_RATES[config.method.kind]
        lines.append(f"learning rate {LEARNING_RATES[config.method.kind]:g} for {config.method.kind}")
    if fit.schedule is None:
        warm_up = WARM_UP_FRACTION * fit.max_epochs
        plain_fit["schedule"] = [{"kind": "warmup", "epochs": warm_up}, {"kind": "cosine"}]
        lines.append(f"{warm_up:g} {'epoch' if warm_up == 1 else 'epochs'} of warm-up, then cosine")
    if fit.ema is None:
        plain_fit["ema"] = ema_decay(n_steps)
        lines.append(f"average of weights with decay {plain_fit['ema']:.4g} for {format_count(n_steps, 'step')}")
    plain_fit["ema"] = plain_fit["ema"] or None
    if fit.precision is None:
        plain_fit["precision"] = "64-true" if dtype == "float64" else "32-true"
    return Gradient.model_validate(plain_fit), lines


def ema_decay(n_steps: int) -> float:
    """Return the decay factor of a moving average of weights over 5 % of the steps, between 0.9 and 0.9999."""
    return round(min(max(1.0 - 1.0 / max(AVERAGED_FRACTION * n_steps, 1.0), MIN_DECAY), MAX_DECAY), 6)


def to_schema(fit: Gradient) -> FinetuneGradient:
    """Return the resolved fit in the form of the section ``fit`` of a fine-tuning configuration."""
    plain_fit = fit.model_dump()
    plain_fit["ema"] = plain_fit["ema"] or 0.0
    return FinetuneGradient.model_validate(plain_fit)


def parameter_lr_factors(lr_factors: Mapping[str, float], model: EnergyModel) -> dict[str, float]:
    """Return factors on the learning rate by parameter name; parameters with factor 1 can be absent.

    Args:
        lr_factors: Factors by group or layer, or ``decay``, a factor for each layer below the readouts. If a parameter is in
            two groups, its factors are multiplied.
        model: The model with the parameters.

    Raises:
        ConfigError: If a name is unknown, a factor is not positive, or ``decay`` is given together with other names.
    """
    for name, factor in lr_factors.items():
        if not factor > 0:
            raise ConfigError(
                f"lr_factors.{name} should be more than 0, but is {factor}; use method: {{kind: frozen}} to freeze a group"
            )
    if "decay" in lr_factors:
        if len(lr_factors) > 1:
            raise ConfigError(
                "lr_factors: decay cannot be combined with other names, but there are "
                f"{', '.join(set(lr_factors) - {'decay'})}"
            )
        groups = parameter_groups(model)
        max_depth = max(group.depth for group in groups.values())
        return {name: lr_factors["decay"] ** (max_depth - group.depth) for name, group in groups.items()}
    factors: dict[str, float] = {}
    try:
        for group, names in parameters_in(model, lr_factors).items():
            for name in names:
                factors[name] = factors.get(name, 1.0) * lr_factors[group]
    except WiringError as error:
        raise ConfigError(f"lr_factors: {error}") from error
    return factors


def fit_metadata(fit: Gradient) -> dict[str, Any]:
    """Return the entries of the fit for the metadata of the potential."""
    return {"lr": fit.optimizer.lr, "ema": fit.ema, "max_epochs": fit.max_epochs}


__getattr__ = old_names_of(__name__)
