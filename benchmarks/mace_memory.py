"""Measure the additional peak memory of one evaluation of energies and forces by compiled MACE, in the sizes of MACE-MP-0.

The structure is silicon, with one thread. Each case runs in a separate process and includes graph and neighbour list. The model
without kernels, and mace-torch (``make bench-peers``), are measured for few atoms only.
Usage: ``mace_memory.py [SIZE [REPEAT ...]]`` for 8 · REPEAT³ atoms; the default size is medium.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ase.io
import torch
from measuring.peer import MACE_TORCH, Peer
from measuring.shapes import potential_of, silicon
from measuring.timing import print_table

import atomgraph
from atomgraph import AtomicGraph
from atomgraph.analysis.speed import peak_memory

REPEATS = (5, 11, 23)  # 1000, 10648, 97336 atoms
FEW = 3
FORMS = ("compiled", "not compiled")


def evaluate(form: str, shape: str, dtype: str, repeat: int) -> None:
    """Print CPU time, s, and additional peak memory, MB; called in a separate process."""
    torch.set_num_threads(1)
    potential = potential_of(shape)
    potential = (
        potential.to(getattr(torch, dtype)) if form == "not compiled" else atomgraph.compile(potential, dtype=dtype)
    )
    potential(AtomicGraph.from_ase(silicon(2), potential.cutoff))
    atoms, start = silicon(repeat), time.process_time()
    memory = peak_memory(
        lambda: potential(AtomicGraph.from_ase(atoms, potential.cutoff), stress=False), potential.device
    )
    print(time.process_time() - start, memory / 2**20)


def measure_atomgraph(form: str, shape: str, dtype: str, repeat: int) -> tuple[float, float]:
    """Run ``evaluate`` in a separate process; return CPU time, s, and memory, MB."""
    command = [sys.executable, __file__, form, shape, dtype, str(repeat)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr[-2000:]}")
    seconds, memory = done.stdout.split()[-2:]
    return float(seconds), float(memory)


def measure_mace_torch(shape: str, dtype: str, repeat: int) -> tuple[float, float]:
    """Return CPU time, s, and memory, MB, of the second evaluation by mace-torch."""
    with tempfile.TemporaryDirectory() as folder:
        ase.io.write(f"{folder}/silicon.xyz", silicon(repeat), format="extxyz")
        peer = Peer(MACE_TORCH, Path(folder), shape)
        result = [peer.spent("silicon", dtype, False) for _ in range(2)][1]
        peer.close()
    return result


def main(shape: str, repeats: list[int]) -> None:
    rows: list[list[object]] = []
    for dtype in ("float32", "float64"):
        result = {("compiled", repeat): measure_atomgraph("compiled", shape, dtype, repeat) for repeat in repeats}
        result["not compiled", FEW] = measure_atomgraph("not compiled", shape, dtype, FEW)
        if MACE_TORCH.python.is_file():
            result["mace-torch", FEW] = measure_mace_torch(shape, dtype, FEW)
        for (form, repeat), (seconds, memory) in result.items():
            n_atoms = 8 * repeat**3
            cells = [f"{memory:.0f}", f"{memory / n_atoms:.3f}", f"{1e6 * seconds / n_atoms:.0f}"]
            rows.append([form, dtype, n_atoms, *cells])
    columns = ["", "dtype", "atoms", "peak, MB", "MB/atom", "CPU time with the neighbour list, µs/atom"]
    print_table(f"Memory of one evaluation, size of MACE-MP-0-{shape}", columns, rows)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] in FORMS:
        evaluate(*sys.argv[1:4], int(sys.argv[4]))
    else:
        arguments = sys.argv[1:] or ["medium"]
        main(arguments[0], [int(word) for word in arguments[1:]] or list(REPEATS))
