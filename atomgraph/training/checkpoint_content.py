"""Checks that a checkpoint is complete and fits the model and the trainer of a run, before the checkpoint is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atomgraph.errors import FormatError, a_kind
from atomgraph.formats.finite_check import check_finite
from atomgraph.old_names import old_names_of
from atomgraph.training.checkpoint_file import recovery_advice

#: Entries of a checkpoint, and their types.
ENTRIES: dict[str, type] = {
    "state_dict": dict,
    "callbacks": dict,
    "epoch": int,
    "global_step": int,
    "loops": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}


def check_entries(path: Path, checkpoint: Mapping[str, Any], names: tuple[str, ...] = tuple(ENTRIES)) -> None:
    """Check that a checkpoint has some entries of the right types.

    Args:
        path: Path of the checkpoint, for messages.
        checkpoint: Content of the checkpoint.
        names: Names of required entries, keys of ``ENTRIES``.

    Raises:
        FormatError: If an entry is missing or has another type.
    """
    missing = [name for name in names if name not in checkpoint]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; the checkpoint is incomplete{recovery_advice(path)}")
    for name in names:
        if not isinstance(checkpoint[name], ENTRIES[name]):
            kind = a_kind(checkpoint[name])
            raise FormatError(
                f"{path}: {name} should be {ENTRIES[name].__name__}, but is {kind}{recovery_advice(path)}"
            )


def check_weights(path: Path, loaded: Mapping[str, Any], expected: Mapping[str, Tensor]) -> None:
    """Check that weights have the names and shapes of the model's weights, and are finite.

    Args:
        path: Path of the checkpoint, for messages.
        loaded: Weights of the checkpoint, by name.
        expected: Weights of the model, by name.

    Raises:
        FormatError: If names or shapes differ, or a number is not finite.
    """
    different = sorted(str(name) for name in loaded.keys() ^ expected.keys())
    different += [
        name
        for name in sorted(loaded.keys() & expected.keys())
        if not isinstance(loaded[name], Tensor) or loaded[name].shape != expected[name].shape
    ]
    if different:
        more = f" and {len(different) - 3} more" if len(different) > 3 else ""
        raise FormatError(
            f"{path} does not contain the weights of this run's model ({', '.join(different[:3])}{more} differ)"
            f"{recovery_advice(path)}"
        )
    check_finite(str(path), loaded)


def check_resumable(path: Path, checkpoint: Mapping[str, Any], trainer: pl.Trainer, task: pl.LightningModule) -> None:
    """Check that a run can be resumed exactly from a checkpoint.

    Args:
        path: Path of the checkpoint, for messages.
        checkpoint: Content of the checkpoint.
        trainer: Trainer of the run.
        task: Task of the run.

    Raises:
        FormatError: If an entry is missing, or its value does not have the type or shape of this run.
    """
    check_entries(path, checkpoint)
    check_weights(path, checkpoint["state_dict"], task.state_dict())
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    expected = {f"callbacks.{callback.state_key}": callback.state_dict() for callback in callbacks}
    saved = {f"callbacks.{name}": state for name, state in checkpoint["callbacks"].items()}
    expected |= {"loops.fit_loop": trainer.fit_loop.state_dict()}
    saved |= {"loops.fit_loop": checkpoint["loops"].get("fit_loop")}
    expected |= {"optimizer_states": [{"state": {}, "param_groups": []}]}
    saved |= {"optimizer_states": checkpoint["optimizer_states"]}
    for name, state in expected.items():
        if state and (key := first_difference(state, saved.get(name), name)):
            raise FormatError(f"{path} lacks {key}, or its value has another type{recovery_advice(path)}")


def first_difference(expected: Any, saved: Any, name: str) -> str:
    """Return the dotted name of the first value that is missing in ``saved`` or has another type than in ``expected``.

    The values may differ, and mappings in ``saved`` may have further keys. Lists of mappings are compared item by item.

    Args:
        expected: State with the expected keys and types.
        saved: State of a checkpoint.
        name: Dotted name of the two states.

    Returns:
        Dotted name, or an empty text if there is no difference.
    """
    if isinstance(expected, dict):
        if not isinstance(saved, dict):
            return name
        parts = ((value, saved.get(key), f"{name}.{key}") for key, value in expected.items() if value is not None)
    elif isinstance(expected, list) and expected and isinstance(expected[0], dict):
        if not isinstance(saved, list) or len(saved) != len(expected):
            return name
        parts = ((value, saved[i], f"{name}[{i}]") for i, value in enumerate(expected))
    else:
        kinds = (int, float) if isinstance(expected, float) else (type(expected),)
        return "" if isinstance(saved, kinds) else name
    return next((key for part in parts if (key := first_difference(*part))), "")


def check_moments(path: Path, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
    """Check that the optimiser's state from a checkpoint exists and has the shapes of the weights.

    Args:
        path: Path of the checkpoint, for messages.
        optimizer: Optimiser with the state.
        n_steps: Number of finished optimizer steps; after the first step, all optimisers except SGD have a state.

    Raises:
        FormatError: If the state is missing or has other shapes.
    """
    if n_steps and not optimizer.state and not isinstance(optimizer, torch.optim.SGD):
        raise FormatError(f"{path} lacks the state of the optimiser{recovery_advice(path)}")
    for parameter, state in optimizer.state.items():
        for name, value in state.items() if isinstance(state, dict) else ():
            if isinstance(value, Tensor) and value.numel() > 1 and value.shape != parameter.shape:
                raise FormatError(
                    f"{path}: {name} of the optimiser has the shape {tuple(value.shape)} for weights of the shape "
                    f"{tuple(parameter.shape)}{recovery_advice(path)}"
                )


__getattr__ = old_names_of(__name__)
