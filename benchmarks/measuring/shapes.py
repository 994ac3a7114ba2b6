"""What the benchmarks of MACE evaluate: models in the published shapes, weights random; silicon of any size, and water."""

import ase
import numpy as np
import torch
from ase.build import bulk, molecule
from ase.data import chemical_symbols

from atomgraph import Potential
from atomgraph.models import MACE

NOT_KNOWN = {84, 85, 86, 87, 88}  # of the first 94 elements, those that MACE-MP-0 does not know
NEIGHBOURS = 62.0
DEFAULT = "default"  # 64x0e+64x1o, what ``MACE(elements, cutoff)`` is


def potential_of(shape: str) -> Potential:
    """89 elements, l up to 3, products of three, 6 Å, float64; ``small``, ``medium``, ``large`` as MACE-MP-0, ``default``."""
    torch.manual_seed(0)
    elements = [symbol for z, symbol in enumerate(chemical_symbols) if 0 < z < 95 and z not in NOT_KNOWN]
    model = MACE(elements, 6.0, size=None if shape == DEFAULT else shape).double()
    for layer in model.branches[0].layers:
        layer.interaction.neighbours.number.fill_(NEIGHBOURS)
    return Potential(model).eval()


def silicon(repeat: int) -> ase.Atoms:
    """8 · repeat³ atoms, shaken."""
    atoms = bulk("Si", cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(0.05, seed=0)
    return atoms


def water_box() -> ase.Atoms:
    """64 water molecules on a lattice, turned and shaken."""
    random, atoms = np.random.default_rng(0), ase.Atoms(cell=[12.42] * 3, pbc=True)
    for place in np.ndindex(4, 4, 4):
        first = molecule("H2O")
        first.rotate(random.uniform(0, 360), random.normal(size=3))
        first.positions += 3.105 * np.array(place) - first.positions.mean(axis=0)
        atoms += first
    atoms.rattle(0.02, seed=0)
    return atoms


def structures() -> dict[str, ase.Atoms]:
    """Those of the comparison with mace-torch."""
    return {"Si64": silicon(2), "water192": water_box()}
