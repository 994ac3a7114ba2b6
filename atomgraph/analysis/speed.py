"""How fast a potential is on a structure, and how much memory that takes."""

from __future__ import annotations

import ctypes
import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import ase
import torch

from atomgraph.evaluator import Evaluator
from atomgraph.graph.structure import AtomicGraph, strip_labels

_LEAST = 3  # evaluations, however long they take


@dataclass(frozen=True)
class Speed:
    """Medians of wall time (of CPU time, where it says so) in seconds a call; the most memory beyond what was held, bytes."""

    graph: float
    forces: float
    forces_cpu: float
    stress: float
    memory: int


def measured(potential: Evaluator, atoms: ase.Atoms, seconds: float = 2.0) -> Speed:
    """Time the graph, energy with forces, and with stress too, for about so many seconds each, after a first call.

    The clock waits for the potential's device.
    """
    bare = strip_labels(atoms)

    def graph() -> AtomicGraph:
        return AtomicGraph.from_ase(bare, potential.cutoff).to(potential.device)

    sample = graph()
    potential.evaluate(sample)  # whatever is made once is made now
    memory = memory_of(lambda: potential.evaluate(sample), potential.device)

    def timed(call: Callable[[], object]) -> tuple[float, float]:
        call()
        walls: list[float] = []
        cpus: list[float] = []
        while len(walls) < _LEAST or sum(walls) < seconds:
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            if potential.device.type == "cuda":
                torch.cuda.synchronize(potential.device)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
        return median(walls), median(cpus)

    forces, forces_cpu = timed(lambda: potential.evaluate(sample, stress=False))
    stress, _ = timed(lambda: potential.evaluate(sample))
    return Speed(timed(graph)[0], forces, forces_cpu, stress, memory)


def force_errors(exact: Evaluator, others: Sequence[Evaluator], atoms: ase.Atoms) -> list[float]:
    """Largest difference of a force's component of each of the others from the exact one's, by their root mean square.

    NaN where all forces are zero.
    """
    graph = AtomicGraph.from_ase(strip_labels(atoms), exact.cutoff).to(exact.device)
    expected = exact.evaluate(graph, stress=False)["forces"]
    scale = float(expected.square().mean().sqrt()) or math.nan
    predictions = [potential.evaluate(graph, stress=False)["forces"] for potential in others]
    return [float((forces - expected).abs().max()) / scale for forces in predictions]


def memory_of(call: Callable[[], object], device: torch.device) -> int:
    """The most memory that a call takes beyond what was held before it, bytes."""
    held = _peak_from_here(device)
    call()
    return max(_peak(device) - held, 0)


def _peak_from_here(device: torch.device) -> int:
    """Memory in use, from where ``_peak`` counts; where the system keeps one peak for ever, that peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return int(torch.cuda.memory_allocated(device))
    if hasattr(trim := ctypes.CDLL(None), "malloc_trim"):
        trim.malloc_trim(0)  # what was freed and kept for reuse would hide what is used
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak(device)
    return _in_status("VmRSS") or _peak(device)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _in_status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _in_status(name: str) -> int:
    """An entry of this process's status, in bytes; 0 where the system tells none."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
