"""Compare conservation of energy by a MACE with and without kernels: 64 silicon atoms, velocity Verlet, 1 fs, from 600 K.

Without a given potential, a small model (16x0e+16x1o, l up to 2, order 3) is trained on the bundled silicon data for a few
minutes. The same 10 ps are computed by the model in float64, and by kernels in float64 and in mixed precision (float32, with
sums of energies and stresses in float64). Usage: ``mace_nve.py [POTENTIAL [PICOSECONDS]]``.
"""

import sys
import tempfile
from pathlib import Path

import torch
from ase.build import bulk
from measuring.timing import print_table

import atomgraph
from atomgraph import Potential
from atomgraph.analysis.dynamics import nve

DATA = Path(__file__).parent.parent / "examples/data/mlearn_Si"
EPOCHS = 20


def train_potential() -> Potential:
    """Train a small MACE; errors of forces are 0.1 to 0.2 eV/Å."""
    config = {
        "seed": 1,
        "data": {"train": str(DATA / "train.xyz.gz"), "valid": 0.1, "edge_budget": 2000},
        "model": {"kind": "MACE", "elements": "auto", "cutoff": 5.0, "hidden_irreps": "16x0e+16x1o", "l_max": 2},
        "baseline": {"e0": "least_squares", "scale": "force_rms"},
        "fit": {"kind": "gradient", "max_epochs": EPOCHS, "accelerator": "cpu"},
    }
    config["model"] |= {"radial": {"n_radial": 8}, "layer": {"radial_hidden": [32, 32]}}
    with tempfile.TemporaryDirectory() as folder:
        potential, _ = atomgraph.train(config | {"output": {"folder": f"{folder}/run", "report": False}})
    return potential


def main(path: str | None, picoseconds: float) -> None:
    torch.set_num_threads(1)
    potential = train_potential() if path is None else atomgraph.load(path)
    potential = potential.double().eval()
    cases = {
        "model, float64": potential,
        "compiled, float64": atomgraph.compile(potential),
        "compiled, mixed": atomgraph.compile(potential, dtype="mixed"),
    }
    atoms, rows = bulk("Si", "diamond", 5.43, cubic=True).repeat(2), []
    for name, evaluator in cases.items():
        record = nve(evaluator, atoms, kelvin=600.0, timestep=1.0, steps=round(1000 * picoseconds))
        late_temperatures = record.temperature[len(record.temperature) // 2 :]
        cells = [
            f"{record.drift:+.5f}",
            f"{record.fluctuation:.5f}",
            f"{sum(late_temperatures) / len(late_temperatures):.0f}",
        ]
        rows.append([name, *cells, f"{1e3 * record.seconds_per_step:.1f}"])
    columns = [
        "",
        "drift, meV/atom/ps",
        "fluctuation about the drift, meV/atom",
        "temperature, K",
        "wall time per step, ms",
    ]
    print_table(f"{picoseconds:g} ps of 64 silicon atoms at constant energy", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None, float(sys.argv[2]) if len(sys.argv) > 2 else 10.0)
