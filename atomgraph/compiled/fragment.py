"""A few atoms of a graph, with the edges among them: enough to compare two ways of computing the same."""

from __future__ import annotations

import torch

from atomgraph.graph.structure import AtomicGraph

N_ATOMS = 16


def fragment_of(graph: AtomicGraph) -> AtomicGraph:
    """The atoms around the first edge's centre, up to ``N_ATOMS`` of all elements nearby, and the edges among them.

    As far as a model is concerned it is a structure; where the rest has been cut off, nothing is felt.
    """
    neighbour, centre = graph.edge_index
    first = centre[0]
    near = torch.unique(torch.cat([first[None], neighbour[centre == first]]))
    if len(near) > N_ATOMS:
        near = torch.unique(torch.cat([first[None], near[torch.linspace(0, len(near) - 1, N_ATOMS - 1).long()]]))
    place = torch.full((graph.n_atoms,), -1)
    place[near] = torch.arange(len(near))
    kept = (place[centre] >= 0) & (place[neighbour] >= 0)
    row = graph.graph_of_atom[first]
    whole = {name: graph[name][row][None] for name in ("cell", "pbc", "cutoff", "head", "charge", "spin")}
    return AtomicGraph(
        atomic_numbers=graph.atomic_numbers[near],
        pos=graph.pos[near].detach().double(),
        edge_index=place[graph.edge_index[:, kept]],
        cell_shift=graph.cell_shift[kept],
        **whole,
    )
