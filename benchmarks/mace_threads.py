"""Measure compiled MACE on several threads: wall time of energies and forces of 512 silicon atoms, sizes of MACE-MP-0.

Wall time needs an idle machine: the script prints the load, and the shortest time as well as the median. The largest number of
threads is the number of cores. Usage: ``mace_threads.py [SIZE ...]``; the default size is medium.
"""

import os
import sys
import time
from statistics import median

import torch
from measuring.shapes import potential_of, silicon
from measuring.timing import print_table

import atomgraph
from atomgraph import AtomicGraph

TURNS = 25


def measure(shape: str, dtype: str, threads: list[int]) -> list[list[object]]:
    """Return a row for each number of threads."""
    potential, atoms = atomgraph.compile(potential_of(shape), dtype=dtype), silicon(4)
    graph = AtomicGraph.from_ase(atoms, potential.cutoff)
    spent: dict[int, list[float]] = {n: [] for n in threads}
    for _ in range(TURNS):
        for n, times in spent.items():
            torch.set_num_threads(n)
            potential(graph, stress=False)  # wakes threads and fills caches
            start = time.perf_counter()
            potential(graph, stress=False)
            times.append(1e3 * time.perf_counter() - 1e3 * start)
    shortest, medians = ({n: statistic(times) for n, times in spent.items()} for statistic in (min, median))
    return [
        [
            shape,
            dtype,
            n,
            f"{medians[n]:.1f}",
            f"{medians[1] / medians[n]:.2f}",
            f"{shortest[n]:.1f}",
            f"{shortest[1] / shortest[n]:.2f}",
        ]
        for n in threads
    ]


def main(shapes: list[str]) -> None:
    cores = len(os.sched_getaffinity(0))
    threads = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= cores]
    load = os.getloadavg()[0]
    rows = [row for shape in shapes for dtype in ("float32", "float64") for row in measure(shape, dtype, threads)]
    columns = ["shape", "dtype", "threads", "wall time, ms", "speed-up", "shortest, ms", "speed-up of shortest"]
    print_table(f"Si512 on several threads; {cores} cores, load at start {load:.1f}", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or ["medium"])
