"""Architecture and weights in a Lightning checkpoint of nequip, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from atomgraph.errors import FormatError

_PREFIX = "model.sole_model.model.func."  # of the names of the model's tensors
# modifiers of the model that change its speed only
_ACCELERATIONS = ("enable_OpenEquivariance", "enable_CuEquivariance", "enable_TritonContracter")
# parts of the names of tensors of the state dict that are buffers, which have no average
_NOT_PARAMETERS = (
    "_empty",
    "output_mask",
    "_w3j_",
    ".w3j",
    "_rmax_recip",
    "pair_potential.",
    "spline.lower",
    "spline.upper",
)


def checkpoint_config(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the model builder, with its name under ``_target_``.

    Raises:
        FormatError: If the model refers to another file, or was changed in a way that is not supported.
    """
    parameters = checkpoint.get("hyper_parameters")
    config = parameters.get("model") if isinstance(parameters, Mapping) else None
    if not isinstance(config, Mapping):
        raise FormatError("the checkpoint does not contain the arguments of its model (hyper_parameters.model)")
    return _unwrap(config)


def _unwrap(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the builder inside ``nequip.model.modify``."""
    target = _last_name(config.get("_target_"))
    if target in ("ModelFromPackage", "ModelFromCheckpoint"):
        raise FormatError(
            f"the architecture is in another file ({target}: {str(config)[:120]}), from which this model was fine-tuned; "
            "make a package of the fine-tuned model (nequip-package) and load the package"
        )
    if target != "modify":
        return dict(config)
    for modifier in config.get("modifiers") or []:
        name = str(modifier.get("modifier", "")) if isinstance(modifier, Mapping) else ""
        if not name.startswith(_ACCELERATIONS) and name != "modify_PerTypeScaleShift":
            raise FormatError(f"the model was changed by the modifier {name[:60]!r}, which atomgraph does not support")
    inner = config.get("model")
    if not isinstance(inner, Mapping):
        raise FormatError("the arguments of the model are not in the checkpoint")
    return _unwrap(inner)


def checkpoint_weights(checkpoint: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state dict of the model, with the averaged weights (EMA) if the training had them.

    Raises:
        FormatError: If the weights are missing, or of several models.
    """
    state = checkpoint.get("state_dict")
    if not isinstance(state, Mapping):
        raise FormatError("the checkpoint has no weights (state_dict)")
    weights = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    models = sorted({name.split(".")[1] for name in weights if name.startswith("model.") and name.count(".") > 1})
    if models != ["sole_model"]:
        raise FormatError(f"the checkpoint should have one model, but has {', '.join(models)[:200] or 'none'}")
    target = _last_name(_training_module(checkpoint))
    if target == "ScheduleFreeLightningModule":
        raise FormatError(
            "the weights of a schedule-free training need the state of the optimiser; make a package first"
        )
    tensors = {name.removeprefix(_PREFIX): value for name, value in weights.items() if name.startswith(_PREFIX)}
    averages = {name: value for name, value in weights.items() if name.startswith("ema.ema_weight_")}
    return _with_averages(tensors, averages, state, config) if averages else tensors


def _with_averages(
    tensors: dict[str, Tensor], averages: Mapping[str, Tensor], state: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the tensors with averaged parameters. The k-th average belongs to the k-th parameter of the state dict."""
    extra = state.get("ema._extra_state")
    if not isinstance(extra, Mapping) or extra.get("is_holding_ema_weights") is not True:
        raise FormatError(
            "the checkpoint does not say that it holds averaged weights (ema); train to its end, or make a package"
        )
    names = [name for name, value in tensors.items() if _is_parameter(name, value, config)]
    if len(names) != len(averages):
        raise FormatError(f"the checkpoint has {len(averages)} averaged weights for {len(names)} parameters")
    for k, name in enumerate(names):
        average = averages.get(f"ema.ema_weight_{k}")
        if average is None or average.shape != tensors[name].shape:
            raise FormatError(f"the averaged weight {k} of the checkpoint does not have the shape of {name}")
        tensors[name] = average
    return tensors


def _is_parameter(name: str, value: Tensor, config: Mapping[str, Any]) -> bool:
    """Return whether a tensor of the state dict is a trained parameter, according to its name and the arguments."""
    if not value.numel() or any(part in f".{name}" for part in _NOT_PARAMETERS):
        return False
    radial = config.get("radial_chemical_embed")
    is_trained = {
        "bessel_weights": config.get("bessel_trainable")
        or (isinstance(radial, Mapping) and radial.get("bessel_trainable")),
        "scales": config.get("per_type_energy_scales_trainable"),
        "shifts": config.get("per_type_energy_shifts_trainable"),
    }
    return bool(is_trained.get(name.rpartition(".")[2], True))


def _training_module(checkpoint: Mapping[str, Any]) -> Any:
    """Return the dotted name of the class that trained the model; None if it is unknown."""
    parameters: Any = checkpoint.get("hyper_parameters")
    for key in ("info_dict", "training_module"):
        parameters = parameters.get(key) if isinstance(parameters, Mapping) else None
    return parameters.get("_target_") if isinstance(parameters, Mapping) else None


def _last_name(target: Any) -> str:
    """Return the last part of a dotted name."""
    return str(target).rpartition(".")[2]
