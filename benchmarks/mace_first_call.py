"""Measure the first evaluation of a compiled MACE, with an empty cache and with cached kernels.

Measured are wall time and CPU time from ``atomgraph.compile`` to the forces of 64 silicon atoms: generation of kernels,
compiler or cache, tables of radial functions, and comparison with the model. Each case runs in a separate process. Imports
and reading of the file are excluded; CPU time includes the compiler. Usage: ``mace_first_call.py [SIZE ...]``; sizes are
small, medium and large.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time

import torch
from measuring.shapes import potential_of, silicon
from measuring.timing import print_table

import atomgraph
from atomgraph import AtomicGraph


def first_call(path: str, dtype: str) -> None:
    """Print wall time and CPU time with the compiler, s; called in a separate process."""
    torch.set_num_threads(1)
    potential = atomgraph.load(path)
    graph = AtomicGraph.from_ase(silicon(2), potential.cutoff)
    before, start = _cpu_seconds(), time.perf_counter()
    atomgraph.compile(potential, dtype=dtype)(graph)
    print(time.perf_counter() - start, _cpu_seconds() - before)


def _cpu_seconds() -> float:
    used = [resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(first.ru_utime + first.ru_stime for first in used)


def measure(path: str, dtype: str, cache: str) -> list[str]:
    command = [sys.executable, __file__, "call", path, dtype]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"ATOMGRAPH_CACHE": cache}, check=True
    )
    return [f"{float(seconds):.2f}" for seconds in done.stdout.split()[-2:]]


def main(shapes: list[str]) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in shapes:
            path = f"{folder}/{shape}.safetensors"
            potential_of(shape).save(path)
            for dtype in ("float32", "float64"):
                cache = f"{folder}/{shape}-{dtype}"
                rows.append([shape, dtype, *measure(path, dtype, cache), *measure(path, dtype, cache)])
    columns = ["shape", "dtype", "empty cache, s", "CPU time", "cached kernels, s", "CPU time"]
    print_table("The first evaluation of compiled MACE", columns, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["call"]:
        first_call(*sys.argv[2:4])
    else:
        main(sys.argv[1:] or ["small", "medium", "large"])
