"""Jacobian of a readout's basis functions with respect to edge vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.featurizers.density import DensityFeaturizer, TermDerivatives, jacobian_by_atom, term_derivatives
from atomgraph.fitting.linear_weights import ReadoutBlock
from atomgraph.fitting.padded_terms import PaddedTerms
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models import posterior
from atomgraph.nn.edges import Edges
from atomgraph.nn.protocols import LinearReadout
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.outer import rank_in_target
from atomgraph.ops.scatter import sum_to

_CHUNK_SIZE = 2**22  # numbers in a chunk of the Jacobian
_PRODUCT_CHUNK_SIZE = 2**20  # numbers in a chunk that is a product of two arrays of about this size


@dataclass(frozen=True, eq=False)
class JacobianChunk:
    r"""Part of the Jacobian :math:`\partial \Phi_u/\partial r_e`, with :math:`\Phi_u = \sum_i \phi_{iu}`,
    the sum of the basis function of weight u over the atoms i.

    Attributes:
        columns: Indices of the weights u, as a slice or as a tensor (n_columns,).
        edges: Indices of the edges e, (n,); an edge may occur more than once.
        gradients: Derivatives, (n, 3, n_columns), eV/Å.
        centres: Indices of the central atoms of the edges, without repetition, (m,); None if ``sums`` is None.
        sums: Sums of the gradients over the edges of each centre, (m, 3, n_columns), eV/Å, if they are available at low cost;
            None: to be computed from ``gradients``.
    """

    columns: slice | Tensor
    edges: Tensor
    gradients: Tensor
    centres: Tensor | None = None
    sums: Tensor | None = None

    slopes = OldAttribute("gradients")


def basis_sums(block: ReadoutBlock, graph: AtomicGraph, edges: Edges, n_unknowns: int) -> Tensor:
    """Return the basis functions of one readout, summed over the atoms of each structure, (n_graphs, n_unknowns), eV."""
    h = block.branch.features(graph, edges)[block.depth]
    sums = h.new_zeros(graph.n_graphs, n_unknowns)
    sums[:, block.columns] = posterior.basis_sums(block.linear_readout, h, graph, edges)
    return sums


def jacobian_chunks(block: ReadoutBlock, graph: AtomicGraph, edges: Edges) -> Iterator[JacobianChunk]:
    """Yield the Jacobian of one readout in chunks of bounded memory; the Jacobian is the sum of all chunks."""
    if block.density_featurizer is not None:
        return _chain_rule_chunks(block.density_featurizer, block, edges)
    return _autograd_chunks(block, graph, edges)


def _chain_rule_chunks(featurizer: DensityFeaturizer, block: ReadoutBlock, edges: Edges) -> Iterator[JacobianChunk]:
    """Yield chunks by the chain rule: ∂φ/∂c of each atom times ∂c/∂r of its edges, with density coefficients c."""
    derivatives = term_derivatives(featurizer, edges)
    centre = edges.centre[derivatives.terms.rows]
    n_terms = torch.bincount(centre, minlength=edges.n_atoms)
    for element, atoms in _atoms_by_element(edges):
        columns, low_rank = block.element_columns(element), block.low_rank_directions(element)
        n_columns = columns.stop - columns.start
        is_scaled, factor = _feature_scale(block.linear_readout, featurizer, element, derivatives.terms.left)
        n_derivatives = (  # per atom, with respect to the density
            featurizer.n_jacobian(element) if is_scaled else n_columns * featurizer.n_channels * featurizer.n_functions
        )
        cost = 3 * n_terms[atoms] * (n_columns + featurizer.n_functions) + n_derivatives
        for chunk_atoms in _split_by_cost(atoms, cost, _CHUNK_SIZE if is_scaled else _PRODUCT_CHUNK_SIZE):
            atom_index = torch.full_like(n_terms, -1)  # index of an atom in the chunk; −1: not in the chunk
            atom_index[chunk_atoms] = torch.arange(len(chunk_atoms), device=chunk_atoms.device)
            terms = torch.nonzero(atom_index[centre] >= 0)[:, 0]
            if len(terms) == 0:
                continue
            edge_rows, atom_of_term = derivatives.terms.rows[terms], atom_index[centre[terms]]
            density = _density(featurizer, derivatives, terms, atom_of_term, element, len(chunk_atoms))
            if is_scaled:
                for chunk in _feature_chunks(featurizer, derivatives, terms, atom_of_term, density, element):
                    gradients = chunk.gradients if factor is None else chunk.gradients.mul_(factor)
                    yield JacobianChunk(chunk.columns + columns.start, chunk.edges, gradients)
                continue
            density_row = atom_of_term * featurizer.n_channels + derivatives.terms.channel[terms]
            if low_rank is None:
                density_jacobian = _density_jacobian(featurizer, block.linear_readout, density, element)
                yield JacobianChunk(
                    columns, edge_rows, _term_gradients(derivatives, terms, density_row, density_jacobian)
                )
            else:
                base_jacobian = featurizer.jacobian(density, _atom_elements(element, density), low_rank.base)
                base_gradients = _term_gradients(derivatives, terms, density_row, base_jacobian)
                gradients = base_gradients @ low_rank.mix.T
                sums = sum_to(base_gradients, atom_of_term, len(chunk_atoms)) @ low_rank.mix.T
                factors = _basis_factors(featurizer, block.linear_readout, density, element)
                if factors is not None:
                    gradients = gradients.mul_(factors.index_select(0, atom_of_term)[:, None])
                    sums = sums.mul_(factors[:, None])
                yield JacobianChunk(columns, edge_rows, gradients, chunk_atoms, sums)


def _feature_scale(
    readout: LinearReadout, featurizer: DensityFeaturizer, element: int, like: Tensor
) -> tuple[bool, Tensor | None]:
    """Return whether the basis functions are the features times a constant factor, and this factor, (1, 1); None for 1."""
    basis_jacobian = readout.basis_jacobian(like.new_zeros(0, featurizer.irreps_out.dim), element)
    if basis_jacobian is None:
        return False, None
    directions, factor = basis_jacobian
    is_scaled = directions is None and (factor is None or len(factor) == 1)
    return is_scaled, factor if is_scaled else None


def _density(
    featurizer: DensityFeaturizer,
    derivatives: TermDerivatives,
    terms: Tensor,
    atom_of_term: Tensor,
    element: int,
    n_atoms: int,
) -> Tensor:
    """Return the density coefficients of atoms of one element, (n_atoms, n_channels, n_functions).

    Args:
        featurizer: Featurizer of the density.
        derivatives: Terms of all edges and their derivatives.
        terms: Indices of the terms of these atoms, (n,).
        atom_of_term: Atom of each term, from 0 to n_atoms − 1, (n,).
        element: Row of the element in the table of the model.
        n_atoms: Number of atoms.
    """
    density_row, n_density_rows = (
        atom_of_term * featurizer.n_channels + derivatives.terms.channel[terms],
        n_atoms * featurizer.n_channels,
    )
    density = sum_to(derivatives.terms.select_values(terms), density_row, n_density_rows).view(
        n_atoms, featurizer.n_channels, -1
    )
    return density + featurizer.isolated_density(torch.full((n_atoms,), element, device=terms.device)).to(density)


def _feature_chunks(
    featurizer: DensityFeaturizer,
    derivatives: TermDerivatives,
    terms: Tensor,
    atom_of_term: Tensor,
    density: Tensor,
    element: int,
) -> Iterator[JacobianChunk]:
    """Yield the Jacobian of features; the columns of a chunk are indices of features."""
    channel, padded_channel, padded = derivatives.terms.channel[terms], -1, None
    for block in featurizer.jacobian_blocks(density, element, torch.unique(channel).tolist()):
        if padded is None or block.channel != padded_channel:
            rows, padded_channel = torch.nonzero(channel == block.channel)[:, 0], block.channel
            padded = PaddedTerms.of(derivatives, terms[rows], atom_of_term[rows], len(density))
        gradients = padded.derivatives(block.functions) @ block.jacobian
        edge_rows = derivatives.terms.rows[padded.terms]
        yield JacobianChunk(block.features, edge_rows, gradients.view(-1, 3, gradients.shape[2]))


def _density_jacobian(featurizer: DensityFeaturizer, readout: LinearReadout, density: Tensor, element: int) -> Tensor:
    """Return ∂φ/∂c of atoms of one element, (n_atoms, n_basis, n_channels, n_functions)."""
    elements = _atom_elements(element, density)
    h = featurizer.invariants(density, elements)
    basis_jacobian = readout.basis_jacobian(h, element)
    if basis_jacobian is None:
        return jacobian_by_atom(lambda c, z: readout.basis(featurizer.invariants(c, z), element), density, elements)
    directions, factor = basis_jacobian
    derivatives = featurizer.jacobian(density, elements, directions)
    if factor is not None:
        derivatives = derivatives.mul_(factor[:, :, None, None])
    n_constant = readout.basis(h, element).shape[1] - derivatives.shape[1]  # constant basis functions have zero rows
    return torch.nn.functional.pad(derivatives, (0, 0, 0, 0, 0, n_constant)) if n_constant else derivatives


def _basis_factors(
    featurizer: DensityFeaturizer, readout: LinearReadout, density: Tensor, element: int
) -> Tensor | None:
    """Return the factor f of each basis function, see ``LinearReadout.basis_jacobian``, (n_atoms, n); None for 1."""
    basis_jacobian = readout.basis_jacobian(featurizer.invariants(density, _atom_elements(element, density)), element)
    return None if basis_jacobian is None else basis_jacobian[1]


def _atom_elements(element: int, density: Tensor) -> Tensor:
    """Return the element of each atom, (n_atoms,), for atoms of one element."""
    return torch.full((len(density),), element, device=density.device)


def _term_gradients(
    derivatives: TermDerivatives, terms: Tensor, density_row: Tensor, density_jacobian: Tensor
) -> Tensor:
    """Return the derivatives of k basis functions with respect to edge vectors, one matrix product per atom and channel.

    Args:
        derivatives: Terms of all edges and their derivatives.
        terms: Indices of terms, (n,).
        density_row: Index atom · n_channels + channel of each term, (n,).
        density_jacobian: ∂φ/∂c, (n_atoms, k, n_channels, n_functions).

    Returns:
        Derivatives, (n, 3, k), eV/Å.
    """
    # (n_atoms · n_channels, n_functions, k); SOAP's Jacobian has this memory layout, so nothing is copied
    jacobian = density_jacobian.permute(0, 2, 3, 1).flatten(0, 1)
    n_terms = torch.bincount(density_row, minlength=len(jacobian))
    n_padded = int(n_terms.max())
    slot = density_row * n_padded + rank_in_target(density_row, n_terms)
    # the padding contains term 0; its result is not used
    padded = terms.new_zeros(len(jacobian) * n_padded).index_copy(0, slot, terms)
    gradients = derivatives.select(padded).view(len(jacobian), 3 * n_padded, -1) @ jacobian
    return gradients.view(len(padded), 3, -1).index_select(0, slot)


def _autograd_chunks(block: ReadoutBlock, graph: AtomicGraph, edges: Edges) -> Iterator[JacobianChunk]:
    """Yield chunks by one backward pass per column, for any featurizer and layers."""
    with torch.enable_grad():
        vector = edges.vector.detach().requires_grad_()
        columns = block.columns
        sums = basis_sums(block, graph, edges.with_vectors(vector), columns.stop)[:, columns].sum(dim=0)
    if not sums.requires_grad:
        return
    rows = torch.arange(edges.n_edges, device=vector.device)
    n_columns = max(1, _CHUNK_SIZE // max(vector.numel(), 1))
    start = columns.start
    for unit_rows in torch.eye(len(sums), dtype=sums.dtype, device=sums.device).split(n_columns):
        gradients = [
            torch.autograd.grad(sums, vector, row, retain_graph=True, materialize_grads=True)[0] for row in unit_rows
        ]
        yield JacobianChunk(slice(start, start + len(gradients)), rows, torch.stack(gradients, dim=2))
        start += len(gradients)


def _atoms_by_element(edges: Edges) -> Iterator[tuple[int, Tensor]]:
    """Yield the row of each element of the graph, and the indices of its atoms, (n_element_atoms,)."""
    for element in torch.unique(edges.element).tolist():
        yield element, torch.nonzero(edges.element == element)[:, 0]


def _split_by_cost(atoms: Tensor, cost: Tensor, max_cost: int) -> Iterator[Tensor]:
    """Yield atoms in groups with a total cost of about ``max_cost``, at least one atom per group.

    Args:
        atoms: Indices of atoms, (n,).
        cost: Cost of each atom, (n,).
        max_cost: Approximate total cost of a group.
    """
    group = cost.cumsum(0) // max_cost
    yield from atoms.split(torch.bincount(group)[torch.unique(group)].tolist())


__getattr__ = old_names_of(__name__)
