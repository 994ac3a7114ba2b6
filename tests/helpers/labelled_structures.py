"""Small data for tests of data: the bundled silicon set, and made-up frames whose labels are known."""

from functools import cache
from pathlib import Path

import ase
import numpy as np
from ase.build import bulk, molecule
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator

SILICON = Path(__file__).parents[2] / "examples" / "data" / "mlearn_Si"


def labelled(atoms: ase.Atoms, **labels) -> ase.Atoms:
    """A copy that carries these labels."""
    copy = atoms.copy()
    copy.calc = SinglePointCalculator(copy, **labels)
    return copy


def morse(atoms: ase.Atoms, *names: str) -> ase.Atoms:
    """A copy with the labels of a Morse solid: gradients of an energy."""
    copy = atoms.copy()
    copy.calc = MorsePotential(epsilon=0.34, r0=2.87, rho0=3.9, rcut1=5.0, rcut2=6.0)
    get = {"energy": copy.get_potential_energy, "forces": copy.get_forces, "stress": copy.get_stress}
    return labelled(copy, **{name: get[name]() for name in names or get})


def crystals(n_frames: int = 8, seed: int = 0) -> list[ase.Atoms]:
    """Rattled and strained copper of four atoms; fresh copies each time."""
    return [labelled(atoms, **atoms.calc.results) for atoms in _crystals(n_frames, seed)]


@cache
def _crystals(n_frames: int, seed: int) -> list[ase.Atoms]:
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(n_frames):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.02 * random.standard_normal((3, 3))), scale_atoms=True)
        atoms.positions += 0.08 * random.standard_normal(atoms.positions.shape)
        frames.append(morse(atoms))
    return frames


def mixed() -> list[ase.Atoms]:
    """Frames of several elements and sizes, each with other labels: some with energy, some with forces, some with none."""
    water, methane, ammonia = molecule("H2O"), molecule("CH4"), molecule("NH3")
    hydrogen, oxygen = ase.Atoms("H"), ase.Atoms("O")
    copper = crystals(2)
    frames = [
        labelled(water, energy=-14.0, forces=np.zeros((3, 3))),
        labelled(water, energy=-14.0),
        labelled(methane, forces=np.full((5, 3), 0.5) * np.array([1, -1, 1, -1, 0])[:, None]),
        methane,
        labelled(ammonia, energy=-19.5, forces=np.zeros((4, 3))),
        labelled(hydrogen, energy=-1.1),
        labelled(oxygen, energy=-1.9),
        *copper,
    ]
    for number, atoms in enumerate(frames):
        atoms.info["config_type"] = ("molecule", "atom", "crystal")[(number > 4) + (number > 6)]
    return frames
