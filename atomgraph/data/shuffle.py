"""Shuffling with the same result on all machines and in all versions of numpy."""

from __future__ import annotations

import numpy as np


def shuffled(n: int, *seed: int) -> np.ndarray:
    """Return a permutation of 0 ... n − 1, (n,) int64, that depends only on n and the seeds.

    The permutation sorts random bits. numpy guarantees the bits of its generators in all versions (NEP 19), but not the
    result of its ``permutation``.

    Args:
        n: Length of the permutation.
        seed: One or more integers, such as the seed of the run, the epoch, and a number for each use.
    """
    bits = np.random.Philox(np.random.SeedSequence([int(number) % 2**64 for number in seed])).random_raw(n)
    return np.argsort(np.asarray(bits, dtype=np.uint64).reshape(n), kind="stable")
