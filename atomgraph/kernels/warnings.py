"""Warnings for kernels that cannot be used and are replaced by their reference implementations."""

from __future__ import annotations

import warnings

_given: set[str] = set()  # texts of the warnings that were given in this process


class KernelWarning(UserWarning):
    """Warning for a kernel that cannot be compiled, cached or used. Results are the same, evaluations are slower."""


def warn_once(reason: str) -> None:
    """Give a KernelWarning of one line, once per process for each reason."""
    line = " ".join(reason.split())
    if line not in _given:
        _given.add(line)
        warnings.warn(line, KernelWarning, stacklevel=2)
