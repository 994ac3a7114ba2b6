"""A molecule of 27 atoms (3BPA) through the ASE calculator: time of one step, energy and forces, compiled and as it is.

All atoms move at every step, as in dynamics; the calculator's own work is in the figures: neighbours, graph, ASE's copies.
Wall time and CPU time of one thread, the cases taking turns. ``mace_molecule.py [SHAPE ...]``, of default, small, medium.
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
STEPS, BEFORE, OF_MODEL = 300, 10, 15  # steps; that come before any is timed; as many of ours as one of the model


def stepping(atoms: ase.Atoms, calculator: Calculator) -> Callable[[], None]:
    """One step: every atom somewhere else, then its force."""
    atoms, random = atoms.copy(), np.random.default_rng(0)
    start, atoms.calc = atoms.positions.copy(), calculator

    def step() -> None:
        atoms.positions = start + random.normal(scale=0.02, size=start.shape)
        atoms.get_potential_energy()
        atoms.get_forces()

    return step


def measured(shape: str, dtype: str, molecule: ase.Atoms) -> list[object]:
    """A row of the table."""
    given = potential_of(shape)
    cases = {
        name: stepping(molecule, Calculator(given, dtype=dtype, compile=compile))
        for name, compile in (("compiled", True), ("as it is", False))
    }
    wall: dict[str, list[float]] = {name: [] for name in cases}
    cpu: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(BEFORE + STEPS):
        for name, step in cases.items():
            if number < BEFORE or name == "compiled" or number % OF_MODEL == 0:
                begin, worked = time.perf_counter(), time.process_time()
                step()
                if number >= BEFORE:
                    wall[name].append(1e3 * (time.perf_counter() - begin))
                    cpu[name].append(1e3 * (time.process_time() - worked))
    ours, model = wall["compiled"], wall["as it is"]
    row = [shape, dtype, f"{median(ours):.2f}", f"{min(ours):.2f}", f"{median(cpu['compiled']):.2f}"]
    return [*row, f"{median(model):.1f}", f"{median(model) / median(ours):.1f}"]


def main(shapes: list[str]) -> None:
    torch.set_num_threads(1)
    molecule = ase.io.read(MOLECULES, 0)
    molecule.calc = None
    rows = [measured(shape, dtype, molecule) for shape in shapes for dtype in ("float32", "float64")]
    columns = ["shape", "dtype", "compiled, ms", "the best", "CPU time", "as it is, ms", "as it is / compiled"]
    print_table(f"One step of {len(molecule)} atoms through the ASE calculator", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or [DEFAULT, "small", "medium"])
