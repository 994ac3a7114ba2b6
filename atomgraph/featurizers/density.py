"""Expansions: featurizers that see an atom's neighbours only through the sum of what each of them gives by itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.nn.protocols import Featurizer

_AT_ONCE = 2**21  # numbers in a batch of derivatives


@dataclass(frozen=True, eq=False)
class Terms:
    r"""What each edge gives to the density of its centre, :math:`g_b = x_{p(b)}\, y_{q(b)}`: most often radial times angular.

    Attributes:
        rows: (n,) rows of the edges that give something.
        channel: (n,) the channel that each gives to, such as its neighbour's element.
        left: x, (n, n_left).
        right: y, (n, n_right), or None for 1.
        of_left, of_right: P and q, (n_functions,), where there is a right.
    """

    rows: Tensor
    channel: Tensor
    left: Tensor
    right: Tensor | None = None
    of_left: Tensor | None = None
    of_right: Tensor | None = None

    @property
    def values(self) -> Tensor:
        """g, (n, n_functions)."""
        return self.some(slice(None))

    def some(self, rows: Tensor | slice) -> Tensor:
        """g of some of the terms."""
        if self.right is None or self.of_left is None or self.of_right is None:
            return self.left[rows]
        return self.left[rows].index_select(1, self.of_left) * self.right[rows].index_select(1, self.of_right)


@dataclass(frozen=True, eq=False)
class JacobianBlock:
    r"""Derivatives :math:`\partial h_{if}/\partial c_{iab}` of some features f by some functions b of one channel a.

    Attributes:
        features: (k,) which f.
        functions: (q,) which b.
        jacobian: (n_atoms, q, k).
    """

    channel: int
    features: Tensor
    functions: Tensor
    jacobian: Tensor


class DensityFeaturizer(Featurizer):
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

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        r"""(n_atoms, n_rows, n_channels, n_functions): :math:`\sum_f d_{rf}\, \partial h_{if}/\partial c_{iab}`.

        Args:
            directions: d, (n_rows, n_features); every feature by itself if None.
        """
        return jacobian_by_atom(lambda c, z: self.invariants(c, z), density, element, directions)

    def jacobian_blocks(self, density: Tensor, element: int, channels: Iterable[int]) -> Iterator[JacobianBlock]:
        """The jacobian of all features of atoms of one element by these channels, in blocks outside which they are zero."""
        jacobian = self.jacobian(density, torch.full((len(density),), element, device=density.device))
        features = torch.arange(jacobian.shape[1], device=density.device)
        functions = torch.arange(self.n_functions, device=density.device)
        for channel in channels:
            yield JacobianBlock(channel, features, functions, jacobian[:, :, channel].mT)

    def n_jacobian(self, element: int) -> int:
        """Number of values in ``jacobian_blocks`` for an atom."""
        return self.irreps_out.dim * self.n_channels * self.n_functions


def jacobian_by_atom(
    function: Callable[[Tensor, Tensor], Tensor], density: Tensor, element: Tensor, directions: Tensor | None = None
) -> Tensor:
    """(n_atoms, n_rows, *density.shape[1:]): derivatives of what is a function of each atom's own density and element.

    The atoms are repeated, once for a row, as often as memory allows: one backward pass for many rows.
    """
    n_atoms = len(density)
    n_rows = function(density[:1], element[:1]).shape[1] if directions is None else len(directions)
    at_once = max(1, min(n_rows, _AT_ONCE // max(density.numel(), 1)))
    result = []
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
        result.append(part.view(len(rows), *density.shape))
    return torch.cat(result).transpose(0, 1)


@dataclass(frozen=True, eq=False)
class TermDerivatives:
    r"""The terms of edges with the derivatives of their factors by the edges' vectors.

    Attributes:
        left: (n, 3, n_left).
        right: (n, 3, n_right), or None.
    """

    terms: Terms
    left: Tensor
    right: Tensor | None

    def of(self, rows: Tensor) -> Tensor:
        r""":math:`\partial g_b/\partial r_{ij}` of some of the terms, (n_rows, 3, n_functions), by the rule for products."""
        terms, left = self.terms, self.left.index_select(0, rows)
        if self.right is None or terms.right is None or terms.of_left is None or terms.of_right is None:
            return left
        x, y = (factor.index_select(0, rows)[:, None] for factor in (terms.left, terms.right))
        jacobian = left.index_select(2, terms.of_left) * y.index_select(2, terms.of_right)
        right = self.right.index_select(0, rows).index_select(2, terms.of_right)
        return jacobian.addcmul_(x.index_select(2, terms.of_left), right)


def term_derivatives(expansion: DensityFeaturizer, edges: Edges) -> TermDerivatives:
    r"""The terms of the edges and the jacobian of their factors.

    Three derivatives of a derivative each: :math:`u \mapsto u\, \partial x/\partial r` is linear in u, so its derivative with
    respect to u is the whole Jacobian, for any number of functions.
    """
    with torch.enable_grad():
        vector = edges.vector.detach().requires_grad_()
        terms = expansion.terms(edges.with_vectors(vector))
        left = _jacobian(terms.left, vector)
        right = None if terms.right is None else _jacobian(terms.right, vector)
    known = replace(terms, left=terms.left.detach(), right=None if terms.right is None else terms.right.detach())
    return TermDerivatives(known, left, right)


def _jacobian(values: Tensor, vector: Tensor) -> Tensor:
    """(n, 3, n_values): derivatives of values (n, n_values) by the vector (·, 3) of the edge that each row is of."""
    u = torch.zeros_like(values).requires_grad_()
    along = torch.autograd.grad(values, vector, u, create_graph=True, retain_graph=True, allow_unused=True)[0]
    if along is None or not along.requires_grad:
        return values.new_zeros(len(values), 3, values.shape[1])
    axes = [torch.autograd.grad(along[:, axis].sum(), u, retain_graph=True)[0] for axis in range(3)]
    return torch.stack(axes, dim=1)
