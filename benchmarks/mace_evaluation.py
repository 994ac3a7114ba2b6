"""Compare MACE without compiled kernels with mace-torch, in the size MACE-MP-0-medium: reading the file, energy and forces.

Weights are equal, both programs run alternately, and times are CPU times of one thread. Errors are the largest differences of
forces from mace-torch in float64, divided by the root mean square of the forces. Without mace-torch (``make bench-peers``) only
atomgraph is measured.
"""

import resource
import tempfile
import time
from pathlib import Path
from statistics import median

import ase.io
import numpy as np
import torch
from measuring.peer import MACE_TORCH, Peer
from measuring.roof import Roof, operations
from measuring.shapes import potential_of, structures
from measuring.timing import print_table

import atomgraph
from atomgraph import AtomicGraph, Potential
from atomgraph.compiled import in_precision

SHAPE, ROUNDS = "medium", 3


def load_measured(folder: Path) -> Potential:
    """Read the model of mace-torch, and print time and memory."""
    path = folder / f"{SHAPE}.model"
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter()
    potential = atomgraph.load(path)
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path.name}, {path.stat().st_size / 2**20:.0f} MB: {seconds:.2f} s, {peak - before:.0f} MB more at its peak"
    )
    return potential


def measure(potential: Potential, peer: Peer | None, name: str, atoms: ase.Atoms, dtype: str) -> list[str]:
    """Return a row of the table."""
    graph, roof = AtomicGraph.from_ase(atoms, potential.cutoff), Roof(dtype)
    forces, mine, theirs = potential(graph)["forces"].numpy(), [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        potential(graph, stress=False)
        mine.append(time.process_time() - start)
        roof.turn()
        if peer is not None:
            theirs.append(peer.seconds(name, dtype, False))
    own = median(mine)
    row = [
        name,
        dtype,
        f"{1e6 * own / len(atoms):.0f}",
        roof.part(operations(potential, len(atoms), graph.n_edges), own),
    ]
    if peer is None:
        return [*row, "", "", "", ""]
    beside, exact = median(theirs), peer.forces(name, "float64")
    errors = [
        np.abs(result - exact).max() / np.sqrt(np.mean(exact**2)) for result in (forces, peer.forces(name, dtype))
    ]
    return [*row, f"{1e6 * beside / len(atoms):.0f}", f"{beside / own:.1f}", *(f"{error:.1e}" for error in errors)]


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder, peer = Path(place), None
        for name, atoms in structures().items():
            ase.io.write(folder / f"{name}.xyz", atoms, format="extxyz")
        if MACE_TORCH.is_there:
            peer = Peer(MACE_TORCH, folder, SHAPE)
        else:
            print(f"no {MACE_TORCH.name} at {MACE_TORCH.python}: only atomgraph is measured")
        potential = potential_of(SHAPE) if peer is None else load_measured(folder)
        for name in structures():
            atoms = ase.io.read(folder / f"{name}.xyz")  # both programs use the digits of the file
            for dtype in ("float64", "float32"):
                rows.append(measure(in_precision(potential, dtype), peer, name, atoms, dtype))
        if peer is not None:
            peer.close()
    columns = ["energy and forces", "dtype", "ours, µs/atom", "fraction of GEMM peak", "mace-torch, µs/atom"]
    print_table(f"Size of MACE-MP-0-{SHAPE}", [*columns, "mace-torch / ours", "error", "error of mace-torch"], rows)


if __name__ == "__main__":
    main()
