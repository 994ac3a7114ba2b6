"""Small pieces of a graph that hold atoms of all its elements: enough to compare two ways of computing the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from atomgraph.graph.structure import AtomicGraph

SHAKEN = 0.1  # Å; what symmetry lets cancel says nothing of its terms


def fragments_of(graph: AtomicGraph, numbers: set[int], n_atoms: int) -> Iterator[AtomicGraph]:
    """Pieces of up to so many atoms (two or more) that together hold each of the given atomic numbers that has neighbours.

    Of each that no piece before holds, an atom with some of its nearest neighbours, as many as there is room for, and all edges
    among them, shaken by up to ``SHAKEN``. As far as a model is concerned a piece is a structure; where the rest has been cut
    off, nothing is felt.
    """
    seeds = _seeds(graph, numbers)
    while seeds:
        row = int(graph.graph_of_atom[seeds[0]])
        here = [seed for seed in seeds if int(graph.graph_of_atom[seed]) == row][: n_atoms // 2]
        near = {atom for seed in here for atom in _around(graph, seed, n_atoms // len(here))}
        piece = _piece(graph, torch.tensor(sorted(near)), row)
        yield piece
        held = set(piece.atomic_numbers[piece.edge_index[1]].tolist())
        seeds = [seed for seed in seeds if int(graph.atomic_numbers[seed]) not in held]


def _seeds(graph: AtomicGraph, numbers: set[int]) -> list[int]:
    """The first atom with neighbours of each atomic number."""
    has_neighbours = torch.zeros(graph.n_atoms, dtype=torch.bool)
    has_neighbours[graph.edge_index[1]] = True
    found = [torch.nonzero(has_neighbours & (graph.atomic_numbers == z))[:1, 0] for z in sorted(numbers)]
    return [int(atom) for atom in torch.cat(found)]


def _around(graph: AtomicGraph, seed: int, most: int) -> list[int]:
    """The seed and its nearest neighbours, at most so many atoms."""
    edges = torch.nonzero(graph.edge_index[1] == seed)[:, 0]
    neighbour = graph.edge_index[0, edges]
    shift = graph.cell_shift[edges].double() @ graph.cell[graph.graph_of_atom[seed]].double()
    vector = (graph.pos[seed] - graph.pos[neighbour]).detach().double() + shift
    nearest = neighbour[torch.argsort(torch.linalg.vector_norm(vector, dim=1))].tolist()
    return list(dict.fromkeys([seed, *nearest]))[:most]


def _piece(graph: AtomicGraph, atoms: Tensor, row: int) -> AtomicGraph:
    place = torch.full((graph.n_atoms,), -1)
    place[atoms] = torch.arange(len(atoms))
    neighbour, centre = graph.edge_index
    kept = (place[centre] >= 0) & (place[neighbour] >= 0)
    shaken = torch.from_numpy(np.random.default_rng(0).uniform(-SHAKEN, SHAKEN, (len(atoms), 3)))
    whole = {name: graph[name][row][None] for name in ("cell", "pbc", "cutoff", "head", "charge", "spin")}
    return AtomicGraph(
        atomic_numbers=graph.atomic_numbers[atoms],
        pos=graph.pos[atoms].detach().double() + shaken,
        edge_index=place[graph.edge_index[:, kept]],
        cell_shift=graph.cell_shift[kept],
        **whole,
    )
