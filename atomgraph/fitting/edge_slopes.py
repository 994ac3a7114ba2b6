"""Slopes of a readout's basis by the vectors of the edges, all columns at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.unknowns import Block
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.expansion import Expansion, TermSlopes, slopes_by_atom, term_slopes
from atomgraph.nn.sisters import Solvable
from atomgraph.ops.outer import rank_in_target
from atomgraph.ops.scatter import sum_to

_AT_ONCE = 2**21  # numbers in a portion of slopes


@dataclass(frozen=True, eq=False)
class Portion:
    r"""A part of :math:`\partial \Phi_u/\partial r_e`, :math:`\Phi_u = \sum_i \phi_{iu}`.

    columns: which unknowns u.  edges: (n,) rows of the edges e, which may come more than once.
    slopes: (n, 3, n_columns).
    """

    columns: slice
    edges: Tensor
    slopes: Tensor


def basis_sums(block: Block, graph: AtomicGraph, edges: Edges, n_unknowns: int) -> Tensor:
    """(n_graphs, n_unknowns): the basis of one readout summed over the atoms of each structure."""
    h = block.branch.features(graph, edges)[block.depth]
    sums = h.new_zeros(graph.n_graphs, n_unknowns)
    for element, atoms in _by_element(edges):
        basis = block.solvable.basis(h[atoms], element)
        sums[:, block.columns_of(element)] += sum_to(basis, graph.graph_of_atom[atoms], graph.n_graphs)
    return sums


def portions(block: Block, graph: AtomicGraph, edges: Edges) -> Iterator[Portion]:
    """The slopes of one readout's basis, in portions that memory allows; their edges and columns overlap: add them up."""
    if block.expansion is not None:
        return _factored(block.expansion, block, edges)
    return _by_backward_passes(block, graph, edges)


def _factored(expansion: Expansion, block: Block, edges: Edges) -> Iterator[Portion]:
    """Through the density: ∂φ/∂c of each atom, then the product with ∂c/∂r of its own edges."""
    slopes = term_slopes(expansion, edges)
    centre = edges.centre[slopes.terms.rows]
    n_terms = torch.bincount(centre, minlength=edges.n_atoms)
    for element, atoms in _by_element(edges):
        columns = block.columns_of(element)
        width = columns.stop - columns.start
        n_functions = expansion.n_channels * expansion.n_functions
        cost = (n_terms[atoms] * 3 + n_functions) * width + 3 * n_terms[atoms] * expansion.n_functions
        for chosen in _portioned(atoms, cost):
            place = torch.full_like(n_terms, -1)
            place[chosen] = torch.arange(len(chosen), device=chosen.device)
            mine = torch.nonzero(place[centre] >= 0)[:, 0]
            if len(mine) == 0:
                continue
            made = _factored_portion(expansion, block.solvable, slopes, mine, place[centre[mine]], element, len(chosen))
            yield Portion(columns, slopes.terms.rows[mine], made)


def _factored_portion(
    expansion: Expansion,
    readout: Solvable,
    slopes: TermSlopes,
    mine: Tensor,
    centre: Tensor,
    element: int,
    n_atoms: int,
) -> Tensor:
    """(n, 3, n_columns) of some terms, whose centres are atoms 0 … n_atoms − 1, all of one element."""
    owner, size = centre * expansion.n_channels + slopes.terms.channel[mine], n_atoms * expansion.n_channels
    density = sum_to(slopes.terms.some(mine), owner, size).view(n_atoms, expansion.n_channels, -1)
    density = density + expansion.alone(torch.full((n_atoms,), element, device=owner.device)).to(density)
    by_density = _basis_by_density(expansion, readout, density, element)  # (n_atoms, n, n_channels, n_functions)
    factors = by_density.permute(0, 2, 3, 1).reshape(size, -1, by_density.shape[1])  # as SOAP has them in memory
    return _products(slopes.of(mine), owner, factors)


def _basis_by_density(expansion: Expansion, readout: Solvable, density: Tensor, element: int) -> Tensor:
    kind = torch.full((len(density),), element, device=density.device)
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


def _products(rows: Tensor, owner: Tensor, factors: Tensor) -> Tensor:
    """Rows (n, 3, q) times the factor (q, k) of their owner: (n, 3, k). Rows of an owner are one matrix product."""
    counts = torch.bincount(owner, minlength=len(factors))
    longest = int(counts.max())
    slot = owner * longest + rank_in_target(owner, counts)
    laid = rows.new_zeros(len(factors) * longest, 3, rows.shape[2]).index_copy(0, slot, rows)
    made = laid.view(len(factors), 3 * longest, -1) @ factors
    return made.view(len(factors) * longest, 3, -1).index_select(0, slot)


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


def _portioned(atoms: Tensor, cost: Tensor) -> Iterator[Tensor]:
    """The atoms in portions of bounded cost, an atom at least."""
    portion = cost.cumsum(0) // _AT_ONCE
    yield from atoms.split(torch.bincount(portion)[torch.unique(portion)].tolist())
