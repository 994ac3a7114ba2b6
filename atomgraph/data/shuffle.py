"""Shuffling that is the same on every machine and for every version of numpy."""

from __future__ import annotations

import numpy as np


def shuffled(n: int, *seed: int) -> np.ndarray:
    """A permutation of 0 ... n − 1, (n,) int64, that depends on n and the seeds alone.

    numpy promises that the bits of its generators stay what they are (NEP 19), but not what its ``permutation`` makes of
    them; so the order here is that of the bits themselves.
    """
    bits = np.random.Philox(np.random.SeedSequence([int(number) % 2**64 for number in seed])).random_raw(n)
    return np.argsort(np.asarray(bits, dtype=np.uint64).reshape(n), kind="stable")
