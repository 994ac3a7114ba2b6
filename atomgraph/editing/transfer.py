"""What all edits share: names looked up, a model of another shape filled with numbers, a note of what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.models.energy import EnergyModel
from atomgraph.potential import Potential

Made = TypeVar("Made")


def places_of(names: Sequence[str], known: Sequence[str], what: str) -> list[int]:
    """Positions of names among the known names; WiringError unless they are a list of distinct known names."""
    if isinstance(names, str) or not names or len(set(names)) != len(names):
        raise WiringError(f"{what}s should be a list of distinct names, but is {names!r}")
    for name in names:
        if name not in known:
            raise WiringError(f"no {what} {name!r} in this potential{nearest(name, known)}")
    return [list(known).index(name) for name in names]


def without_rng(make: Callable[..., Made], *words: object, **arguments: object) -> Made:
    """What ``make`` gives. Its first numbers are going to be overwritten, so the caller's random state is not touched."""
    with torch.random.fork_rng(devices=[]):
        return make(*words, **arguments)


def load_weights(potential: Potential, new: EnergyModel, state: dict[str, Tensor], note: str) -> Potential:
    """A potential of the new model with the numbers given, and the old one's metadata with a note of the edit.

    Raises:
        WiringError: Where a number is missing or of another shape: some part cannot be edited.
    """
    new.to(device=potential.device, dtype=potential.model.dtype)
    expected = new.state_dict()
    strange = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    if strange or len(state) != len(expected):
        part = type(new.get_submodule(strange[0].rpartition(".")[0])).__name__ if strange else "model"
        raise WiringError(f"a {part} ({', '.join(strange[:2])}) cannot be edited; train it again")
    with torch.no_grad():
        new.load_state_dict(state)
    metadata = deepcopy(potential.metadata)
    metadata["edits"] = [*metadata.get("edits", []), note]
    edited = Potential(new.eval(), metadata)
    return edited.train(potential.training)
