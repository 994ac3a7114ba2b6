"""Distance transforms: distances scaled by the covalent radii of both atoms, for use in radial functions."""

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
from atomgraph.nn.repulsion.zbl import resolve_radii, update_radii
from atomgraph.old_names import OldAttribute


class DistanceTransform(Part):
    """Base of distance transforms, functions of the distance of an edge and the covalent radii of its atoms.

    Args:
        elements: Chemical symbols.
        radii: Covalent radii in the order of the elements, Å; None: ASE's table (Cordero 2008).

    Raises:
        WiringError: If a symbol is unknown, or a radius is missing or not positive.
    """

    def __init__(self, elements: Sequence[str], radii: Sequence[float] | None = None):
        super().__init__()
        self.elements = checked_symbols(elements)
        self.radii = resolve_radii(self.elements, radii)
        self._constants = Constants(radius=self.radii)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments for changed elements; new elements have radii from the table."""
        return update_radii(super().element_arguments(edit), edit)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because radii are not weights."""
        return {}

    def radius_sums(self, edges: Edges) -> Tensor:
        """Sum of both covalent radii of each edge, (n_edges,), Å."""
        radius = self._constants.like(edges.length)["radius"]
        return radius[edges.element_of_centre] + radius[edges.element_of_neighbour]

    radii_of = OldAttribute("radius_sums")


class Agnesi(DistanceTransform):
    r"""Agnesi transform, which decreases from 1 at r = 0 towards 0 at large distances.

    .. math:: x = \left(1 + \frac{a u^q}{1 + u^{q-p}}\right)^{-1}, \quad u = \frac{2 r}{R_i + R_j}

    Args:
        elements: Chemical symbols.
        a: Prefactor, positive, no unit.
        q: Exponent at large distances, positive, no unit.
        p: Exponent at small distances, larger than q, no unit.
        radii: Covalent radii R in the order of the elements, Å; None: ASE's table.

    Raises:
        WiringError: Unless a > 0 and p > q > 0, or for the reasons of ``DistanceTransform``.

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
        """Transformed distances x, (n_edges,), no unit."""
        u = edges.length / (0.5 * self.radius_sums(edges))
        # the fraction of the formula, with numerator and denominator times u^(p − q)
        return 1.0 / (1.0 + self.a * u**self.p / (1.0 + u ** (self.p - self.q)))


class Soft(DistanceTransform):
    r"""Soft transform, which maps all short distances to nearly the same value.

    .. math:: x = r_- + \tfrac12 (r - r_-) \left(1 + \tanh \frac{\alpha (r - m)}{r_+ - r_-}\right)

    with :math:`r_- = \tfrac34 r_0,\; r_+ = \tfrac43 r_0,\; m = \tfrac12 (r_- + r_+)` and :math:`r_0 = R_i + R_j`.

    Args:
        elements: Chemical symbols.
        alpha: Steepness α of the step, no unit.
        radii: Covalent radii R in the order of the elements, Å; None: ASE's table.

    Source: mace-torch 0.3.16, ``SoftTransform``.
    """

    def __init__(self, elements: Sequence[str], alpha: float = 4.0, radii: Sequence[float] | None = None):
        super().__init__(elements, radii)
        self.alpha = alpha

    def forward(self, edges: Edges) -> Tensor:
        """Transformed distances x, (n_edges,), Å."""
        r, r_0 = edges.length, self.radius_sums(edges)
        low, high = 0.75 * r_0, 4.0 / 3.0 * r_0
        step = torch.tanh(self.alpha / (high - low) * (r - 0.5 * (low + high)))
        return low + (r - low) * 0.5 * (1.0 + step)
