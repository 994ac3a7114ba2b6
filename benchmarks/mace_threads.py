"""Compiled MACE on one thread and on more: wall time of energies and forces, silicon of 512 atoms, the shapes of MACE-MP-0.

Wall time wants a quiet machine: the load is printed, and the best of many turns stands beside the median.
``mace_threads.py [SHAPE ...]``, of medium; up to as many threads as there are cores.
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


def measured(shape: str, dtype: str, threads: list[int]) -> list[list[object]]:
    """A row for each number of threads."""
    potential, atoms = atomgraph.compile(potential_of(shape), dtype=dtype), silicon(4)
    graph = AtomicGraph.from_ase(atoms, potential.cutoff)
    spent: dict[int, list[float]] = {n: [] for n in threads}
    for _ in range(TURNS):
        for n, times in spent.items():
            torch.set_num_threads(n)
            potential(graph, stress=False)  # threads wake, caches fill
            start = time.perf_counter()
            potential(graph, stress=False)
            times.append(1e3 * time.perf_counter() - 1e3 * start)
    best, middle = ({n: of(times) for n, times in spent.items()} for of in (min, median))
    return [
        [
            shape,
            dtype,
            n,
            f"{middle[n]:.1f}",
            f"{middle[1] / middle[n]:.2f}",
            f"{best[n]:.1f}",
            f"{best[1] / best[n]:.2f}",
        ]
        for n in threads
    ]


def main(shapes: list[str]) -> None:
    cores = len(os.sched_getaffinity(0))
    threads = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= cores]
    before = os.getloadavg()[0]
    rows = [row for shape in shapes for dtype in ("float32", "float64") for row in measured(shape, dtype, threads)]
    columns = ["shape", "dtype", "threads", "wall time, ms", "one thread / it", "the best, ms", "one thread / it"]
    print_table(f"Si512 on threads; {cores} cores, load {before:.1f} before", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or ["medium"])
