"""Check a long process for leaks of memory, open files and threads.

The process makes 20,000 calls of the calculator, and loads and compiles a potential 50 times, after 1,000 calls to warm up.
Usage: ``leaks.py [CALLS] [LOADS]``.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path

import torch
from ase.build import bulk

import atomgraph
from atomgraph import Calculator, Potential, models

N_WARM_UP = 1000


def process_state() -> tuple[float, int, int]:
    """Return resident memory, MB, number of open files, and number of threads."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return resident, len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))


def call_calculator(potential: Potential | Path, n: int, compiled: bool) -> None:
    """Compute forces n times for displaced atoms of a crystal."""
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    start = atoms.positions.copy()
    atoms.calc = Calculator(potential, compile=compiled)
    for k in range(n):
        atoms.positions = start + 0.02 * ((k % 7) - 3)
        atoms.positions[k % 8] += 0.01 * (k % 5)
        atoms.get_forces()


def report_growth(name: str, before: tuple[float, int, int], after: tuple[float, int, int], n: int) -> bool:
    """Print the changes; return whether memory grows by less than 1 MB per 1,000 calls and counts are equal."""
    growth = (after[0] - before[0]) / (n / 1000)
    good = growth < 1.0 and before[1:] == after[1:]
    print(
        f"{name}: {before[0]:.1f} -> {after[0]:.1f} MB ({growth:+.3f} MB per 1,000), open files {before[1]} -> {after[1]}, "
        f"threads {before[2]} -> {after[2]}{'' if good else '  TOO MUCH'}",
        flush=True,
    )
    return good


def main(n_calls: int, n_loads: int) -> int:
    torch.manual_seed(0)
    model = models.MACE(
        ["Si"], 4.5, hidden_irreps="4x0e+4x1o", l_max=2, order=2, layer={"radial_hidden": [8]}, radial={"n_radial": 4}
    )
    good = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        Potential(model).double().eval().save(path)
        for compiled in (False, True):
            potential = atomgraph.load(path)
            call_calculator(potential, N_WARM_UP, compiled)
            before = process_state()
            call_calculator(potential, n_calls, compiled)
            name = f"{n_calls} calls, {'compiled' if compiled else 'not compiled'}"
            good &= report_growth(name, before, process_state(), n_calls)
        for _ in range(3):
            atomgraph.compile(atomgraph.load(path)).predict([bulk("Si")])
        before = process_state()
        for _ in range(n_loads):
            atomgraph.compile(atomgraph.load(path)).predict([bulk("Si")])
        good &= report_growth(
            f"{n_loads} loads and compilations (counted as 1,000 calls)", before, process_state(), 1000
        )
    return 0 if good else 1


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(counts[0] if counts else 20_000, counts[1] if len(counts) > 1 else 50))
