"""Dry run of the largest batch before training: time and memory of one step."""

from __future__ import annotations

import copy
import resource
import sys
import time
from dataclasses import dataclass

import torch

from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError, TrainingError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.training.task import PotentialTask, structure_names


@dataclass(frozen=True)
class DryRun:
    """Time and memory of one training step.

    Attributes:
        n_structures: Number of structures in the batch.
        n_atoms: Number of atoms in the batch.
        n_edges: Number of edges in the batch.
        seconds: Time of the step, s.
        peak_bytes: Peak memory, bytes: of the GPU, or of the whole process if the step ran on a CPU.
        on_gpu: Whether the step ran on a GPU.
    """

    n_structures: int
    n_atoms: int
    n_edges: int
    seconds: float
    peak_bytes: int
    on_gpu: bool

    def __str__(self) -> str:
        kind = "GPU memory" if self.on_gpu else "memory of the process"
        return (
            f"largest batch: {format_count(self.n_structures, 'structure')}, {format_count(self.n_atoms, 'atom')}, "
            f"{format_count(self.n_edges, 'edge')}; "
            f"{self.seconds * 1e3:.0f} ms per step, peak {kind} {self.peak_bytes / 2**30:.2f} GiB"
        )


def dry_run(task: PotentialTask, batch: AtomicGraph, device: torch.device | str = "cpu") -> DryRun:
    """Compute the loss and gradients of a batch with a copy of the task.

    Args:
        task: Task; it does not change.
        batch: Batch of structures.
        device: Device of the computation.

    Raises:
        ConfigError: If the batch does not fit into memory.
        TrainingError: If the loss is not finite.
    """
    device = torch.device(device)
    on_gpu = device.type == "cuda"
    task_copy = copy.deepcopy(task).to(device).train()
    batch = batch.clone().to(device)
    seconds = 0.0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    try:
        for _ in range(2):  # the first step is a warm-up
            start = time.perf_counter()
            loss = task_copy.loss(batch, epoch=0, window_counts=task_copy.count_labels(batch))
            task_copy.backward(loss)
            if on_gpu:
                torch.cuda.synchronize(device)
            seconds = time.perf_counter() - start
    except torch.OutOfMemoryError:
        raise ConfigError(
            f"the largest batch ({batch.n_edges} edges) does not fit into the memory of {device}; lower data.edge_budget"
        ) from None
    if not torch.isfinite(loss):
        raise TrainingError(f"before training, the loss is {loss.item()} for the structures {structure_names(batch)}")
    return DryRun(batch.n_graphs, batch.n_atoms, batch.n_edges, seconds, _peak_memory(device), on_gpu)


def _peak_memory(device: torch.device) -> int:
    """Return the peak memory of the GPU, or of the process, bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
