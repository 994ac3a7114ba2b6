"""Slopes of a readout's basis by the vectors of the edges, all columns at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.linear_weights import Block
from atomgraph.fitting.padded_terms import PaddedTerms
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models import posterior
from atomgraph.nn.density import DensityFeaturizer, TermSlopes, slopes_by_atom, term_slopes
from atomgraph.nn.edges import Edges
from atomgraph.nn.protocols import LinearReadout
from atomgraph.ops.outer import rank_in_target
from atomgraph.ops.scatter import sum_to

_AT_ONCE = 2**22  # numbers in a portion of slopes
_OF_KERNELS = 2**20  # the same where it is a product of two others as large


@dataclass(frozen=True, eq=False)
class Portion:
    r"""A part of :math:`\partial \Phi_u/\partial r_e`, :math:`\Phi_u = \sum_i \phi_{iu}`.

    Args:
        columns: Which unknowns u, a slice or a list of numbers.
        edges: (n,) rows of the edges e, which may come more than once.
        slopes: (n, 3, n_columns).
        centres, sums: Atoms (m,), each once, and what the slopes of their edges add up to, (m, 3, n_columns), where
            that is known already.
    """

    columns: slice | Tensor
    edges: Tensor
    slopes: Tensor
    centres: Tensor | None = None
    sums: Tensor | None = None


def basis_sums(block: Block, graph: AtomicGraph, edges: Edges, n_unknowns: int) -> Tensor:
    """(n_graphs, n_unknowns): the basis of one readout summed over the atoms of each structure."""
    h = block.branch.features(graph, edges)[block.depth]
    sums = h.new_zeros(graph.n_graphs, n_unknowns)
    sums[:, block.columns] = posterior.basis_sums(block.solvable, h, graph, edges)
    return sums


def chunks(block: Block, graph: AtomicGraph, edges: Edges) -> Iterator[Portion]:
    """The slopes of one readout's basis, in chunks that memory allows; their edges and columns overlap: add them up."""
    if block.expansion is not None:
        return _factored(block.expansion, block, edges)
    return _by_backward_passes(block, graph, edges)


def _factored(expansion: DensityFeaturizer, block: Block, edges: Edges) -> Iterator[Portion]:
    """Through the density: ∂φ/∂c of each atom, then the product with ∂c/∂r of its own edges."""
    slopes = term_slopes(expansion, edges)
    centre = edges.centre[slopes.terms.rows]
    n_terms = torch.bincount(centre, minlength=edges.n_atoms)
    for element, atoms in _by_element(edges):
        columns, few = block.columns_of(element), block.few_directions(element)
        width = columns.stop - columns.start
        plain, factor = _plain(block.solvable, expansion, element, slopes.terms.left)
        n_slopes = expansion.n_slopes(element) if plain else width * expansion.n_channels * expansion.n_functions
        cost = 3 * n_terms[atoms] * (width + expansion.n_functions) + n_slopes
        for chosen in _portioned(atoms, cost, _AT_ONCE if plain else _OF_KERNELS):
            place = torch.full_like(n_terms, -1)
            place[chosen] = torch.arange(len(chosen), device=chosen.device)
            mine = torch.nonzero(place[centre] >= 0)[:, 0]
            if len(mine) == 0:
                continue
            rows, owner = slopes.terms.rows[mine], place[centre[mine]]
            density = _density(expansion, slopes, mine, owner, element, len(chosen))
            if plain:
                for portion in _in_blocks(expansion, slopes, mine, owner, density, element):
                    made = portion.slopes if factor is None else portion.slopes.mul_(factor)
                    yield Portion(portion.columns + columns.start, portion.edges, made)
                continue
            channel = owner * expansion.n_channels + slopes.terms.channel[mine]
            if few is None:
                by_density = _basis_by_density(expansion, block.solvable, density, element)
                yield Portion(columns, rows, _products(slopes, mine, channel, by_density))
            else:
                along = _products(slopes, mine, channel, expansion.slopes(density, _of(element, density), few.base))
                made, sums = along @ few.mix.T, sum_to(along, owner, len(chosen)) @ few.mix.T
                each = _factor(expansion, block.solvable, density, element)
                if each is not None:
                    made, sums = made.mul_(each.index_select(0, owner)[:, None]), sums.mul_(each[:, None])
                yield Portion(columns, rows, made, chosen, sums)


