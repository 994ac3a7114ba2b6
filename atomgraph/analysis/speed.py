"""Speed and memory of a potential on a structure."""

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
from atomgraph.old_names import old_names_of

_MIN_CALLS = 3  # calls that are timed, also if they take longer than the measuring time


@dataclass(frozen=True)
class Speed:
    """Median times per call, and peak memory.

    Attributes:
        graph: Wall time to build the graph, s.
        forces: Wall time of energy and forces, s.
        forces_cpu: CPU time of energy and forces, s.
        stress: Wall time of energy, forces and stress, s.
        memory: Peak memory of an evaluation, in addition to the memory in use before it, bytes.
    """

    graph: float
    forces: float
    forces_cpu: float
    stress: float
    memory: int


def measure_speed(potential: Evaluator, atoms: ase.Atoms, seconds: float = 2.0) -> Speed:
    """Measure the time to build the graph, to compute energy and forces, and to compute energy, forces and stress.

    The first calls are not timed. On a GPU, each timed call includes the time until the device has finished.

    Args:
        potential: Potential to measure.
        atoms: Structure to evaluate.
        seconds: Time in which calls are repeated for each of the three measurements, s; at least three calls are timed.
    """
    structure = strip_labels(atoms)

    def build_graph() -> AtomicGraph:
        return AtomicGraph.from_ase(structure, potential.cutoff).to(potential.device)

    graph = build_graph()
    potential.evaluate(graph)  # the first evaluation may compile kernels
    memory = peak_memory(lambda: potential.evaluate(graph), potential.device)

    def median_times(call: Callable[[], object]) -> tuple[float, float]:
        call()
        wall_times: list[float] = []
        cpu_times: list[float] = []
        while len(wall_times) < _MIN_CALLS or sum(wall_times) < seconds:
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            call()
            if potential.device.type == "cuda":
                torch.cuda.synchronize(potential.device)
            wall_times.append(time.perf_counter() - wall_start)
            cpu_times.append(time.process_time() - cpu_start)
        return median(wall_times), median(cpu_times)

    forces_time, forces_cpu_time = median_times(lambda: potential.evaluate(graph, stress=False))
    stress_time, _ = median_times(lambda: potential.evaluate(graph))
    return Speed(median_times(build_graph)[0], forces_time, forces_cpu_time, stress_time, memory)


def force_errors(exact: Evaluator, potentials: Sequence[Evaluator], atoms: ase.Atoms) -> list[float]:
    """Compute the largest error of a force component of each potential, relative to the RMS of the exact components.

    Args:
        exact: Reference potential.
        potentials: Potentials to compare with the reference.
        atoms: Structure to evaluate.

    Returns:
        One number per potential, without unit; NaN if all exact forces are zero.
    """
    graph = AtomicGraph.from_ase(strip_labels(atoms), exact.cutoff).to(exact.device)
    expected = exact.evaluate(graph, stress=False)["forces"]
    scale = float(expected.square().mean().sqrt()) or math.nan
    predictions = [potential.evaluate(graph, stress=False)["forces"] for potential in potentials]
    return [float((forces - expected).abs().max()) / scale for forces in predictions]


def peak_memory(call: Callable[[], object], device: torch.device) -> int:
    """Measure the peak memory of a call, in addition to the memory in use before it.

    Args:
        call: Function to call.
        device: Device on which the function computes.

    Returns:
        Peak memory, bytes.
    """
    memory_before = _reset_peak(device)
    call()
    return max(_read_peak(device) - memory_before, 0)


def _reset_peak(device: torch.device) -> int:
    """Reset the peak of ``_read_peak``, and return the memory in use, bytes.

    If the operating system cannot reset the peak, the present peak is returned.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return int(torch.cuda.memory_allocated(device))
    if hasattr(trim := ctypes.CDLL(None), "malloc_trim"):
        trim.malloc_trim(0)  # otherwise, the call could reuse freed memory, and the peak would not rise
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _read_peak(device)
    return _read_status("VmRSS") or _read_peak(device)


def _read_peak(device: torch.device) -> int:
    """Return the peak memory of the device or of this process, bytes."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _read_status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _read_status(name: str) -> int:
    """Return an entry of ``/proc/self/status``, bytes; 0 if the operating system has no such entry."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


__getattr__ = old_names_of(__name__)
