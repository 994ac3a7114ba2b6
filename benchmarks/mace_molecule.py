"""Measure a step (energy and forces) of a molecule of 27 atoms (3BPA) with the ASE calculator, with and without kernels.

All atoms move in every step, as in dynamics. Times include the work of the calculator: neighbours, graph, and copies of ASE.
Measured are wall time and CPU time of one thread; the cases run alternately. Usage: ``mace_molecule.py [SIZE ...]``; sizes are
default, small and medium.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import ase.io
import numpy as np
import torch
from measuring.shapes import DEFAULT, potential_of
from measuring.timing import print_table

from atomgraph import Calculator

MOLECULES = Path(__file__).parent.parent / "examples/data/3bpa/train_300K.xyz.gz"
STEPS, WARM_UP, MODEL_INTERVAL = 300, 10, 15  # timed steps; steps before them; compiled steps per step of the model


def make_step(atoms: ase.Atoms, calculator: Calculator) -> Callable[[], None]:
    """Return a function that displaces all atoms at random and computes energy and forces."""
    atoms, random = atoms.copy(), np.random.default_rng(0)
    start, atoms.calc = atoms.positions.copy(), calculator

    def step() -> None:
        atoms.positions = start + random.normal(scale=0.02, size=start.shape)
        atoms.get_potential_energy()
        atoms.get_forces()

    return step


def measure(shape: str, dtype: str, molecule: ase.Atoms) -> list[object]:
    """Return a row of the table."""
    potential = potential_of(shape)
    cases = {
        name: make_step(molecule, Calculator(potential, dtype=dtype, compile=compile))
        for name, compile in (("compiled", True), ("not compiled", False))
    }
    wall: dict[str, list[float]] = {name: [] for name in cases}
    cpu: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(WARM_UP + STEPS):
        for name, step in cases.items():
            if number < WARM_UP or name == "compiled" or number % MODEL_INTERVAL == 0:
                begin, worked = time.perf_counter(), time.process_time()
                step()
                if number >= WARM_UP:
                    wall[name].append(1e3 * (time.perf_counter() - begin))
                    cpu[name].append(1e3 * (time.process_time() - worked))
    compiled, model = wall["compiled"], wall["not compiled"]
    row = [shape, dtype, f"{median(compiled):.2f}", f"{min(compiled):.2f}", f"{median(cpu['compiled']):.2f}"]
    return [*row, f"{median(model):.1f}", f"{median(model) / median(compiled):.1f}"]


def main(shapes: list[str]) -> None:
    torch.set_num_threads(1)
    molecule = ase.io.read(MOLECULES, 0)
    molecule.calc = None
    rows = [measure(shape, dtype, molecule) for shape in shapes for dtype in ("float32", "float64")]
    columns = ["shape", "dtype", "compiled, ms", "shortest", "CPU time", "not compiled, ms", "not compiled / compiled"]
    print_table(f"One step of {len(molecule)} atoms with the ASE calculator", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or [DEFAULT, "small", "medium"])
