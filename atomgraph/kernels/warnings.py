"""Why a kernel is not used: said in one line, once; the plain twin then does its work."""

from __future__ import annotations

import warnings

_said: set[str] = set()


class KernelWarning(UserWarning):
    """A kernel cannot be had here, or not be kept; results are the same, slower."""


def warn_once(reason: str) -> None:
    """A KernelWarning of one line; in one process each reason is given once."""
    line = " ".join(reason.split())
    if line not in _said:
        _said.add(line)
        warnings.warn(line, KernelWarning, stacklevel=2)
