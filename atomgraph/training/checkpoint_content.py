"""What a checkpoint must hold so that a run goes on exactly: checked against the run before anything is taken from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atomgraph.errors import FormatError, a_kind
from atomgraph.formats.finite_check import check_finite
from atomgraph.training.checkpoint_file import way_out

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
    """Refuse a checkpoint without these entries, or with entries of another type.

    Raises:
        FormatError: Names what is missing, with the way out.
    """
    missing = [name for name in names if name not in checkpoint]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; it is no whole checkpoint{way_out(path)}")
    for name in names:
        if not isinstance(checkpoint[name], ENTRIES[name]):
            kind = a_kind(checkpoint[name])
            raise FormatError(f"{path}: {name} should be {ENTRIES[name].__name__}, but is {kind}{way_out(path)}")


def check_weights(path: Path, loaded: Mapping[str, Any], expected: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not those of the run's model: other names, shapes, or numbers that are not finite.

    Raises:
        FormatError: Names the tensors, with the way out.
    """
    odd = sorted(str(name) for name in loaded.keys() ^ expected.keys())
    odd += [
        name
        for name in sorted(loaded.keys() & expected.keys())
        if not isinstance(loaded[name], Tensor) or loaded[name].shape != expected[name].shape
    ]
    if odd:
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise FormatError(
            f"{path} does not hold the weights of this run's model ({', '.join(odd[:3])}{more} differ){way_out(path)}"
        )
    check_finite(str(path), loaded)


def check_resumable(path: Path, checkpoint: Mapping[str, Any], trainer: pl.Trainer, task: pl.LightningModule) -> None:
    """Refuse a checkpoint with which this run could not go on exactly.

    Raises:
        FormatError: Names what is missing or does not fit, with the way out.
    """
    check_entries(path, checkpoint)
    check_weights(path, checkpoint["state_dict"], task.state_dict())
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    forms = {f"callbacks.{callback.state_key}": callback.state_dict() for callback in callbacks}
    states = {f"callbacks.{name}": state for name, state in checkpoint["callbacks"].items()}
    forms |= {"loops.fit_loop": trainer.fit_loop.state_dict()}
    states |= {"loops.fit_loop": checkpoint["loops"].get("fit_loop")}
    forms |= {"optimizer_states": [{"state": {}, "param_groups": []}]}
    states |= {"optimizer_states": checkpoint["optimizer_states"]}
    for name, form in forms.items():
        if form and (place := difference(form, states.get(name), name)):
            raise FormatError(f"{path} lacks {place}, or holds something else there{way_out(path)}")


def difference(form: Any, saved: Any, name: str) -> str:
    """The dotted name of the first thing that ``found`` lacks, or that is of another type than in ``form``; else empty.

    Mappings may hold more than the form's, numbers and tensors any value; lists of mappings are compared one by one.
    """
    if isinstance(form, dict):
        if not isinstance(saved, dict):
            return name
        parts = ((value, saved.get(key), f"{name}.{key}") for key, value in form.items() if value is not None)
    elif isinstance(form, list) and form and isinstance(form[0], dict):
        if not isinstance(saved, list) or len(saved) != len(form):
            return name
        parts = ((value, saved[i], f"{name}[{i}]") for i, value in enumerate(form))
    else:
        kinds = (int, float) if isinstance(form, float) else (type(form),)
        return "" if isinstance(saved, kinds) else name
    return next((place for part in parts if (place := difference(*part))), "")


def check_moments(path: Path, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
    """Refuse an optimiser's state, taken from a checkpoint, that is missing or of other shapes than the weights.

    Args:
        path: The checkpoint.
        optimizer: With the state in it.
        n_steps: Steps that were taken before; from the first on, all optimisers but SGD have a state.

    Raises:
        FormatError: With the way out.
    """
    if n_steps and not optimizer.state and not isinstance(optimizer, torch.optim.SGD):
        raise FormatError(f"{path} lacks the state of the optimiser{way_out(path)}")
    for parameter, state in optimizer.state.items():
        for name, value in state.items() if isinstance(state, dict) else ():
            if isinstance(value, Tensor) and value.numel() > 1 and value.shape != parameter.shape:
                raise FormatError(
                    f"{path}: {name} of the optimiser has the shape {tuple(value.shape)} for weights of the shape "
                    f"{tuple(parameter.shape)}{way_out(path)}"
                )
