"""Base of featurizers whose features are functions of a neighbour density, and the derivatives of these features.

A neighbour density is a sum of contributions of the neighbours, each of which depends on one edge vector only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from atomgraph.nn.edges import Edges
from atomgraph.nn.protocols import Featurizer
from atomgraph.old_names import OldAttribute, accept_old_methods, old_names_of, with_old_arguments

_MAX_NUMBERS = 2**21  # largest number of values in a batch of derivatives
_OLD_METHODS = {
    "terms": "density_terms",
    "alone": "isolated_density",
    "slopes": "jacobian",
    "slope_blocks": "jacobian_blocks",
    "n_slopes": "n_jacobian",
}


@with_old_arguments
@dataclass(frozen=True, eq=False)
class DensityTerms:
    r"""Contributions of edges to the densities of their centres, :math:`g_b = x_{p(b)}\, y_{q(b)}`.

    Often x is a radial and y an angular function.

    Attributes:
        rows: Rows of the edges with a contribution, (n,).
        channel: Channel of the density to which each contribution is added, for example the neighbour's element, (n,).
        left: Factors x, (n, n_left).
        right: Factors y, (n, n_right), or None for 1.
        left_column: Columns p of x, (n_functions,), or None if ``right`` is None.
        right_column: Columns q of y, (n_functions,), or None if ``right`` is None.
    """

    rows: Tensor
    channel: Tensor
    left: Tensor
    right: Tensor | None = None
    left_column: Tensor | None = None
    right_column: Tensor | None = None

    @property
    def values(self) -> Tensor:
        """Contributions g of all terms, (n, n_functions)."""
        return self.select_values(slice(None))

    def select_values(self, terms: Tensor | slice) -> Tensor:
        """Contributions g of the terms with these indices, (n_selected, n_functions)."""
        if self.right is None or self.left_column is None or self.right_column is None:
            return self.left[terms]
        x = self.left[terms].index_select(1, self.left_column)
        return x * self.right[terms].index_select(1, self.right_column)

    of_left = OldAttribute("left_column")
    of_right = OldAttribute("right_column")
    some = OldAttribute("select_values")


@with_old_arguments
@dataclass(frozen=True, eq=False)
class JacobianBlock:
    r"""Derivatives :math:`\partial h_{if}/\partial c_{iab}` of some features f with respect to the densities
    of some functions b in one channel a.

    Attributes:
        channel: Channel a.
        features: Indices of the features f, (k,).
        functions: Indices of the functions b, (q,).
        jacobian: Derivatives, (n_atoms, q, k).
    """

    channel: int
    features: Tensor
    functions: Tensor
    jacobian: Tensor

    slopes = OldAttribute("jacobian")


class DensityFeaturizer(Featurizer):
    r"""Base of featurizers whose features are functions of a neighbour density c.

    .. math:: h_i = \Phi_{z_i}(c_i), \qquad c_{iab} = c^0_{z_i ab} + \sum_{j:\,a_j = a} g_b(r_{ij})

    Derivatives are products, :math:`\partial h_i/\partial r_{ij} = \Phi'(c_i)\, \partial g/\partial r_{ij}`. The derivatives of
    all features with respect to positions therefore cost two matrix products instead of one backward pass per feature.

    Attributes:
        n_channels: Number of channels a.
        n_functions: Number of functions b.
    """

    n_channels: int
    n_functions: int

    def __init_subclass__(cls, **kwargs: Any):
        """Accept the method names of the last release in classes of users, with a warning."""
        super().__init_subclass__(**kwargs)
        accept_old_methods(cls, _OLD_METHODS)

    @abstractmethod
    def density_terms(self, edges: Edges) -> DensityTerms:
        """Contributions :math:`g_b` of all edges inside the cutoff, differentiable with respect to vectors and lengths."""

    @abstractmethod
    def invariants(self, density: Tensor, element: Tensor) -> Tensor:
        """Compute the features from the densities.

        Args:
            density: Densities c, (n_atoms, n_channels, n_functions).
            element: Row of each atom's element, (n_atoms,).

        Returns:
            Features h, (n_atoms, n_features).
        """

    def isolated_density(self, element: Tensor) -> Tensor:
        """Density :math:`c^0` of atoms without neighbours.

        Args:
            element: Row of each atom's element, (n_atoms,).

        Returns:
            Densities, (n_atoms or 1, n_channels, n_functions), float64.
        """
        return torch.zeros(1, self.n_channels, self.n_functions, dtype=torch.float64, device=element.device)

    def jacobian(self, density: Tensor, element: Tensor, directions: Tensor | None = None) -> Tensor:
        r"""Compute derivatives of features with respect to densities, :math:`\sum_f d_{rf}\, \partial h_{if}/\partial c_{iab}`.

        Args:
            density: Densities c, (n_atoms, n_channels, n_functions).
            element: Row of each atom's element, (n_atoms,).
            directions: Linear combinations d of features, (n_rows, n_features); None: each feature, without combination.

        Returns:
            Derivatives, (n_atoms, n_rows, n_channels, n_functions).
        """
        return jacobian_by_atom(lambda c, z: self.invariants(c, z), density, element, directions)

    def jacobian_blocks(self, density: Tensor, element: int, channels: Iterable[int]) -> Iterator[JacobianBlock]:
        """Iterate over blocks of the Jacobian of all features; the Jacobian is zero outside the blocks.

        Args:
            density: Densities of atoms of one element, (n_atoms, n_channels, n_functions).
            element: Row of the element.
            channels: Channels of the densities.
        """
        jacobian = self.jacobian(density, torch.full((len(density),), element, device=density.device))
        features = torch.arange(jacobian.shape[1], device=density.device)
        functions = torch.arange(self.n_functions, device=density.device)
        for channel in channels:
            yield JacobianBlock(channel, features, functions, jacobian[:, :, channel].mT)

    def n_jacobian(self, element: int) -> int:
        """Number of values per atom in all blocks of ``jacobian_blocks``."""
        return self.irreps_out.dim * self.n_channels * self.n_functions

    terms = OldAttribute("density_terms")
    alone = OldAttribute("isolated_density")
    slopes = OldAttribute("jacobian")
    slope_blocks = OldAttribute("jacobian_blocks")
    n_slopes = OldAttribute("n_jacobian")


def jacobian_by_atom(
    function: Callable[[Tensor, Tensor], Tensor], density: Tensor, element: Tensor, directions: Tensor | None = None
) -> Tensor:
    """Compute the Jacobian of a function that acts on each atom separately.

    The atoms are repeated once per row of the result, for as many rows as memory allows. One backward pass then gives many
    rows.

    Args:
        function: Function of densities and elements (n_atoms,) with values (n_atoms, n_features).
        density: Densities, (n_atoms, ...).
        element: Row of each atom's element, (n_atoms,).
        directions: Linear combinations of features, (n_rows, n_features); None: each feature, without combination.

    Returns:
        Derivatives, (n_atoms, n_rows, ...).
    """
    n_atoms = len(density)
    n_rows = function(density[:1], element[:1]).shape[1] if directions is None else len(directions)
    batch_size = max(1, min(n_rows, _MAX_NUMBERS // max(density.numel(), 1)))
    result = []
    for start in range(0, n_rows, batch_size):
        rows = torch.arange(start, min(start + batch_size, n_rows), device=density.device)
        with torch.enable_grad():
            copies = density.detach().repeat(len(rows), *[1] * (density.dim() - 1)).requires_grad_()
            values = function(copies, element.repeat(len(rows))).view(len(rows), n_atoms, -1)
            if directions is None:
                combined = values.gather(2, rows[:, None, None].expand(-1, n_atoms, 1))
            else:
                combined = (values * directions[rows][:, None, :]).sum(dim=2)
            (gradient,) = torch.autograd.grad(combined.sum(), copies, materialize_grads=True)
        result.append(gradient.view(len(rows), *density.shape))
    return torch.cat(result).transpose(0, 1)


@dataclass(frozen=True, eq=False)
class TermDerivatives:
    r"""Contributions of edges to densities, with the derivatives of their factors with respect to edge vectors.

    Attributes:
        terms: Contributions, without derivatives by autograd.
        left_jacobian: Derivatives of the factors x, (n, 3, n_left), 1/Å times the unit of x.
        right_jacobian: Derivatives of the factors y, (n, 3, n_right), or None if y = 1.
    """

    terms: DensityTerms
    left_jacobian: Tensor
    right_jacobian: Tensor | None
    left = OldAttribute("left_jacobian")
    right = OldAttribute("right_jacobian")

    def select(self, indices: Tensor) -> Tensor:
        r"""Derivatives :math:`\partial g_b/\partial r_{ij}` of some terms, by the product rule.

        Args:
            indices: Indices of the terms, (n_selected,).

        Returns:
            Derivatives, (n_selected, 3, n_functions).
        """
        terms, left_jacobian = self.terms, self.left_jacobian.index_select(0, indices)
        if (
            self.right_jacobian is None
            or terms.right is None
            or terms.left_column is None
            or terms.right_column is None
        ):
            return left_jacobian
        x, y = (factor.index_select(0, indices)[:, None] for factor in (terms.left, terms.right))
        jacobian = left_jacobian.index_select(2, terms.left_column) * y.index_select(2, terms.right_column)
        right_jacobian = self.right_jacobian.index_select(0, indices).index_select(2, terms.right_column)
        return jacobian.addcmul_(x.index_select(2, terms.left_column), right_jacobian)

    of = OldAttribute("select")


def term_derivatives(featurizer: DensityFeaturizer, edges: Edges) -> TermDerivatives:
    r"""Compute the contributions of edges to densities, and the derivatives of their factors with respect to the edge
    vectors.

    A backward pass from x with the gradient u gives :math:`\sum_k u_k\, \partial x_k/\partial r`, which is linear in u. Its
    derivative with respect to u is the Jacobian of x. Three such derivatives, one per axis of r, therefore give the Jacobian
    of any number of functions x.
    """
    with torch.enable_grad():
        vector = edges.vector.detach().requires_grad_()
        terms = featurizer.density_terms(edges.with_vectors(vector))
        left_jacobian = _jacobian(terms.left, vector)
        right_jacobian = None if terms.right is None else _jacobian(terms.right, vector)
    detached = replace(terms, left=terms.left.detach(), right=None if terms.right is None else terms.right.detach())
    return TermDerivatives(detached, left_jacobian, right_jacobian)


def _jacobian(values: Tensor, vector: Tensor) -> Tensor:
    """Return derivatives, (n, 3, n_values), of values, (n, n_values), with respect to the edge vector of each row."""
    u = torch.zeros_like(values).requires_grad_()
    product = torch.autograd.grad(values, vector, u, create_graph=True, retain_graph=True, allow_unused=True)[0]
    if product is None or not product.requires_grad:
        return values.new_zeros(len(values), 3, values.shape[1])
    axes = [torch.autograd.grad(product[:, axis].sum(), u, retain_graph=True)[0] for axis in range(3)]
    return torch.stack(axes, dim=1)


__getattr__ = old_names_of(__name__)
