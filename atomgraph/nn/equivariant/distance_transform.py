"""Distances measured by the sizes of both atoms, before radial functions see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.part import Part
from atomgraph.nn.repulsion.zbl import covalent_radii_of, radii_for


class DistanceTransform(Part):
    """A length for each edge that stands in for its distance, made of both atoms' covalent radii.

    Args:
        elements: Chemical symbols.
        radii: Å, in their order; by default ASE's (Cordero 2008).

    Raises:
        WiringError: For unknown symbols, or radii that are missing or not positive.
    """

    def __init__(self, elements: Sequence[str], radii: Sequence[float] | None = None):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.radii = covalent_radii_of(self.elements, radii)
        self._constants = Constants(radius=self.radii)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the given radius of each known element and the tabulated one of each new element."""
        return radii_for(super().element_arguments(edit), edit)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """None: radii are no weights."""
        return {}

    def radii_of(self, edges: Edges) -> Tensor:
        """(n_edges,) Å: the sum of both radii."""
        radius = self._constants.like(edges.length)["radius"]
        return radius[edges.element_of_centre] + radius[edges.element_of_neighbour]


class Agnesi(DistanceTransform):
    r""":math:`x = \left(1 + \frac{a u^q}{1 + u^{q-p}}\right)^{-1}, \quad u = \frac{2 r}{R_i + R_j}`: from 1 at r = 0 towards 0.

    Args:
        elements: Chemical symbols.
        a, q, p: Dimensionless.
        radii: Å, in the order of the elements; by default ASE's.

    Source: Witt et al., J. Chem. Phys. 159, 164101 (2023), 10.1063/5.0158783.
    """

    def __init__(
        self,
        elements: Sequence[str],
        a: float = 1.0805,
        q: float = 0.9183,
        p: float = 4.5791,
        radii: Sequence[float] | None = None,
    ):
        super().__init__(elements, radii)
        if not (a > 0 and p > q > 0):
            raise WiringError(f"the Agnesi transform needs a > 0 and p > q > 0, but has a = {a}, q = {q}, p = {p}")
        self.a, self.q, self.p = a, q, p

    def forward(self, edges: Edges) -> Tensor:
        """(n_edges,), dimensionless."""
        u = edges.length / (0.5 * self.radii_of(edges))
        return 1.0 / (1.0 + self.a * u**self.p / (1.0 + u ** (self.p - self.q)))


class Soft(DistanceTransform):
    r""":math:`x = r_- + \tfrac12 (r - r_-) \left(1 + \tanh \frac{\alpha (r - m)}{r_+ - r_-}\right)`: short ones look alike.

    :math:`r_- = \tfrac34 r_0,\; r_+ = \tfrac43 r_0,\; m = \tfrac12 (r_- + r_+)` with :math:`r_0 = R_i + R_j`.

    Args:
        elements: Chemical symbols.
        alpha: Dimensionless.
        radii: Å, in the order of the elements; by default ASE's.

    Source: mace-torch 0.3.16, ``SoftTransform``.
    """

    def __init__(self, elements: Sequence[str], alpha: float = 4.0, radii: Sequence[float] | None = None):
        super().__init__(elements, radii)
        self.alpha = alpha

    def forward(self, edges: Edges) -> Tensor:
        """(n_edges,) in Å."""
        r, sizes = edges.length, self.radii_of(edges)
        low, high = 0.75 * sizes, 4.0 / 3.0 * sizes
        step = torch.tanh(self.alpha / (high - low) * (r - 0.5 * (low + high)))
        return low + (r - low) * 0.5 * (1.0 + step)
