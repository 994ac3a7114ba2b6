"""Bonds of the atomic cluster expansion: for each pair of elements a radial basis, and the functions R_nl made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.edges import Edges
from atomgraph.nn.linear_map import LinearMap
from atomgraph.ops.radial_basis import ACE_RADIALS, RadialParameters, ace_radial, polynomial_fade

BOND_KEYS = ("elements", "radial", "cutoff", "width", "exponent", "inner", "inner_width")


class Bonds(torch.nn.Module):
    r"""Radial functions of a bond, :math:`g_k(r)` and :math:`R_{nl}(r) = \sum_k c_{nlk}\, g_k(r)`, by its two elements.

    ``coefficient`` is (n_bonds, n_max, l_max + 1, n_radial) and starts as 1 where k = n.

    Args:
        elements: Chemical symbols.
        bonds: ``{elements, radial, cutoff, width, exponent, inner, inner_width}`` each, lengths in Å: a key of
            ``ACE_RADIALS`` with its numbers (``RadialParameters``), zero inside ``inner − inner_width`` and whole
            from ``inner`` on. What is left out or None is ``SBessel``, at most 1 Å, λ = 5.25, and no inner cutoff. A
            bond is for both orders of its elements; elements without a bond do not see each other.
        n_radial: Functions :math:`g_k`.
        n_max, l_max: Of :math:`R_{nl}`.
        learned: Whether c is a parameter or a buffer.

    Raises:
        WiringError: For what makes no bond.
    """

    coefficient: Tensor
    group = "radial"
    _of_pair: Tensor

    def __init__(
        self,
        elements: Sequence[str],
        bonds: Sequence[Mapping[str, Any]],
        n_radial: int,
        n_max: int,
        l_max: int,
        learned: bool = True,
    ):
        super().__init__()
        self.n_radial, self.n_max, self.l_max, self.n_elements = n_radial, n_max, l_max, len(elements)
        self._bonds = [_checked(bond, elements) for bond in bonds]
        self.reach = max((shape.cutoff for _, shape, _, _ in self._bonds), default=0.0)
        of_pair = torch.full((self.n_elements, self.n_elements), -1)
        for i, bond in enumerate(bonds):
            a, b = (list(elements).index(symbol) for symbol in bond["elements"])
            if of_pair[a, b] >= 0:
                raise WiringError(f"there are two bonds of {' and '.join(bond['elements'])}")
            of_pair[a, b] = of_pair[b, a] = i
        self.register_buffer("_of_pair", of_pair, persistent=False)
        start = torch.zeros(len(bonds), n_max, l_max + 1, n_radial)
        for n in range(min(n_max, n_radial)):
            start[:, n, :, n] = 1.0
        if learned:
            self.coefficient = torch.nn.Parameter(start)
        else:
            self.register_buffer("coefficient", start)

    def linear_maps(self) -> dict[str, LinearMap]:
        """None is adapted: the coefficients combine radial functions."""
        return {}

    @property
    def pairs(self) -> Tensor:
        """(n_elements, n_elements): the row of ``coefficient`` of each pair of elements, −1 where there is no bond."""
        return self._of_pair

    def forward(self, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
        """Edges bond by bond: (n,) their rows, (n, n_radial) g, (n, n_max, l_max + 1) R, in Å^(−3/2) or without unit."""
        kind = self._of_pair[edges.element_of_centre, edges.element_of_neighbour]
        rows, g, r_nl = [], [], []
        for i, (name, shape, inner, inner_width) in enumerate(self._bonds):
            mine = ((kind == i) & (edges.length < shape.cutoff)).nonzero()[:, 0]
            length = edges.length.index_select(0, mine)
            basis = ace_radial(name, length, self.n_radial, shape)
            if inner > 0:
                basis = basis * (1.0 - polynomial_fade(length, inner, inner_width))[:, None]
            rows.append(mine)
            g.append(basis)
            r_nl.append(basis @ self.coefficient[i].flatten(0, 1).T)
        return torch.cat(rows), torch.cat(g), torch.cat(r_nl).unflatten(1, (self.n_max, self.l_max + 1))


def _checked(bond: Mapping[str, Any], elements: Sequence[str]) -> tuple[str, RadialParameters, float, float]:
    for key in bond:
        if key not in BOND_KEYS:
            raise WiringError(f"a bond has no {key!r}{nearest(key, BOND_KEYS)}")
    pair = bond.get("elements")
    if not isinstance(pair, list | tuple) or len(pair) != 2 or any(symbol not in elements for symbol in pair):
        raise WiringError(f"a bond is between two of the elements {', '.join(elements)}, but this one names {pair!r}")
    name = bond.get("radial", "SBessel")
    if name not in ACE_RADIALS:
        raise WiringError(f"unknown radial basis {name!r}{nearest(str(name), ACE_RADIALS)}")
    start = {"cutoff": 0.0, "width": None, "exponent": 5.25, "inner": 0.0, "inner_width": 0.0}
    try:
        said = {key: value if bond.get(key) is None else float(bond[key]) for key, value in start.items()}
    except (TypeError, ValueError):
        raise WiringError(f"a bond is described by numbers, but this one by {dict(bond)}") from None
    cutoff, inner, inner_width = (float(said[key] or 0.0) for key in ("cutoff", "inner", "inner_width"))
    width = min(1.0, cutoff) if said["width"] is None else said["width"]
    shape = RadialParameters(cutoff, width, float(said["exponent"] or 0.0))
    ace_radial(name, torch.ones(1), 1, shape)
    if not (0 <= inner < cutoff < float("inf") and 0 <= inner_width < float("inf")):
        raise WiringError(f"the inner cutoff of a bond should be inside its cutoff of {cutoff} Å, but is {inner} Å")
    return name, shape, inner, inner_width
