"""Compare compiled MACE with mace-torch in the sizes of MACE-MP-0 (89 elements, l_max 3, order 3, 6 Å), with equal weights.

Usage: ``mace_compiled.py [SIZE ...]``; sizes are small (128x0e), medium (128x0e+128x1o) and large (128x0e+128x1o+128x2e).
mace-torch is in the environment of ``make bench-peers``; ATOMGRAPH_MACE_PYTHON can name another Python. Times are CPU times of
one thread. Both programs and a matrix product, which measures the speed of the core (``measuring/roof.py``), run alternately.
Errors are the largest differences of forces from mace-torch in float64, divided by the root mean square of the forces.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch
from measuring.peer import MACE_TORCH, Peer
from measuring.roof import Roof, operations
from measuring.shapes import structures
from measuring.timing import print_table

import atomgraph
from atomgraph import AtomicGraph, Potential
from atomgraph.kernels import KernelWarning

SHAPES = ("medium", "small", "large")
ROUNDS, TURNS = 3, 8  # rounds of both programs; calls of atomgraph per round, because they are short


def measure(peer: Peer, potential: Potential, name: str, atoms: ase.Atoms, dtype: str) -> list[list[object]]:
    """Return rows of the table: without and with stress."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error", KernelWarning)
        ours = atomgraph.compile(potential, dtype=dtype)
        graph = AtomicGraph.from_ase(atoms, potential.cutoff)
        forces = ours(graph)["forces"].numpy()
    first, rows = time.perf_counter() - start, []
    exact = peer.forces(name, "float64")
    scale = np.sqrt(np.mean(exact**2))
    errors = [np.abs(result - exact).max() / scale for result in (forces, peer.forces(name, dtype))]
    work = operations(potential, len(atoms), graph.n_edges)
    for stress in (False, True):
        mine, theirs, roof = [], [], Roof(dtype)
        for _ in range(ROUNDS):
            theirs.append(peer.seconds(name, dtype, stress))
            for _ in range(TURNS):
                begin = time.process_time()
                ours(graph, stress=stress)
                mine.append(time.process_time() - begin)
                roof.turn()
        own, beside = np.median(mine), np.median(theirs)
        row = [name, dtype, "E, F, stress" if stress else "E, F", f"{1e6 * beside / len(atoms):.0f}"]
        row += [f"{1e6 * own / len(atoms):.0f}", f"{beside / own:.1f}", f"{1e-9 * roof.flops:.0f}"]
        row += [roof.part(work, own), f"{errors[0]:.1e}", f"{errors[1]:.1e}" if errors[1] else ""]
        rows.append([*row, f"{first:.1f}"])
    return rows


def main(shapes: list[str]) -> None:
    torch.set_num_threads(1)
    columns = [
        "structure",
        "dtype",
        "output",
        "mace-torch, µs/atom",
        "ours",
        "ratio",
        "GEMM peak, GFLOP/s",
        "fraction of GEMM peak",
    ]
    columns += ["error", "error of mace-torch", "first call, s"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, atoms in structures().items():
            ase.io.write(folder / f"{name}.xyz", atoms, format="extxyz")
        for shape in shapes:
            peer, rows = Peer(MACE_TORCH, folder, shape), []
            potential = atomgraph.load(folder / f"{shape}.model", dtype="float64")
            for name in structures():
                atoms = ase.io.read(
                    folder / f"{name}.xyz"
                )  # positions with the eight digits of the file, as for mace-torch
                for dtype in ("float32", "float64"):
                    rows += measure(peer, potential, name, atoms, dtype)
            peer.close()
            print_table(f"Size of MACE-MP-0-{shape}", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or list(SHAPES))
