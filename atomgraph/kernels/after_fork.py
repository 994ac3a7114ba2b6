"""Evaluations in forked processes. Threads of torch end at a fork, so a loop over several threads would never end."""

from __future__ import annotations

import os
import warnings

import torch

_max_threads = 1  # maximum number of torch's threads in evaluations of this process
#: Number of torch's threads in the parent process at the fork. 1: the process was not forked, or the parent had one thread.
#: 0: the parent had several threads, and the warning was given.
_parent_threads = 1


def use_one_thread_after_fork() -> None:
    """Set the number of torch's threads to 1, with one warning, in a process whose parent had several threads at the fork.

    This is called before evaluations. Kernels of atomgraph start their own threads and are not affected.
    """
    global _max_threads, _parent_threads
    if _parent_threads == 1:
        _max_threads = max(_max_threads, torch.get_num_threads())
    elif torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        if _parent_threads > 0:
            _parent_threads = 0
            warnings.warn(
                "this process was forked from a process that computed with several threads; torch's threads do not survive "
                "a fork, so this one continues with one thread. Start processes with 'spawn' to use several threads in each",
                stacklevel=3,
            )


def _before_fork() -> None:
    global _threads_at_fork
    _threads_at_fork = max(_max_threads, torch.get_num_threads()) if _parent_threads == 1 else 1


def _after_fork_in_child() -> None:
    global _parent_threads
    if _parent_threads == 1 and _threads_at_fork > 1:
        _parent_threads = _threads_at_fork


_threads_at_fork = 1  # number of torch's threads in evaluations before the last fork
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
