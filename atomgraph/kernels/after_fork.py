"""Torch's threads do not survive a fork: in a forked process, a loop over several threads would never end."""

from __future__ import annotations

import os
import warnings

import torch

_most = 1  # largest number of threads of evaluations in this process
_inherited = 1  # number of threads of the parent when this process was forked


def keep_from_hanging() -> None:
    """Use one thread of torch in a process that was forked from one with several. Call before an evaluation.

    Gives one warning. Kernels of atomgraph start their own threads and are not affected.
    """
    global _most, _inherited
    if _inherited == 1:
        _most = max(_most, torch.get_num_threads())
    elif torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        if _inherited > 0:
            _inherited = 0
            warnings.warn(
                "this process was forked from one that computed with several threads; torch's threads do not survive a "
                "fork, so it continues with one thread. Start processes with 'spawn' to use several threads in each",
                stacklevel=3,
            )


def _before() -> None:
    global _at_fork
    _at_fork = max(_most, torch.get_num_threads()) if _inherited == 1 else 1


def _in_child() -> None:
    global _inherited
    if _inherited == 1 and _at_fork > 1:
        _inherited = _at_fork


_at_fork = 1
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)
