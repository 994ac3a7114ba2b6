"""Torch's threads do not live in a forked process: a loop that asks for several of them would wait for ever."""

from __future__ import annotations

import os
import warnings

import torch

_most = 1  # threads that evaluations of this process had
_inherited = 1  # threads that the parent had when this process was forked


def keep_from_hanging() -> None:
    """Before an evaluation: in a process that was forked from one with several of torch's threads, go on with one.

    Says so, once. Kernels of atomgraph make threads of their own and are not concerned.
    """
    global _most, _inherited
    if _inherited == 1:
        _most = max(_most, torch.get_num_threads())
    elif torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        if _inherited > 0:
            _inherited = 0
            warnings.warn(
                "this process was forked from one that computed with several threads, which torch's do not survive; it goes "
                "on with one thread. Start processes with 'spawn' to give each of them several",
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
