"""Defaults of fine-tuning that depend on method and length of the run: learning rate, average of weights, schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atomgraph.config.finetune_schema import FinetuneConfig, Tuning
from atomgraph.config.schema import Gradient
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError, WiringError
from atomgraph.models.energy import EnergyModel
from atomgraph.models.parameter_groups import parameter_groups, parameters_in
from atomgraph.old_names import old_names_of

RATES = {"full": 1e-4, "frozen": 1e-4, "lora": 1e-3}
WARM_UP = 0.05  # of the run
HORIZON = 0.05  # of the run, over which weights are averaged
LEAST, MOST = 0.9, 0.9999


def resolved_fit(config: FinetuneConfig, n_steps: int, dtype: str) -> tuple[Gradient, list[str]]:
    """The section ``fit`` without nulls, and a line for each value that was chosen.

    Args:
        config: The configuration.
        n_steps: Optimiser steps of the whole run.
        dtype: Dtype of the starting potential, ``float32`` or ``float64``.
    """
    fit, chosen = config.fit, []
    plain = fit.model_dump()
    if fit.optimizer.lr is None:
        plain["optimizer"]["lr"] = RATES[config.method.kind]
        chosen.append(f"learning rate {RATES[config.method.kind]:g} for {config.method.kind}")
    if fit.schedule is None:
        warm = WARM_UP * fit.max_epochs
        plain["schedule"] = [{"kind": "warmup", "epochs": warm}, {"kind": "cosine"}]
        chosen.append(f"{warm:g} {'epoch' if warm == 1 else 'epochs'} of warm-up, then cosine")
    if fit.ema is None:
        plain["ema"] = average_for(n_steps)
        chosen.append(f"average of weights with decay {plain['ema']:.4g} for {format_count(n_steps, 'step')}")
    plain["ema"] = plain["ema"] or None
    if fit.precision is None:
        plain["precision"] = "64-true" if dtype == "float64" else "32-true"
    return Gradient.model_validate(plain), chosen


def average_for(n_steps: int) -> float:
    """The decay of an exponential average of weights over 5 % of the run, between 0.9 and 0.9999."""
    return round(min(max(1.0 - 1.0 / max(HORIZON * n_steps, 1.0), LEAST), MOST), 6)


def to_schema(fit: Gradient) -> Tuning:
    """The resolved fit in the form of the section ``fit`` of a fine-tuning configuration."""
    plain = fit.model_dump()
    plain["ema"] = plain["ema"] or 0.0
    return Tuning.model_validate(plain)


def factors_of(lr_factors: Mapping[str, float], model: EnergyModel) -> dict[str, float]:
    """The factor on the learning rate of each parameter that has one.

    Args:
        lr_factors: By group or layer, or ``decay`` for each layer. Factors of a weight in two groups are multiplied.
        model: The model.

    Raises:
        ConfigError: For unknown names, factors that are not positive, or ``decay`` together with others.
    """
    for word, factor in lr_factors.items():
        if not factor > 0:
            raise ConfigError(
                f"lr_factors.{word} should be more than 0, but is {factor}; method: {{kind: frozen}} stops a group"
            )
    if "decay" in lr_factors:
        if len(lr_factors) > 1:
            raise ConfigError(
                f"lr_factors: decay stands alone, but {', '.join(set(lr_factors) - {'decay'})} are there, too"
            )
        weights = parameter_groups(model)
        top = max(weight.depth for weight in weights.values())
        return {name: lr_factors["decay"] ** (top - weight.depth) for name, weight in weights.items()}
    factors: dict[str, float] = {}
    try:
        for word, names in parameters_in(model, lr_factors).items():
            for name in names:
                factors[name] = factors.get(name, 1.0) * lr_factors[word]
    except WiringError as error:
        raise ConfigError(f"lr_factors: {error}") from error
    return factors


def facts_of(fit: Gradient) -> dict[str, Any]:
    """The entries of the fit in the metadata of the potential."""
    return {"lr": fit.optimizer.lr, "ema": fit.ema, "max_epochs": fit.max_epochs}


__getattr__ = old_names_of(__name__)
