"""Peak memory of one evaluation, energies and forces, of compiled MACE in a shape of MACE-MP-0, beyond what was held before.

Silicon, one thread, each case in a process of its own; graph and neighbour list are made inside. The model as it is, and
mace-torch where its environment is (``make bench-peers``), are asked for a few atoms only.
``mace_memory.py [SHAPE [REPEAT ...]]``: of medium, 8 · REPEAT³ atoms.
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
FORMS = ("compiled", "as it is")


def evaluate(form: str, shape: str, dtype: str, repeat: int) -> None:
    """In a process of its own: CPU seconds, and MB on top."""
    torch.set_num_threads(1)
    potential = potential_of(shape)
    potential = potential.to(getattr(torch, dtype)) if form == "as it is" else atomgraph.compile(potential, dtype=dtype)
    potential(AtomicGraph.from_ase(silicon(2), potential.cutoff))
    atoms, start = silicon(repeat), time.process_time()
    memory = peak_memory(
        lambda: potential(AtomicGraph.from_ase(atoms, potential.cutoff), stress=False), potential.device
    )
    print(time.process_time() - start, memory / 2**20)


def of_ours(form: str, shape: str, dtype: str, repeat: int) -> tuple[float, float]:
    """``evaluate`` in its process."""
    command = [sys.executable, __file__, form, shape, dtype, str(repeat)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr[-2000:]}")
    seconds, memory = done.stdout.split()[-2:]
    return float(seconds), float(memory)


def of_mace_torch(shape: str, dtype: str, repeat: int) -> tuple[float, float]:
    """CPU seconds and MB of its second evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        ase.io.write(f"{folder}/silicon.xyz", silicon(repeat), format="extxyz")
        peer = Peer(MACE_TORCH, Path(folder), shape)
        result = [peer.spent("silicon", dtype, False) for _ in range(2)][1]
        peer.close()
    return result


def main(shape: str, repeats: list[int]) -> None:
    rows: list[list[object]] = []
    for dtype in ("float32", "float64"):
        result = {("compiled", repeat): of_ours("compiled", shape, dtype, repeat) for repeat in repeats}
        result["as it is", FEW] = of_ours("as it is", shape, dtype, FEW)
        if MACE_TORCH.python.is_file():
            result["mace-torch", FEW] = of_mace_torch(shape, dtype, FEW)
        for (form, repeat), (seconds, memory) in result.items():
            n_atoms = 8 * repeat**3
            cells = [f"{memory:.0f}", f"{memory / n_atoms:.3f}", f"{1e6 * seconds / n_atoms:.0f}"]
            rows.append([form, dtype, n_atoms, *cells])
    columns = ["", "dtype", "atoms", "peak, MB", "MB/atom", "CPU time with the neighbour list, µs/atom"]
    print_table(f"Memory of one evaluation, the shape of MACE-MP-0-{shape}", columns, rows)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] in FORMS:
        evaluate(*sys.argv[1:4], int(sys.argv[4]))
    else:
        arguments = sys.argv[1:] or ["medium"]
        main(arguments[0], [int(word) for word in arguments[1:]] or list(REPEATS))
