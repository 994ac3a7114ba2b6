"""A smooth potential of two parts that are no parts of atomgraph: small enough to check by hand, quick everywhere."""

import ase
import numpy as np
import torch
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from e3nn import o3

from atomgraph.models import Baseline, Branch, EnergyModel
from atomgraph.nn.protocols import Featurizer, Readout
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential


class Humps(Featurizer):
    """h_i = Σ_j w[z_j] exp(−(r_ij − μ_n)²) (1 − r/r_c)³."""

    def __init__(self, elements, cutoff, n_radial=4):
        super().__init__()
        self.elements, self.cutoff, self.irreps_out = list(elements), cutoff, o3.Irreps(f"{n_radial}x0e")
        self.weight = torch.nn.Parameter(1.0 + torch.arange(len(elements)))
        self.register_buffer("centres", torch.linspace(0.8, cutoff, n_radial), persistent=False)

    def forward(self, graph, edges):
        envelope = (1 - edges.length / self.cutoff).clamp(min=0) ** 3
        hump = torch.exp(-((edges.length[:, None] - self.centres) ** 2)) * envelope[:, None]
        return sum_to(hump * self.weight[edges.element_of_neighbour][:, None], edges.centre, edges.n_atoms)


class Bent(Readout):
    """tanh(h) W, one column a head."""

    def __init__(self, channels, n_outputs=1, seed=0):
        super().__init__()
        self.irreps_in, self.n_outputs = o3.Irreps(f"{channels}x0e"), n_outputs
        random = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(channels, n_outputs, generator=random))

    def forward(self, h, graph, edges):
        return torch.tanh(h) @ self.weight


def potential(elements=("H", "O", "Si"), *, cutoff=3.5, heads=("default",), dtype=torch.float64, seed=0, metadata=None):
    branch = Branch(cutoff, Humps(elements, cutoff), readouts=[Bent(4, len(heads), seed)])
    model = EnergyModel(elements, branch, Baseline(elements, heads))
    model.baseline.set_e0({symbol: -3.0 - i for i, symbol in enumerate(elements)})
    return Potential(model, metadata).to(dtype).eval()


def structures():
    """A rattled crystal, a molecule, a strained two-element cell, one atom alone, a slab."""
    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.1, seed=1)
    water = molecule("H2O")
    quartzish = bulk("SiO", "zincblende", a=4.6)
    quartzish.set_cell(quartzish.cell @ np.array([[1.02, 0.01, 0], [0, 0.99, 0], [0, 0, 1.03]]), scale_atoms=True)
    slab = bulk("Si", cubic=True)
    slab.pbc = (True, True, False)
    slab.cell[2] = 0.0
    return [silicon, water, quartzish, ase.Atoms("H"), slab]


def labelled(frames, truth, *, types=("crystal", "molecule", "crystal", "molecule", "slab")):
    """The frames with the numbers of a potential as their labels (stress where there is a volume)."""
    result = []
    for i, (atoms, numbers) in enumerate(zip(frames, truth.predict(frames), strict=True)):
        atoms = atoms.copy()
        labels = {"energy": numbers["energy"], "forces": numbers["forces"]}
        if np.isfinite(numbers["stress"]).all():
            labels["stress"] = numbers["stress"].ravel()[[0, 4, 8, 5, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info["config_type"] = types[i % len(types)]
        result.append(atoms)
    return result
