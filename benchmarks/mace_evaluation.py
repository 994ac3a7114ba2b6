"""MACE of MACE-MP-0-medium's shape: opening the file, energy and forces, beside mace-torch in its own environment.

ATOMGRAPH_MACE_CHECKPOINTS names the folder of tests/peers/mace_torch/checkpoints.py (``big.model``: 89 elements,
128x0e+128x1o); ATOMGRAPH_MACE_PYTHON the Python of an environment with mace-torch. Without the first a model of the same
shape is made here; without the second ours is timed alone.
"""

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase.build import molecule
from shapes import silicon
from timing import print_table

import atomgraph
from atomgraph import AtomicGraph, Potential
from atomgraph.models import MACE

ROUNDS = 3
PEER = """
import sys, time, warnings; warnings.filterwarnings("ignore")
import ase.io, torch; torch.set_num_threads(1)
from mace.calculators import MACECalculator
atoms = ase.io.read(sys.argv[2])
calc = MACECalculator(model_paths=sys.argv[1], device="cpu", default_dtype=sys.argv[3])
batch = calc._clone_batch(calc._atoms_to_batch(atoms))
model = calc.models[0]
for line in sys.stdin:
    start = time.process_time()
    forces = model(batch.to_dict(), compute_stress=False)["forces"]
    print(time.process_time() - start, forces.double().abs().max().item(), flush=True)
"""


def water_box() -> ase.Atoms:
    """64 water molecules on a lattice, turned and shaken."""
    random, atoms = np.random.default_rng(0), ase.Atoms(cell=[12.42] * 3, pbc=True)
    for place in np.ndindex(4, 4, 4):
        one = molecule("H2O")
        one.rotate(random.uniform(0, 360), random.normal(size=3))
        one.positions += 3.105 * np.array(place) - one.positions.mean(axis=0)
        atoms += one
    atoms.rattle(0.02, seed=0)
    return atoms


def peer(path: Path, structure: Path, dtype: str) -> subprocess.Popen | None:
    """mace-torch, waiting for a line to evaluate."""
    python = os.environ.get("ATOMGRAPH_MACE_PYTHON")
    if not python or not path.is_file():
        return None
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    command = [python, "-c", PEER, str(path), str(structure), dtype]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, env=environment, cwd=structure.parent, **pipes)


def asked(process: subprocess.Popen) -> tuple[float, float]:
    """CPU seconds of one evaluation, and the largest force."""
    process.stdin.write("\n")
    process.stdin.flush()
    while len(words := (line := process.stdout.readline()).split()) != 2:
        if not line:
            raise SystemExit("mace-torch ended without an answer")
    return float(words[0]), float(words[1])


def main() -> None:
    torch.set_num_threads(1)
    file = Path(os.environ.get("ATOMGRAPH_MACE_CHECKPOINTS", "")) / "big.model"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    potential = atomgraph.load(file) if file.is_file() else Potential(MACE(["H", "O", "Si"], 6.0, size="medium")).eval()
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{file if file.is_file() else 'made here'}: {seconds:.2f} s, {peak - before:.0f} MB more at its peak\n")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, atoms in (("Si64", silicon(2)), ("water, 192 atoms", water_box())):
            structure = Path(folder) / "structure.xyz"
            ase.io.write(structure, atoms, format="extxyz")
            for dtype in ("float32", "float64"):
                ours = atomgraph.load(file, dtype=dtype) if file.is_file() else potential.to(getattr(torch, dtype))
                graph, other = AtomicGraph.from_ase(atoms, ours.cutoff), peer(file, structure, dtype)
                times, theirs = [], []
                for _ in range(ROUNDS + 1):  # the first makes what later ones use
                    start = time.process_time()
                    ours(graph, stress=False)
                    times.append(time.process_time() - start)
                    if other is not None:
                        theirs.append(asked(other)[0])
                per_atom = 1e6 * np.median(times[1:]) / len(atoms)
                beside = 1e6 * np.median(theirs[1:]) / len(atoms) if theirs else float("nan")
                rows.append([name, dtype, f"{per_atom:.0f}", f"{beside:.0f}", f"{beside / per_atom:.2f}"])
                if other is not None:
                    other.kill()
    columns = ["energy and forces", "dtype", "ours, µs/atom", "mace-torch, µs/atom", "mace-torch / ours"]
    print_table("MACE-MP-0-medium's shape", columns, rows)


if __name__ == "__main__":
    main()
