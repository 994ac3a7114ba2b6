"""Probe structures: small parts of a graph with all its elements, on which kernels are compared with the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph

MAX_DISPLACEMENT = 0.1  # Å; without displacements, terms that cancel by symmetry would not be compared


def probe_structures(graph: AtomicGraph, numbers: set[int], n_atoms: int) -> Iterator[AtomicGraph]:
    """Yield small parts of a graph that together contain every given element that has neighbours in the graph.

    A probe contains one central atom for each of several elements, its nearest neighbours, and all edges among these atoms.
    Positions are displaced at random by up to ``MAX_DISPLACEMENT`` along each axis.

    Args:
        graph: One structure or a batch.
        numbers: Atomic numbers of the elements.
        n_atoms: Maximum number of atoms of a probe, at least 2.

    Yields:
        Probes, each a graph of one structure.
    """
    central_atoms = _find_central_atoms(graph, numbers)
    while central_atoms:
        structure = int(graph.graph_of_atom[central_atoms[0]])
        same_structure = [atom for atom in central_atoms if int(graph.graph_of_atom[atom]) == structure]
        chosen = same_structure[: n_atoms // 2]
        rows = {row for atom in chosen for row in _nearest_atoms(graph, atom, n_atoms // len(chosen))}
        probe = _select_atoms(graph, torch.tensor(sorted(rows)), structure)
        yield probe
        probed_numbers = set(probe.atomic_numbers[probe.edge_index[1]].tolist())
        central_atoms = [atom for atom in central_atoms if int(graph.atomic_numbers[atom]) not in probed_numbers]


def _find_central_atoms(graph: AtomicGraph, numbers: set[int]) -> list[int]:
    """Return, for each atomic number, the row of the first atom that has neighbours."""
    has_neighbours = torch.zeros(graph.n_atoms, dtype=torch.bool)
    has_neighbours[graph.edge_index[1]] = True
    rows = [torch.nonzero(has_neighbours & (graph.atomic_numbers == z))[:1, 0] for z in sorted(numbers)]
    return [int(row) for row in torch.cat(rows)]


def _nearest_atoms(graph: AtomicGraph, central_atom: int, max_atoms: int) -> list[int]:
    """Return the rows of a central atom and its nearest neighbours, at most ``max_atoms`` rows."""
    edges = torch.nonzero(graph.edge_index[1] == central_atom)[:, 0]
    neighbour = graph.edge_index[0, edges]
    shift = graph.cell_shift[edges].double() @ graph.cell[graph.graph_of_atom[central_atom]].double()
    vector = (graph.pos[central_atom] - graph.pos[neighbour]).detach().double() + shift
    nearest = neighbour[torch.argsort(torch.linalg.vector_norm(vector, dim=1))].tolist()
    return list(dict.fromkeys([central_atom, *nearest]))[:max_atoms]


def _select_atoms(graph: AtomicGraph, atoms: Tensor, structure: int) -> AtomicGraph:
    """Return the graph of some atoms of one structure, with random displacements and the edges among these atoms."""
    probe_row = torch.full((graph.n_atoms,), -1)
    probe_row[atoms] = torch.arange(len(atoms))
    neighbour, centre = graph.edge_index
    is_inside = (probe_row[centre] >= 0) & (probe_row[neighbour] >= 0)
    displacement = np.random.default_rng(0).uniform(-MAX_DISPLACEMENT, MAX_DISPLACEMENT, (len(atoms), 3))
    properties = {name: graph[name][structure][None] for name in ("cell", "pbc", "cutoff", "head", "charge", "spin")}
    return AtomicGraph(
        atomic_numbers=graph.atomic_numbers[atoms],
        pos=graph.pos[atoms].detach().double() + torch.from_numpy(displacement),
        edge_index=probe_row[graph.edge_index[:, is_inside]],
        cell_shift=graph.cell_shift[is_inside],
        **properties,
    )
