"""Expansions: featurizers that see an atom's neighbours only through the sum of what each of them gives by itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.nn.sisters import Featurizer

_AT_ONCE = 2**22  # numbers in a batch of derivatives


@dataclass(frozen=True, eq=False)
class Terms:
    r"""What each edge gives to the density of its centre.

    rows: (n,) rows of the edges that give something.  channel: (n,) the channel that each gives to, such as its
    neighbour's element.  values: (n, n_functions).
    """

    rows: Tensor
    channel: Tensor
    values: Tensor


class Expansion(Featurizer):
    r"""A featurizer :math:`h_i = \Phi_{z_i}(c_i)` of a density :math:`c_{iab} = c^0_{ab} + \sum_{j:\,a_j = a} g_b(r_{ij})`.

    That is the factor of a derivative, :math:`\partial h_i/\partial r_{ij} = \Phi'(c_i)\, \partial g/\partial r_{ij}`, with
    which forces of all features cost two matrix products instead of a backward pass a feature.
    a: one of ``n_channels``; b: one of ``n_functions``.
    """

    n_channels: int
    n_functions: int

    @abstractmethod
    def terms(self, edges: Edges) -> Terms:
        """:math:`g_b` of every edge inside the cutoff, differentiable by ``edges.vector`` and ``edges.length``."""

    @abstractmethod
    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        """(n_atoms, n_features) of densities (n_atoms, n_channels, n_functions) of atoms of elements (n_atoms,)."""

    def alone(self, element: Tensor) -> Tensor:
        """:math:`c^0`, the density of atoms (n_atoms,) without neighbours, as far as it is not zero; broadcast."""
        return torch.zeros(1, self.n_channels, self.n_functions, dtype=torch.float64, device=element.device)

    def slopes(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        r"""(n_atoms, n_rows, n_channels, n_functions): :math:`\sum_f d_{rf}\, \partial h_{if}/\partial c_{iab}`.

        directions: d, (n_rows, n_features); every feature by itself if None.
        """
        return slopes_by_atom(lambda c, z: self.invariants(c, z), density, element, directions)


def slopes_by_atom(
    function: Callable[[Tensor, Tensor], Tensor], density: Tensor, element: Tensor, directions: Tensor | None = None
) -> Tensor:
    """(n_atoms, n_rows, *density.shape[1:]): derivatives of what is a function of each atom's own density and element.

    The atoms are repeated, once for a row, as often as memory allows: one backward pass for many rows.
    """
    n_atoms = len(density)
    n_rows = function(density[:1], element[:1]).shape[1] if directions is None else len(directions)
    at_once = max(1, min(n_rows, _AT_ONCE // max(density.numel(), 1)))
    found = []
    for first in range(0, n_rows, at_once):
        rows = torch.arange(first, min(first + at_once, n_rows), device=density.device)
        with torch.enable_grad():
            copies = density.detach().repeat(len(rows), *[1] * (density.dim() - 1)).requires_grad_()
            values = function(copies, element.repeat(len(rows))).view(len(rows), n_atoms, -1)
            if directions is None:
                chosen = values.gather(2, rows[:, None, None].expand(-1, n_atoms, 1))
            else:
                chosen = (values * directions[rows][:, None, :]).sum(dim=2)
            (part,) = torch.autograd.grad(chosen.sum(), copies, materialize_grads=True)
        found.append(part.view(len(rows), *density.shape))
    return torch.cat(found).transpose(0, 1)


def terms_and_slopes(expansion: Expansion, edges: Edges) -> tuple[Terms, Tensor]:
    r"""The terms of the edges, and :math:`\partial g_b/\partial r_{ij}` by the edges' vectors, (n, 3, n_functions).

    Three derivatives of a derivative: :math:`u \mapsto u\, \partial g/\partial r` is linear in u, so that its own slope
    by u is the whole Jacobian, whatever number of functions there are.
    """
    with torch.enable_grad():
        vector = edges.vector.detach().requires_grad_()
        made = replace(edges, vector=vector, length=torch.linalg.vector_norm(vector, dim=1), origin=None, _cache={})
        terms = expansion.terms(made)
        u = torch.zeros_like(terms.values).requires_grad_()
        (along,) = torch.autograd.grad(terms.values, vector, u, create_graph=True, materialize_grads=True)
        if not along.requires_grad:
            return terms, terms.values.new_zeros(len(terms.rows), 3, terms.values.shape[1])
        axes = [torch.autograd.grad(along[:, axis].sum(), u, retain_graph=True)[0] for axis in range(3)]
    values = Terms(terms.rows, terms.channel, terms.values.detach())
    return values, torch.stack(axes, dim=1)