def _plain(
    readout: LinearReadout, expansion: DensityFeaturizer, element: int, like: Tensor
) -> tuple[bool, Tensor | None]:
    """Is φ the features themselves, and what are they multiplied by?"""
    form = readout.basis_slopes(like.new_zeros(0, expansion.irreps_out.dim), element)
    if form is None or form[0] is not None or (form[1] is not None and len(form[1]) != 1):
        return False, None
    return True, form[1]


def _density(
    expansion: DensityFeaturizer, slopes: TermSlopes, mine: Tensor, centre: Tensor, element: int, n_atoms: int
) -> Tensor:
    """(n_atoms, n_channels, n_functions) of some terms, whose centres are atoms 0 … n_atoms − 1, all of one element."""
    owner, size = centre * expansion.n_channels + slopes.terms.channel[mine], n_atoms * expansion.n_channels
    density = sum_to(slopes.terms.some(mine), owner, size).view(n_atoms, expansion.n_channels, -1)
    return density + expansion.alone(torch.full((n_atoms,), element, device=owner.device)).to(density)


def _in_blocks(
    expansion: DensityFeaturizer, slopes: TermSlopes, mine: Tensor, centre: Tensor, density: Tensor, element: int
) -> Iterator[Portion]:
    """Slopes of features, whose numbers stand in place of the unknowns'."""
    channel, known, laid = slopes.terms.channel[mine], -1, None
    for block in expansion.slope_blocks(density, element, torch.unique(channel).tolist()):
        if laid is None or block.channel != known:
            terms, known = torch.nonzero(channel == block.channel)[:, 0], block.channel
            laid = PaddedTerms.of(slopes, mine[terms], centre[terms], len(density))
        made = laid.slopes(block.functions) @ block.slopes
        yield Portion(block.features, slopes.terms.rows[laid.terms], made.view(-1, 3, made.shape[2]))


def _basis_by_density(expansion: DensityFeaturizer, readout: LinearReadout, density: Tensor, element: int) -> Tensor:
    kind = _of(element, density)
    h = expansion.invariants(density, kind)
    form = readout.basis_slopes(h, element)
    if form is None:
        return slopes_by_atom(lambda c, z: readout.basis(expansion.invariants(c, z), element), density, kind)
    directions, factor = form
    slopes = expansion.slopes(density, kind, directions)
    if factor is not None:
        slopes = slopes.mul_(factor[:, :, None, None])
    missing = readout.basis(h, element).shape[1] - slopes.shape[1]
    return torch.nn.functional.pad(slopes, (0, 0, 0, 0, 0, missing)) if missing else slopes


def _factor(expansion: DensityFeaturizer, readout: LinearReadout, density: Tensor, element: int) -> Tensor | None:
    """(n_atoms, n) that the directions of the basis are multiplied by; None for 1."""
    form = readout.basis_slopes(expansion.invariants(density, _of(element, density)), element)
    return None if form is None else form[1]


def _of(element: int, density: Tensor) -> Tensor:
    return torch.full((len(density),), element, device=density.device)


def _products(slopes: TermSlopes, mine: Tensor, owner: Tensor, by_density: Tensor) -> Tensor:
    """Slopes of the terms ``mine`` times ∂φ/∂c of their owners, an atom's channels: (n, 3, k). An owner's are one product.

    Args:
        by_density: (n_atoms, k, n_channels, n_functions).
    """
    factors = by_density.permute(0, 2, 3, 1).flatten(0, 1)  # as SOAP has them in memory
    counts = torch.bincount(owner, minlength=len(factors))
    longest = int(counts.max())
    slot = owner * longest + rank_in_target(owner, counts)
    laid = mine.new_zeros(len(factors) * longest).index_copy(0, slot, mine)  # where an owner has fewer terms, any
    made = slopes.of(laid).view(len(factors), 3 * longest, -1) @ factors
    return made.view(len(laid), 3, -1).index_select(0, slot)


def _by_backward_passes(block: Block, graph: AtomicGraph, edges: Edges) -> Iterator[Portion]:
    """One backward pass a column, which is right for every featurizer and layer."""
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
    """Each element that is there, and the rows of its atoms."""
    for element in torch.unique(edges.element).tolist():
        yield element, torch.nonzero(edges.element == element)[:, 0]


def _portioned(atoms: Tensor, cost: Tensor, at_once: int) -> Iterator[Tensor]:
    """The atoms in chunks of bounded cost, an atom at least."""
    portion = cost.cumsum(0) // at_once
    yield from atoms.split(torch.bincount(portion)[torch.unique(portion)].tolist())
