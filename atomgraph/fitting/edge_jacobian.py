"""Jacobian of the basis of a readout with respect to edge vectors, all columns at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.featurizers.density import DensityFeaturizer, TermDerivatives, jacobian_by_atom, term_derivatives
from atomgraph.fitting.linear_weights import Block
from atomgraph.fitting.padded_terms import PaddedTerms
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models import posterior
from atomgraph.nn.edges import Edges
from atomgraph.nn.protocols import LinearReadout
from atomgraph.ops.outer import rank_in_target
from atomgraph.ops.scatter import sum_to

_AT_ONCE = 2**22  # numbers in a portion of the Jacobian
_OF_KERNELS = 2**20  # the same for portions that are products of two arrays as large


@dataclass(frozen=True, eq=False)
class Portion:
    r"""A part of :math:`\partial \Phi_u/\partial r_e`, :math:`\Phi_u = \sum_i \phi_{iu}`.

    Attributes:
        columns: The weights u, a slice or a list of numbers.
        edges: (n,) rows of the edges e; an edge may occur more than once.
        gradients: (n, 3, n_columns).
        centres, sums: Different atoms (m,), and the sums of the gradients of their edges, (m, 3, n_columns); None if not
            known.
    """

    columns: slice | Tensor
    edges: Tensor
    gradients: Tensor
    centres: Tensor | None = None
    sums: Tensor | None = None


def basis_sums(block: Block, graph: AtomicGraph, edges: Edges, n_unknowns: int) -> Tensor:
    """(n_graphs, n_unknowns): the basis of one readout summed over the atoms of each structure."""
    h = block.branch.features(graph, edges)[block.depth]
    sums = h.new_zeros(graph.n_graphs, n_unknowns)
    sums[:, block.columns] = posterior.basis_sums(block.solvable, h, graph, edges)
    return sums


def chunks(block: Block, graph: AtomicGraph, edges: Edges) -> Iterator[Portion]:
    """The Jacobian of the basis of one readout, in chunks of bounded memory. Chunks may overlap and are summed."""
    if block.expansion is not None:
        return _factored(block.expansion, block, edges)
    return _by_backward_passes(block, graph, edges)


def _factored(expansion: DensityFeaturizer, block: Block, edges: Edges) -> Iterator[Portion]:
    """By the chain rule: ∂φ/∂c of each atom, times ∂c/∂r of its edges."""
    derivatives = term_derivatives(expansion, edges)
    centre = edges.centre[derivatives.terms.rows]
    n_terms = torch.bincount(centre, minlength=edges.n_atoms)
    for element, atoms in _by_element(edges):
        columns, few = block.columns_of(element), block.few_directions(element)
        width = columns.stop - columns.start
        plain, factor = _plain(block.solvable, expansion, element, derivatives.terms.left)
        n_jacobian = expansion.n_jacobian(element) if plain else width * expansion.n_channels * expansion.n_functions
        cost = 3 * n_terms[atoms] * (width + expansion.n_functions) + n_jacobian
        for chosen in _portioned(atoms, cost, _AT_ONCE if plain else _OF_KERNELS):
            place = torch.full_like(n_terms, -1)
            place[chosen] = torch.arange(len(chosen), device=chosen.device)
            mine = torch.nonzero(place[centre] >= 0)[:, 0]
            if len(mine) == 0:
                continue
            rows, owner = derivatives.terms.rows[mine], place[centre[mine]]
            density = _density(expansion, derivatives, mine, owner, element, len(chosen))
            if plain:
                for portion in _in_blocks(expansion, derivatives, mine, owner, density, element):
                    built = portion.gradients if factor is None else portion.gradients.mul_(factor)
                    yield Portion(portion.columns + columns.start, portion.edges, built)
                continue
            channel = owner * expansion.n_channels + derivatives.terms.channel[mine]
            if few is None:
                by_density = _basis_by_density(expansion, block.solvable, density, element)
                yield Portion(columns, rows, _products(derivatives, mine, channel, by_density))
            else:
                along = _products(
                    derivatives, mine, channel, expansion.jacobian(density, _of(element, density), few.base)
                )
                built, sums = along @ few.mix.T, sum_to(along, owner, len(chosen)) @ few.mix.T
                each = _factor(expansion, block.solvable, density, element)
                if each is not None:
                    built, sums = built.mul_(each.index_select(0, owner)[:, None]), sums.mul_(each[:, None])
                yield Portion(columns, rows, built, chosen, sums)


def _plain(
    readout: LinearReadout, expansion: DensityFeaturizer, element: int, like: Tensor
) -> tuple[bool, Tensor | None]:
    """Whether φ are the features themselves, up to a constant factor, and this factor or None."""
    form = readout.basis_jacobian(like.new_zeros(0, expansion.irreps_out.dim), element)
    if form is None or form[0] is not None or (form[1] is not None and len(form[1]) != 1):
        return False, None
    return True, form[1]


def _density(
    expansion: DensityFeaturizer, derivatives: TermDerivatives, mine: Tensor, centre: Tensor, element: int, n_atoms: int
) -> Tensor:
    """Density (n_atoms, n_channels, n_functions) of some terms; centres are atoms 0 … n_atoms − 1 of one element."""
    owner, size = centre * expansion.n_channels + derivatives.terms.channel[mine], n_atoms * expansion.n_channels
    density = sum_to(derivatives.terms.some(mine), owner, size).view(n_atoms, expansion.n_channels, -1)
    return density + expansion.alone(torch.full((n_atoms,), element, device=owner.device)).to(density)


def _in_blocks(
    expansion: DensityFeaturizer,
    derivatives: TermDerivatives,
    mine: Tensor,
    centre: Tensor,
    density: Tensor,
    element: int,
) -> Iterator[Portion]:
    """Jacobian of features; columns are numbers of features."""
    channel, known, padded = derivatives.terms.channel[mine], -1, None
    for block in expansion.jacobian_blocks(density, element, torch.unique(channel).tolist()):
        if padded is None or block.channel != known:
            terms, known = torch.nonzero(channel == block.channel)[:, 0], block.channel
            padded = PaddedTerms.of(derivatives, mine[terms], centre[terms], len(density))
        built = padded.derivatives(block.functions) @ block.jacobian
        yield Portion(block.features, derivatives.terms.rows[padded.terms], built.view(-1, 3, built.shape[2]))


def _basis_by_density(expansion: DensityFeaturizer, readout: LinearReadout, density: Tensor, element: int) -> Tensor:
    kind = _of(element, density)
    h = expansion.invariants(density, kind)
    form = readout.basis_jacobian(h, element)
    if form is None:
        return jacobian_by_atom(lambda c, z: readout.basis(expansion.invariants(c, z), element), density, kind)
    directions, factor = form
    derivatives = expansion.jacobian(density, kind, directions)
    if factor is not None:
        derivatives = derivatives.mul_(factor[:, :, None, None])
    missing = readout.basis(h, element).shape[1] - derivatives.shape[1]
    return torch.nn.functional.pad(derivatives, (0, 0, 0, 0, 0, missing)) if missing else derivatives


def _factor(expansion: DensityFeaturizer, readout: LinearReadout, density: Tensor, element: int) -> Tensor | None:
    """Factors of the directions of the basis, (n_atoms, n); None for 1."""
    form = readout.basis_jacobian(expansion.invariants(density, _of(element, density)), element)
    return None if form is None else form[1]


def _of(element: int, density: Tensor) -> Tensor:
    return torch.full((len(density),), element, device=density.device)


def _products(derivatives: TermDerivatives, mine: Tensor, owner: Tensor, by_density: Tensor) -> Tensor:
    """Derivatives of the terms ``mine`` times ∂φ/∂c of their owners (channels of atoms), (n, 3, k); one product an owner.

    Args:
        by_density: (n_atoms, k, n_channels, n_functions).
    """
    factors = by_density.permute(0, 2, 3, 1).flatten(0, 1)  # as SOAP has them in memory
    counts = torch.bincount(owner, minlength=len(factors))
    longest = int(counts.max())
    slot = owner * longest + rank_in_target(owner, counts)
    laid = mine.new_zeros(len(factors) * longest).index_copy(0, slot, mine)  # padded with arbitrary terms
    built = derivatives.of(laid).view(len(factors), 3 * longest, -1) @ factors
    return built.view(len(laid), 3, -1).index_select(0, slot)


def _by_backward_passes(block: Block, graph: AtomicGraph, edges: Edges) -> Iterator[Portion]:
    """One backward pass for each column; works for every featurizer and layer."""
    with torch.enable_grad():
        vector = edges.vector.detach().requires_grad_()
        columns = block.columns
        sums = basis_sums(block, graph, edges.with_vectors(vector), columns.stop)[:, columns].sum(dim=0)
    if not sums.requires_grad:
        return
    rows = torch.arange(edges.n_edges, device=vector.device)
    at_once = max(1, _AT_ONCE // max(vector.numel(), 1))
    first = columns.start
    for chosen in torch.eye(len(sums), dtype=sums.dtype, device=sums.device).split(at_once):
        each = [torch.autograd.grad(sums, vector, row, retain_graph=True, materialize_grads=True)[0] for row in chosen]
        yield Portion(slice(first, first + len(each)), rows, torch.stack(each, dim=2))
        first += len(each)


def _by_element(edges: Edges) -> Iterator[tuple[int, Tensor]]:
    """Each element of the graph, and the rows of its atoms."""
    for element in torch.unique(edges.element).tolist():
        yield element, torch.nonzero(edges.element == element)[:, 0]


def _portioned(atoms: Tensor, cost: Tensor, at_once: int) -> Iterator[Tensor]:
    """The atoms in chunks of bounded cost, with at least one atom."""
    portion = cost.cumsum(0) // at_once
    yield from atoms.split(torch.bincount(portion)[torch.unique(portion)].tolist())
