"""Compare compiled MACE with symmetrix-xl: 256 copper atoms, sizes of MACE-MP-0, equal weights.

Both programs compute energies, forces and stress with their ASE calculators, with a new neighbour list in every call. Times are
CPU times of one thread; both programs run alternately. Errors are the largest differences of forces from the model in float64
without kernels, divided by the root mean square of the forces. Usage: ``mace_symmetrix.py [SIZE ...]``; the default size is
medium. ``make bench-peers`` creates the environment of symmetrix-xl.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import ase.io
import numpy as np
import torch
from ase.build import bulk
from ase.calculators.calculator import all_changes
from measuring.peer import SYMMETRIX, Peer
from measuring.roof import Roof, operations
from measuring.timing import print_table

import atomgraph
from atomgraph import AtomicGraph, Calculator

ROUNDS, TURNS = 12, 4  # rounds of both programs; calls of atomgraph per round


def main(shapes: list[str]) -> None:
    torch.set_num_threads(1)
    copper, rows = bulk("Cu", cubic=True) * (4, 4, 4), []
    copper.rattle(0.05, seed=0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ase.io.write(folder / "Cu256.xyz", copper, format="extxyz")
        copper = ase.io.read(folder / "Cu256.xyz")  # both programs use the digits of the file
        for shape in shapes:
            peer = Peer(SYMMETRIX, folder, shape)
            potential = atomgraph.load(folder / f"{shape}.model", dtype="float64")
            model = Calculator(potential, compile=False)
            exact = model.get_property("forces", copper)
            scale = np.sqrt(np.mean(exact**2))
            n_edges = AtomicGraph.from_ase(copper, potential.cutoff).n_edges
            work = operations(potential, len(copper), n_edges)
            for dtype in ("float32", "float64"):
                ours = Calculator(atomgraph.compile(potential, dtype=dtype), skin=0.0)
                mine, theirs, roof = [], [], Roof(dtype)
                errors = [np.abs(peer.forces("Cu256", dtype) - exact).max() / scale]
                ours.calculate(copper, ["energy"], all_changes)
                errors.append(np.abs(ours.results["forces"] - exact).max() / scale)
                for _ in range(ROUNDS):
                    theirs.append(peer.seconds("Cu256", dtype, True))
                    for _ in range(TURNS):
                        copper.positions += 1e-9  # without a skin, this causes a new neighbour list
                        start = time.process_time()
                        ours.calculate(copper, ["energy"], all_changes)
                        mine.append(time.process_time() - start)
                        roof.turn()
                beside, own = (1e6 * median(times) / len(copper) for times in (theirs, mine))
                figures = [f"{beside:.0f}", f"{own:.0f}", f"{beside / own:.2f}"]
                figures += [roof.part(work, median(mine)), *(f"{error:.1e}" for error in errors)]
                rows.append([shape, dtype, *figures])
            peer.close()
    columns = ["shape", "dtype", "symmetrix-xl, µs/atom", "ours", "symmetrix-xl / ours"]
    columns += ["ours, fraction of GEMM peak", "error of symmetrix-xl", "error of ours"]
    print_table("Cu256 with its neighbour list", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or ["medium"])
