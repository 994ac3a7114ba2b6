"""How far results of kernels are from the model's, each by a size of its own kind."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential

#: Largest difference of forces from the model in float64, by their root mean square or 0.1 eV/Å, whichever is larger; of the
#: atoms' energies of interaction and of virials by theirs, or by that force over 1 Å and over the cutoff. What is met in
#: practice is at most a fifth of it.
PRECISION = {torch.float64: 1e-8, torch.float32: 5e-5}
FORCE = 0.1  # eV/Å


class Difference(NamedTuple):
    """Of what the kernels are off most, by how much, as a part of a size (in the unit that is named)."""

    what: str
    part: float
    size: float
    unit: str

    def __str__(self) -> str:
        return f"{self.what} differ from the model's by {self.part:.0e} of {self.size:.2g} {self.unit}"


def largest_difference(found: dict[str, Tensor], model: Potential, graph: AtomicGraph) -> Difference:
    """The worst of energies, forces and, where there is a volume, virials.

    Args:
        found: Of the graph, one structure, with stress.
        model: In float64.
    """
    numbers, kind = graph.atomic_numbers.unique(return_inverse=True)
    beside, n = graph.clone(), graph.n_atoms
    beside.atomic_numbers = torch.cat([graph.atomic_numbers, numbers])  # and each element alone, without edges
    beside.pos = torch.cat([graph.pos, graph.pos.new_zeros(len(numbers), 3)])
    wanted, size = model(beside), volume(graph)
    alone = wanted["node_energy"][n:][kind]
    wanted |= {name: wanted[name][:n] for name in ("node_energy", "forces")}
    virial, wanted_virial = ((each["stress"] * size[:, None, None])[size > 0] for each in (found, wanted))
    differences = [
        _difference("energies", found["node_energy"] - alone, wanted["node_energy"] - alone, FORCE, "eV"),
        _difference("forces", found["forces"], wanted["forces"], FORCE, "eV/Å"),
    ]
    if len(virial):
        differences.append(_difference("virials", virial, wanted_virial, FORCE * model.cutoff, "eV"))
    return max(differences, key=lambda each: math.inf if math.isnan(each.part) else each.part)


def _difference(what: str, found: Tensor, wanted: Tensor, least: float, unit: str) -> Difference:
    size = max(float(wanted.square().mean().sqrt()), least)
    return Difference(f"compiled {what}", float((found - wanted).abs().max()) / size, size, unit)
