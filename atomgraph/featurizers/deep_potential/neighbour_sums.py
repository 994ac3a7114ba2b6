"""Sums over neighbours of products of embedded features, as batched matrix products of padded edges."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from atomgraph.featurizers.deep_potential.embedding import Embedding
from atomgraph.featurizers.deep_potential.environment import Environment
from atomgraph.nn.padded_edges import PaddedEdges
from atomgraph.ops.scatter import sum_to


def embedded_sum(environment: Environment, embedding: Embedding, factors: Tensor | None) -> Tensor:
    r"""Sum products of embedded features and factors over the neighbours, :math:`B_i = \sum_j G_{ij} \otimes f_{ij}`.

    Networks read the padded blocks of edges, so that no array of the size n_edges · channels · n_factors is made.

    Args:
        environment: Environment matrices; the embedding reads their first column.
        embedding: Embedding networks, with M channels.
        factors: Factors f, (n_edges, n_factors); None: the rows of the environment matrices.

    Returns:
        Sums B, (n_atoms, M, n_factors).
    """
    edges, rows = environment.edges, environment.rows
    n_factors = rows.shape[1] if factors is None else factors.shape[1]
    columns = rows if factors is None else torch.cat([rows[:, :1], factors], dim=1)
    if not edges.n_edges:
        return rows.new_zeros(edges.n_atoms, embedding.channels, n_factors)
    # group of pairs of elements of each edge, and index of the group among the groups that occur
    groups, group_index = torch.unique(embedding.edge_groups(edges), return_inverse=True)
    # a block contains edges of one centre and one group; blocks of a group are contiguous
    centre_and_group = edges.centre + edges.n_atoms * group_index
    blocks = PaddedEdges.of(replace(edges, centre=centre_and_group, n_atoms=edges.n_atoms * len(groups), _cache={}))
    padded = blocks.pad(columns)  # (n_blocks, block_size, n_columns)
    n_blocks = torch.bincount(torch.div(blocks.centre, edges.n_atoms, rounding_mode="floor"), minlength=len(groups))
    function, sums = embedding.functions(), []
    for group, block in zip(groups.tolist(), padded.split(n_blocks.tolist()), strict=True):
        features = function(block[..., :1].flatten(0, 1), group).view(*block.shape[:2], -1)
        sums.append(features.transpose(1, 2) @ (block if factors is None else block[..., 1:]))
    return sum_to(torch.cat(sums), blocks.centre % edges.n_atoms, edges.n_atoms)


def padding_sum(environment: Environment, table: Tensor, slots: Tensor, constant: Tensor) -> Tensor:
    r"""Sum over the empty slots of each atom, :math:`\sum_t (n^{slots}_t - n_{it})\, P_{z_i t} + c_{z_i}`.

    Args:
        environment: Environment matrices, with the number of neighbours n.
        table: Value P of an empty slot by element of the centre and of the slot, (n_elements, n_elements, M).
        slots: Number of slots by element, (n_elements,).
        constant: Sum c over the slots of removed elements, by element of the centre, (n_elements, M).

    Returns:
        Sums, (n_atoms, M).
    """
    element, n_neighbours = environment.edges.element, environment.n_neighbours
    full = torch.einsum("t,ctm->cm", slots.to(table), table) + constant  # all slots empty
    if len(table) == 1:
        return full - n_neighbours * table[0]
    return full[element] - torch.bmm(n_neighbours[:, None], table[element])[:, 0]
