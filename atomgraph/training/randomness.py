"""Seeds and states of all random number generators of a run."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from atomgraph.old_names import old_names_of

_LIGHTNING_VARIABLES = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")  # environment variables that Lightning reads or sets


@contextmanager
def use_seed(seed: int) -> Iterator[None]:
    """Within this context, seed the generators of Python, NumPy and torch; afterwards, restore their states."""
    state_before = random_state()
    environment = {name: os.environ.get(name) for name in _LIGHTNING_VARIABLES}
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        os.environ[_LIGHTNING_VARIABLES[0]] = str(seed)
        yield
    finally:
        set_random_state(state_before)
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def random_state() -> dict[str, Any]:
    """Return the states of the generators of Python, NumPy, torch and its GPUs, as tensors and plain values."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
        "python": [version, list(words), gauss],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set the states of all generators, from ``random_state``."""
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([words.cpu() for words in state["cuda"]])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))


__getattr__ = old_names_of(__name__)
