"""The small structures that tests share: elements that the parts under test know, and graphs made of them."""

from functools import partial

import torch
from torch_geometric.data import Batch

from atomgraph.analysis.laws import structures as _specimens
from atomgraph.graph import AtomicGraph

ELEMENTS = ["H", "C", "O", "Si"]  # what every part under the laws should know

molecule = partial(_specimens.molecule, ELEMENTS)
crystal = partial(_specimens.crystal, ELEMENTS)
slab = partial(_specimens.slab, ELEMENTS)
wire = partial(_specimens.wire, ELEMENTS)
crossing = partial(_specimens.crossing, ELEMENTS)


def specimens():
    """A rattled molecule, a strained triclinic crystal, a slab and a wire that sees its own images; by name."""
    return _specimens.specimens(ELEMENTS)


def graph_of(atoms, cutoff) -> AtomicGraph:
    return AtomicGraph.from_ase(atoms, cutoff)


def batch_of(graphs) -> Batch:
    return Batch.from_data_list(list(graphs))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
