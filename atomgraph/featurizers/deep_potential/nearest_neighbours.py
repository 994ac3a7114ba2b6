"""Limits on the number of neighbours, as in deepmd-kit (``sel``)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges


def count_by_element(edges: Edges) -> Tensor:
    """Return the number of neighbours of each atom by the element of the neighbour, (n_atoms, n_elements), int64."""
    row = edges.centre * edges.n_elements + edges.element_of_neighbour
    return torch.bincount(row, minlength=edges.n_atoms * edges.n_elements).view(edges.n_atoms, edges.n_elements)


def keep_nearest(edges: Edges, max_by_element: Sequence[int] | None, max_total: int) -> Edges:
    """Keep the nearest neighbours of each atom.

    The nearest ``max_total`` neighbours of all elements are kept first, and of these the nearest ``max_by_element[t]`` of each
    element t. Energies jump where the order of the neighbours changes.

    Args:
        edges: Edges.
        max_by_element: Largest number of neighbours of each element, (n_elements,); None: no limits by element.
        max_total: Largest number of neighbours of all elements.

    Returns:
        The edges that are kept; the same object if no atom has too many neighbours.

    Source: the program deepmd-kit 3 with PyTorch.
    """
    counts = count_by_element(edges)
    limits = None if max_by_element is None else torch.as_tensor(max_by_element, device=counts.device)
    too_many = (counts.sum(dim=1) > max_total).any()
    if limits is not None:
        too_many = too_many | (counts > limits).any()
    if not bool(too_many):
        return edges
    keep = _rank(edges.centre, edges.length) < max_total
    if limits is not None:
        pair = edges.centre * edges.n_elements + edges.element_of_neighbour
        keep &= _rank(pair, edges.length) < limits[edges.element_of_neighbour]
    return edges.select(torch.nonzero(keep)[:, 0])


def _rank(group: Tensor, length: Tensor) -> Tensor:
    """Return the rank by distance, 0 for the nearest, of each edge among the edges of the same group, (n_edges,)."""
    order = torch.argsort(length.detach(), stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    counts = torch.bincount(group)
    first = counts.cumsum(0) - counts
    position = torch.arange(len(group), device=group.device) - first[group[order]]
    return torch.empty_like(position).index_copy(0, order, position)
