"""Probe structures: small parts of a graph that hold all its elements, on which kernels and model are compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph

RATTLE = 0.1  # Å; without it, terms that cancel by symmetry would not be compared


def probe_structures(graph: AtomicGraph, numbers: set[int], n_atoms: int) -> Iterator[AtomicGraph]:
    """Parts of a graph that together hold each of the given elements that has neighbours.

    For each element that no earlier probe holds: an atom, some of its nearest neighbours and all edges among them, with
    random displacements of up to ``RATTLE``. Each probe is a structure of its own; the rest of the graph is left out.

    Args:
        graph: One structure or a batch.
        numbers: Atomic numbers.
        n_atoms: Largest size of a probe, at least 2.
    """
    seeds = _seeds(graph, numbers)
    while seeds:
        row = int(graph.graph_of_atom[seeds[0]])
        chosen = [seed for seed in seeds if int(graph.graph_of_atom[seed]) == row][: n_atoms // 2]
        near = {atom for seed in chosen for atom in _around(graph, seed, n_atoms // len(chosen))}
        probe = _part(graph, torch.tensor(sorted(near)), row)
        yield probe
        held = set(probe.atomic_numbers[probe.edge_index[1]].tolist())
        seeds = [seed for seed in seeds if int(graph.atomic_numbers[seed]) not in held]


def _seeds(graph: AtomicGraph, numbers: set[int]) -> list[int]:
    """The first atom with neighbours of each atomic number."""
    has_neighbours = torch.zeros(graph.n_atoms, dtype=torch.bool)
    has_neighbours[graph.edge_index[1]] = True
    first = [torch.nonzero(has_neighbours & (graph.atomic_numbers == z))[:1, 0] for z in sorted(numbers)]
    return [int(atom) for atom in torch.cat(first)]


def _around(graph: AtomicGraph, seed: int, most: int) -> list[int]:
    """The seed and its nearest neighbours, at most ``most`` atoms."""
    edges = torch.nonzero(graph.edge_index[1] == seed)[:, 0]
    neighbour = graph.edge_index[0, edges]
    shift = graph.cell_shift[edges].double() @ graph.cell[graph.graph_of_atom[seed]].double()
    vector = (graph.pos[seed] - graph.pos[neighbour]).detach().double() + shift
    nearest = neighbour[torch.argsort(torch.linalg.vector_norm(vector, dim=1))].tolist()
    return list(dict.fromkeys([seed, *nearest]))[:most]


def _part(graph: AtomicGraph, atoms: Tensor, row: int) -> AtomicGraph:
    """The graph of some atoms of one structure, displaced at random."""
    new_row = torch.full((graph.n_atoms,), -1)
    new_row[atoms] = torch.arange(len(atoms))
    neighbour, centre = graph.edge_index
    kept = (new_row[centre] >= 0) & (new_row[neighbour] >= 0)
    rattle = torch.from_numpy(np.random.default_rng(0).uniform(-RATTLE, RATTLE, (len(atoms), 3)))
    whole = {name: graph[name][row][None] for name in ("cell", "pbc", "cutoff", "head", "charge", "spin")}
    return AtomicGraph(
        atomic_numbers=graph.atomic_numbers[atoms],
        pos=graph.pos[atoms].detach().double() + rattle,
        edge_index=new_row[graph.edge_index[:, kept]],
        cell_shift=graph.cell_shift[kept],
        **whole,
    )
