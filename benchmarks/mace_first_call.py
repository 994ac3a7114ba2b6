"""How long the first evaluation of a compiled MACE takes where nothing is kept, and in a process that finds its kernels kept.

Wall and CPU time from ``atomgraph.compile`` to the forces of 64 silicon atoms: planning, the compiler or the cache, splines of
the radial functions, the comparison with the model. Each in a process of its own, imports and the opening of the file not
counted, CPU time with the compiler's. ``mace_first_call.py [SHAPE ...]``, of small, medium, large.
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
    """In a process of its own: wall and CPU seconds, the compiler's among these."""
    torch.set_num_threads(1)
    potential = atomgraph.load(path)
    graph = AtomicGraph.from_ase(silicon(2), potential.cutoff)
    before, start = _worked(), time.perf_counter()
    atomgraph.compile(potential, dtype=dtype)(graph)
    print(time.perf_counter() - start, _worked() - before)


def _worked() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(first.ru_utime + first.ru_stime for first in used)


def measured(path: str, dtype: str, cache: str) -> list[str]:
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
                rows.append([shape, dtype, *measured(path, dtype, cache), *measured(path, dtype, cache)])
    columns = ["shape", "dtype", "nothing kept, s", "CPU time", "kernels kept, s", "CPU time"]
    print_table("The first evaluation of compiled MACE", columns, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["call"]:
        first_call(*sys.argv[2:4])
    else:
        main(sys.argv[1:] or ["small", "medium", "large"])
