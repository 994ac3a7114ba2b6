"""The small structures that tests share: elements that the parts under test know, and graphs made of them."""

from functools import partial

import torch
from torch_geometric.data import Batch

from atomgraph.analysis.laws import structures as _structures
from atomgraph.graph import AtomicGraph

ELEMENTS = ["H", "C", "O", "Si"]  # what every part under the laws should know

molecule = partial(_structures.molecule, ELEMENTS)
crystal = partial(_structures.crystal, ELEMENTS)
slab = partial(_structures.slab, ELEMENTS)
wire = partial(_structures.wire, ELEMENTS)
crossing = partial(_structures.molecule_with_atom_at, ELEMENTS)


def sample_structures():
    """A rattled molecule, a strained triclinic crystal, a slab and a wire that sees its own images; by name."""
    return _structures.sample_structures(ELEMENTS)


def graph_of(atoms, cutoff) -> AtomicGraph:
    return AtomicGraph.from_ase(atoms, cutoff)


def batch_of(graphs) -> Batch:
    return Batch.from_data_list(list(graphs))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
