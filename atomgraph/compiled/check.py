"""Comparison of the results of kernels with the results of the model."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from atomgraph.graph.geometry import volume
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential

#: Tolerances, relative to max(RMS of the quantity, floor). Floors: forces 0.1 eV/Å, interaction energies of atoms 0.1 eV,
#: virials 0.1 eV/Å × cutoff. Differences seen in practice are at most a fifth of the tolerances.
PRECISION = {torch.float64: 1e-8, torch.float32: 5e-5}
FORCE_FLOOR = 0.1  # eV/Å


class Difference(NamedTuple):
    """The quantity with the largest relative difference between kernels and model.

    Attributes:
        quantity: Name of the quantity.
        relative: Largest absolute difference, divided by ``scale``.
        scale: max(RMS of the quantity, floor), in ``unit``.
        unit: Unit of the quantity.
    """

    quantity: str
    relative: float
    scale: float
    unit: str

    def __str__(self) -> str:
        return f"{self.quantity} differ from the model's by {self.relative:.0e} of {self.scale:.2g} {self.unit}"


def largest_difference(result: dict[str, Tensor], model: Potential, graph: AtomicGraph) -> Difference:
    """Return the largest relative difference in energies, forces and, for structures with a volume, virials.

    Args:
        result: Results of the kernels for the graph, by name: ``node_energy``, ``forces`` and ``stress``.
        model: The model, in float64.
        graph: A graph of one structure.

    Returns:
        The quantity that differs most, and its difference.
    """
    numbers, element_index = graph.atomic_numbers.unique(return_inverse=True)
    extended, n_atoms = graph.clone(), graph.n_atoms
    extended.atomic_numbers = torch.cat([graph.atomic_numbers, numbers])  # one isolated atom of each element is added
    extended.pos = torch.cat([graph.pos, graph.pos.new_zeros(len(numbers), 3)])
    expected, volumes = model(extended), volume(graph)
    isolated = expected["node_energy"][n_atoms:][element_index]  # energy of each atom's element, eV
    expected |= {name: expected[name][:n_atoms] for name in ("node_energy", "forces")}
    virial, expected_virial = (
        (values["stress"] * volumes[:, None, None])[volumes > 0] for values in (result, expected)
    )
    interaction, expected_interaction = (values["node_energy"] - isolated for values in (result, expected))
    differences = [
        _difference("energies", interaction, expected_interaction, FORCE_FLOOR, "eV"),
        _difference("forces", result["forces"], expected["forces"], FORCE_FLOOR, "eV/Å"),
    ]
    if len(virial):
        differences.append(_difference("virials", virial, expected_virial, FORCE_FLOOR * model.cutoff, "eV"))
    return max(differences, key=lambda item: math.inf if math.isnan(item.relative) else item.relative)


def _difference(quantity: str, computed: Tensor, expected: Tensor, floor: float, unit: str) -> Difference:
    """Return the difference of a quantity between kernels and model; ``floor`` is the smallest scale, in ``unit``."""
    scale = max(float(expected.square().mean().sqrt()), floor)
    return Difference(f"compiled {quantity}", float((computed - expected).abs().max()) / scale, scale, unit)
