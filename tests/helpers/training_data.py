"""Small labelled structures and a small potential, made in the tests that train."""

from __future__ import annotations

import ase
import numpy as np
import torch
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph import Potential, models, readouts
from atomgraph.featurizers import RadialDensity
from atomgraph.graph.structure import AtomicGraph

CUTOFF = 4.0


def frames(n: int = 8, seed: int = 0) -> list[ase.Atoms]:
    """Rattled argon crystals and molecules of other sizes, with Lennard-Jones labels."""
    random = np.random.default_rng(seed)
    result = []
    for i in range(n):
        atoms = bulk("Ar", "fcc", a=5.2) * (1, 1, 1 + i % 3)
        if i % 4 == 3:
            atoms = ase.Atoms("Ar3", positions=[[0, 0, 0], [3.4, 0, 0], [0, 3.6, 0.3]])
        atoms.positions += 0.15 * random.standard_normal((len(atoms), 3))
        atoms.calc = LennardJones(sigma=3.3, epsilon=0.05, rc=CUTOFF, smooth=True)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        if atoms.pbc.all():
            labels["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info["config_type"] = "crystal" if atoms.pbc.all() else "molecule"
        result.append(atoms)
    return result


def graphs(n: int = 8, seed: int = 0) -> list[AtomicGraph]:
    return [AtomicGraph.from_ase(atoms, CUTOFF) for atoms in frames(n, seed)]


def potential(seed: int = 0, dtype: torch.dtype = torch.float64) -> Potential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        featurizer = RadialDensity(["Ar"], cutoff=CUTOFF, n_radial=4)
        readout = readouts.PerElementMLP(["Ar"], featurizer.irreps_out.dim, readout_hidden=[4])
        model = models.EnergyModel(["Ar"], models.Branch(CUTOFF, featurizer, [], [readout]))
    return Potential(model).to(dtype)


__all__ = ["CUTOFF", "frames", "graphs", "molecule", "potential"]
