"""Functions that all edits share: look up names, copy weights to the new model, and record the edit in the metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.models.energy import EnergyModel
from atomgraph.potential import Potential

T = TypeVar("T")


def find_indices(names: Sequence[str], all_names: Sequence[str], kind: str) -> list[int]:
    """Return the index of each name in ``all_names``.

    Args:
        names: Distinct names to look up.
        all_names: All elements, or all heads, of the potential.
        kind: Word for the error message, ``element`` or ``head``.

    Raises:
        WiringError: For repeated or unknown names.
    """
    if isinstance(names, str) or not names or len(set(names)) != len(names):
        raise WiringError(f"{kind}s should be a list of distinct names, but is {names!r}")
    for name in names:
        if name not in all_names:
            raise WiringError(f"no {kind} {name!r} in this potential{nearest(name, all_names)}")
    return [list(all_names).index(name) for name in names]


def keep_random_state(function: Callable[..., T], *args: object, **kwargs: object) -> T:
    """Call a function and restore torch's random state afterwards. Edits overwrite the random weights of a new model."""
    with torch.random.fork_rng(devices=[]):
        return function(*args, **kwargs)


def load_weights(potential: Potential, new_model: EnergyModel, state: dict[str, Tensor], note: str) -> Potential:
    """Load weights into an edited model, and return its potential.

    Args:
        potential: The potential before the edit.
        new_model: The model after the edit.
        state: State dict of the new model.
        note: Description of the edit, for the metadata.

    Raises:
        WiringError: If a tensor is missing or has another shape, because a part of the model cannot be edited.
    """
    new_model.to(device=potential.device, dtype=potential.model.dtype)
    expected = new_model.state_dict()
    unfit = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    if unfit or len(state) != len(expected):
        part = type(new_model.get_submodule(unfit[0].rpartition(".")[0])).__name__ if unfit else "model"
        raise WiringError(f"a {part} ({', '.join(unfit[:2])}) cannot be edited; train it again")
    with torch.no_grad():
        new_model.load_state_dict(state)
    metadata = deepcopy(potential.metadata)
    metadata["edits"] = [*metadata.get("edits", []), note]
    edited = Potential(new_model.eval(), metadata)
    return edited.train(potential.training)
