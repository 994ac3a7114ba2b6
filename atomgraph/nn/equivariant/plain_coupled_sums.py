"""Coupled sums over neighbours and their gradients by operations of torch: the reference implementation of the kernels.

Derivatives of many rows at once (``is_grads_batched``) use these functions, because kernels cannot read their tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from atomgraph.nn.edge_lists import EdgeLists
from atomgraph.nn.equivariant.sum_paths import SumPaths

Tensors = Sequence[Tensor]


def plain_sums(paths: SumPaths, edges: EdgeLists, w: Tensor, m: Tensor, h: Tensors) -> tuple[Tensor, ...]:
    """Return the sums of features h, weights w and matrices M; see ``SumPaths``."""
    neighbour, centre = edges.by_centre.other_atom, edges.by_neighbour.other_atom
    messages: list[list[Tensor]] = [[] for _ in paths.message_dims]
    for path in paths.paths:
        feature = h[path.feature].index_select(0, neighbour) * w.narrow(1, path.weight, path.channels)[:, None]
        matrix = m.narrow(1, path.matrix, path.d1 * path.d3).reshape(-1, path.d3, path.d1)
        message = matrix @ feature  # (n_edges, d3, channels)
        zeros = message.new_zeros(edges.n_atoms, *message.shape[1:])
        messages[path.message].append(zeros.index_add(0, centre, message))
    return tuple(torch.cat(parts, dim=2) for parts in messages)


def plain_gradients(
    paths: SumPaths, edges: EdgeLists, w: Tensor, m: Tensor, h: Tensors, grads: Tensors
) -> tuple[Tensor, ...]:
    """Return the gradients of Σ G A with respect to w, M and h; ``grads``: the gradients G with respect to the sums A."""
    neighbour, centre = edges.by_centre.other_atom, edges.by_neighbour.other_atom
    grad_w, grad_m, grad_h = [], [], [torch.zeros_like(x) for x in h]
    for path in paths.paths:
        n, d1, d3 = path.channels, path.d1, path.d3
        weight = w.narrow(1, path.weight, n)[:, None]
        matrix = m.narrow(1, path.matrix, d1 * d3).reshape(-1, d3, d1)
        grad = grads[path.message].narrow(2, path.place, n).index_select(0, centre)
        feature = h[path.feature].index_select(0, neighbour)
        coupled = matrix.transpose(1, 2) @ grad
        grad_w.append((path.weight, (coupled * feature).sum(1)))
        grad_m.append((path.matrix, (grad @ (feature * weight).transpose(1, 2)).reshape(-1, d1 * d3)))
        grad_h[path.feature] = grad_h[path.feature].index_add(0, neighbour, coupled * weight)
    ordered = [torch.cat([part for _, part in sorted(parts, key=lambda x: x[0])], 1) for parts in (grad_w, grad_m)]
    return *ordered, *grad_h
