"""The largest batch, once, before the first epoch: what a step takes, and whether it fits."""

from __future__ import annotations

import copy
import resource
import sys
import time
from dataclasses import dataclass

import torch

from atomgraph.data.frame_names import number_of
from atomgraph.errors import ConfigError, TrainingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.training.task import PotentialTask, names_of


@dataclass(frozen=True)
class DryRun:
    """What one training step on a batch took: seconds, peak bytes (of the GPU, or of the whole process on a CPU)."""

    n_structures: int
    n_atoms: int
    n_edges: int
    seconds: float
    peak_bytes: int
    on_gpu: bool

    def __str__(self) -> str:
        where = "GPU memory" if self.on_gpu else "memory of the process"
        return (
            f"largest batch: {number_of(self.n_structures, 'structure')}, {number_of(self.n_atoms, 'atom')}, "
            f"{number_of(self.n_edges, 'edge')}; "
            f"{self.seconds * 1e3:.0f} ms a step, peak {where} {self.peak_bytes / 2**30:.2f} GiB"
        )


def dry_run(task: PotentialTask, batch: AtomicGraph, device: torch.device | str = "cpu") -> DryRun:
    """Loss and gradients of a batch on a copy of the potential; the task is left as it was.

    Raises:
        ConfigError: Where the batch does not fit into memory.
        TrainingError: Where its loss is not finite.
    """
    device = torch.device(device)
    on_gpu = device.type == "cuda"
    copied = copy.deepcopy(task).to(device).train()
    batch = batch.clone().to(device)
    seconds = 0.0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    try:
        for _ in range(2):  # the first is for warming up
            start = time.perf_counter()
            loss = copied.loss(batch, 0, copied.counts(batch))
            copied.backward(loss)
            if on_gpu:
                torch.cuda.synchronize(device)
            seconds = time.perf_counter() - start
    except torch.OutOfMemoryError:
        raise ConfigError(
            f"the largest batch ({batch.n_edges} edges) does not fit into the memory of {device}; lower data.edge_budget"
        ) from None
    if not torch.isfinite(loss):
        raise TrainingError(f"before any training the loss is {loss.item()} on the structures {names_of(batch)}")
    return DryRun(batch.n_graphs, batch.n_atoms, batch.n_edges, seconds, _peak(device), on_gpu)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
