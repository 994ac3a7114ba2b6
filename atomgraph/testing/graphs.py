"""Small structures and graphs for tests, with four elements."""

from collections.abc import Iterable
from functools import partial

import ase
import torch
from torch_geometric.data import Batch

from atomgraph.analysis.laws import structures as _structures
from atomgraph.graph import AtomicGraph
from atomgraph.old_names import old_names_of

ELEMENTS = ["H", "C", "O", "Si"]  # elements of the test structures; tested parts and models must support these elements

molecule = partial(_structures.molecule, ELEMENTS)
crystal = partial(_structures.crystal, ELEMENTS)
slab = partial(_structures.slab, ELEMENTS)
wire = partial(_structures.wire, ELEMENTS)
molecule_with_atom_at = partial(_structures.molecule_with_atom_at, ELEMENTS)


def sample_structures() -> dict[str, ase.Atoms]:
    """Return a molecule, a triclinic crystal, a slab and a wire, by name."""
    return _structures.sample_structures(ELEMENTS)


def make_graph(atoms: ase.Atoms, cutoff: float) -> AtomicGraph:
    """Return the graph of a structure with a cutoff, Å."""
    return AtomicGraph.from_ase(atoms, cutoff)


def make_batch(graphs: Iterable[AtomicGraph]) -> Batch:
    """Return a batch of graphs."""
    return Batch.from_data_list(list(graphs))


def generator(seed: int = 0) -> torch.Generator:
    """Return a random number generator with a seed."""
    return torch.Generator().manual_seed(seed)


__getattr__ = old_names_of(__name__)
