"""You will learn to use a potential in ASE: relax a crystal and its cell, stretch it, and let it move at constant energy."""

from pathlib import Path

import numpy as np
from ase import units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

import atomgraph
from atomgraph.analysis.dynamics import set_thermal_velocities
from atomgraph.errors import GraphError

DATA = Path(__file__).parent / "data" / "mlearn_Si" / "train.xyz.gz"
FOLDER = Path("runs/example_05")


def a_potential(max_epochs: int) -> atomgraph.Potential:
    """A quick one; yours comes from ``atomgraph.load``."""
    if (FOLDER / "model.safetensors").is_file():
        return atomgraph.load(FOLDER)
    config = {
        "data": {"train": f"{DATA}@::4", "valid": 0.1, "stratify": True},
        "model": {"kind": "BehlerParrinello", "elements": "auto", "cutoff": 4.5, "readout_hidden": [16, 16]},
        "fit": {
            "optimizer": {"kind": "Adam", "lr": 0.01},
            "schedule": [{"kind": "cosine"}],
            "max_epochs": max_epochs,
        },
        "output": {"folder": str(FOLDER), "report": False},
    }
    return atomgraph.train(config, quiet=True, overwrite=True)[0]


def main(max_epochs: int = 10) -> None:
    potential = a_potential(max_epochs)

    # Any structure, any ASE tool. float64 makes forces smooth to the last digits, which relaxations like.
    crystal = bulk("Si", cubic=True, a=5.6)
    crystal.calc = atomgraph.Calculator(potential, dtype="float64")
    print(
        f"start:   a = {crystal.cell.lengths()[0]:.3f} Å, pressure {-crystal.get_stress()[:3].mean() / units.GPa:+.2f} GPa"
    )
    BFGS(FrechetCellFilter(crystal), logfile=None).run(fmax=0.005, steps=100)
    print(
        f"relaxed: a = {crystal.cell.lengths()[0]:.3f} Å, pressure {-crystal.get_stress()[:3].mean() / units.GPa:+.2f} GPa"
    )

    # C11 from stresses: stretch along x, see what pulls back.
    strain, stress = 0.005, []
    for sign in (1, -1):
        stretched = crystal.copy()
        stretched.calc = crystal.calc
        stretched.set_cell(crystal.cell.array @ np.diag([1 + sign * strain, 1, 1]), scale_atoms=True)
        stress.append(stretched.get_stress()[0])
    print(f"C11 = {(stress[0] - stress[1]) / (2 * strain) / units.GPa:.0f} GPa (experiment 166 GPa)")

    # Dynamics: neighbour lists reach a skin beyond the cutoff, and are rebuilt only when an atom has left it.
    moving = crystal * (2, 2, 2)
    moving.calc = atomgraph.Calculator(potential, dtype="float64", skin=0.5)
    set_thermal_velocities(moving, 600, np.random.default_rng(0))
    energies = []
    dynamics = VelocityVerlet(moving, timestep=1.0 * units.fs)
    dynamics.attach(lambda: energies.append(moving.get_total_energy()))
    dynamics.run(100)
    change = 1000 * np.ptp(energies) / len(moving)
    print(f"100 fs of {len(moving)} atoms: total energy within {change:.3f} meV/atom, {moving.get_temperature():.0f} K")
    print(f"  {moving.calc.n_neighbour_lists} neighbour list(s) for {len(energies)} steps")

    # What it does not know, it refuses.
    germanium = bulk("Ge")
    germanium.calc = moving.calc
    try:
        germanium.get_potential_energy()
    except GraphError as error:
        print(f"germanium: {error}")


if __name__ == "__main__":
    main()
