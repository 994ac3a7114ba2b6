"""Warnings that a kernel is not used; the reference implementation is used in its place."""

from __future__ import annotations

import warnings

_given: set[str] = set()


class KernelWarning(UserWarning):
    """A kernel cannot be compiled or cached. Results are the same, evaluation is slower."""


def warn_once(reason: str) -> None:
    """Give a KernelWarning of one line; each reason is given once in a process."""
    line = " ".join(reason.split())
    if line not in _given:
        _given.add(line)
        warnings.warn(line, KernelWarning, stacklevel=2)
