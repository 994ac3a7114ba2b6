"""You will learn to use a potential in ASE: relax a crystal and its cell, strain it, and run dynamics at constant energy."""

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


def train_or_load_potential(max_epochs: int) -> atomgraph.Potential:
    """Return a potential from a short training; for your own potential use ``atomgraph.load``."""
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
    potential = train_or_load_potential(max_epochs)

    # The calculator works with all ASE methods. Relaxations converge better with float64.
    crystal = bulk("Si", cubic=True, a=5.6)
    crystal.calc = atomgraph.Calculator(potential, dtype="float64")
    print(
        f"start:   a = {crystal.cell.lengths()[0]:.3f} Å, pressure {-crystal.get_stress()[:3].mean() / units.GPa:+.2f} GPa"
    )
    BFGS(FrechetCellFilter(crystal), logfile=None).run(fmax=0.005, steps=100)
    print(
        f"relaxed: a = {crystal.cell.lengths()[0]:.3f} Å, pressure {-crystal.get_stress()[:3].mean() / units.GPa:+.2f} GPa"
    )

    # C11 is the derivative of the stress with respect to strain along x.
    strain, stress = 0.005, []
    for sign in (1, -1):
        strained = crystal.copy()
        strained.calc = crystal.calc
        strained.set_cell(crystal.cell.array @ np.diag([1 + sign * strain, 1, 1]), scale_atoms=True)
        stress.append(strained.get_stress()[0])
    print(f"C11 = {(stress[0] - stress[1]) / (2 * strain) / units.GPa:.0f} GPa (experiment 166 GPa)")

    # Neighbour lists use the cutoff plus a skin. They are built again when atoms have moved further than the skin allows.
    supercell = crystal * (2, 2, 2)
    supercell.calc = atomgraph.Calculator(potential, dtype="float64", skin=0.5)
    set_thermal_velocities(supercell, 600, np.random.default_rng(0))
    energies = []
    dynamics = VelocityVerlet(supercell, timestep=1.0 * units.fs)
    dynamics.attach(lambda: energies.append(supercell.get_total_energy()))
    dynamics.run(100)
    change = 1000 * np.ptp(energies) / len(supercell)
    print(
        f"100 fs of {len(supercell)} atoms: total energy within {change:.3f} meV/atom, {supercell.get_temperature():.0f} K"
    )
    print(f"  {supercell.calc.n_neighbour_lists} neighbour list(s) for {len(energies)} steps")

    # Elements that the potential does not support are an error.
    germanium = bulk("Ge")
    germanium.calc = supercell.calc
    try:
        germanium.get_potential_energy()
    except GraphError as error:
        print(f"germanium: {error}")


if __name__ == "__main__":
    main()
