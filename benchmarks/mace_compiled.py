"""Compiled MACE in the shapes of MACE-MP-0 (89 elements, l_max 3, correlation 3, 6 Å) beside mace-torch, equal weights.

``mace_compiled.py [SHAPE ...]``, of small (128x0e), medium (128x0e+128x1o), large (128x0e+128x1o+128x2e). The other
side's environment is that of ``make bench-peers``, or ATOMGRAPH_MACE_PYTHON names its Python. Both sides take turns, in
CPU time of one thread; so does the product of two matrices, which says what the core could do (``measuring/roof.py``).
Errors are largest differences of forces from mace-torch's float64, by their root mean square.
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
ROUNDS, TURNS = 3, 8  # turns of both; of ours in each, because they are so short


def measured(peer: Peer, potential: Potential, name: str, atoms: ase.Atoms, dtype: str) -> list[list[object]]:
    """Rows of a table: without stress, and with it."""
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
    columns = ["structure", "dtype", "of", "mace-torch, µs/atom", "ours", "ratio", "roof, GFLOP/s", "of it"]
    columns += ["error", "mace-torch's own", "first call, s"]
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
                )  # whose positions have eight digits, as the other side has them
                for dtype in ("float32", "float64"):
                    rows += measured(peer, potential, name, atoms, dtype)
            peer.close()
            print_table(f"The shape of MACE-MP-0-{shape}", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or list(SHAPES))
