"""Bonds of the atomic cluster expansion: a radial basis for each pair of elements, and its linear combinations R_nl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError, check_name, nearest
from atomgraph.nn.edges import Edges
from atomgraph.nn.linear_map import LinearMap
from atomgraph.old_names import OldAttribute
from atomgraph.ops.radial_basis import ACE_RADIALS, RadialParameters, ace_radial, polynomial_fade

BOND_KEYS = ("elements", "radial", "cutoff", "width", "exponent", "inner", "inner_width")


class Bonds(torch.nn.Module):
    r"""Radial functions :math:`g_k(r)` and :math:`R_{nl}(r) = \sum_k c_{nlk}\, g_k(r)` for each pair of elements.

    ``coefficient`` is c, (n_bonds, n_max, l_max + 1, n_radial). Its initial value is 1 for k = n, else 0.

    Args:
        elements: Chemical symbols.
        bonds: Mappings ``{elements, radial, cutoff, width, exponent, inner, inner_width}``, one per pair of elements in any
            order. ``radial`` is a key of ``ACE_RADIALS`` (default ``SBessel``); cutoff, width (default 1 Å, at most the
            cutoff) and exponent (default 5.25) are as in ``RadialParameters``. The basis is switched on from
            ``inner − inner_width`` to ``inner`` (default: no inner cutoff). Lengths are in Å. Pairs of elements without a
            bond do not contribute.
        n_radial: Number of functions :math:`g_k`.
        n_max: Number of functions :math:`R_{nl}` for each l.
        l_max: Highest degree l.
        learned: Make c a parameter; otherwise c is a buffer.

    Raises:
        WiringError: If a bond is repeated, a key or name is unknown, or a number is out of range.
    """

    coefficient: Tensor
    group = "radial"
    _pair_bond: Tensor

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
        # radial basis, its parameters, inner cutoff and its width, of each bond
        self._bonds = [_read_bond(bond, elements) for bond in bonds]
        self.max_cutoff = max((parameters.cutoff for _, parameters, _, _ in self._bonds), default=0.0)
        pair_bond = torch.full((self.n_elements, self.n_elements), -1)  # −1: no bond
        for i, bond in enumerate(bonds):
            a, b = (list(elements).index(symbol) for symbol in bond["elements"])
            if pair_bond[a, b] >= 0:
                raise WiringError(f"there are two bonds of {' and '.join(bond['elements'])}; remove one")
            pair_bond[a, b] = pair_bond[b, a] = i
        self.register_buffer("_pair_bond", pair_bond, persistent=False)
        coefficient = torch.zeros(len(bonds), n_max, l_max + 1, n_radial)
        for n in range(min(n_max, n_radial)):
            coefficient[:, n, :, n] = 1.0
        if learned:
            self.coefficient = torch.nn.Parameter(coefficient)
        else:
            self.register_buffer("coefficient", coefficient)

    def linear_maps(self) -> dict[str, LinearMap]:
        """No linear maps, because the coefficients combine radial functions."""
        return {}

    @property
    def pairs(self) -> Tensor:
        """Row of ``coefficient`` of each pair of elements, (n_elements, n_elements); −1 for pairs without a bond."""
        return self._pair_bond

    def forward(self, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the radial functions of all edges, sorted by bond.

        Returns:
            Rows of the edges, (n,); functions g, (n, n_radial); and functions R, (n, n_max, l_max + 1). The unit of g and R is
            Å^(−3/2), or none, depending on the basis.
        """
        bond_of_edge = self._pair_bond[edges.element_of_centre, edges.element_of_neighbour]
        rows, g, r_nl = [], [], []
        for i, (name, parameters, inner, inner_width) in enumerate(self._bonds):
            bond_rows = ((bond_of_edge == i) & (edges.length < parameters.cutoff)).nonzero()[:, 0]
            length = edges.length.index_select(0, bond_rows)
            basis = ace_radial(name, length, self.n_radial, parameters)
            if inner > 0:
                basis = basis * (1.0 - polynomial_fade(length, inner, inner_width))[:, None]
            rows.append(bond_rows)
            g.append(basis)
            r_nl.append(basis @ self.coefficient[i].flatten(0, 1).T)
        return torch.cat(rows), torch.cat(g), torch.cat(r_nl).unflatten(1, (self.n_max, self.l_max + 1))

    reach = OldAttribute("max_cutoff")


def _read_bond(bond: Mapping[str, Any], elements: Sequence[str]) -> tuple[str, RadialParameters, float, float]:
    """Name of the radial basis, its parameters, the inner cutoff (Å) and the width of the inner cutoff (Å)."""
    for key in bond:
        if key not in BOND_KEYS:
            raise WiringError(f"a bond has no key {key!r}{nearest(key, BOND_KEYS)}")
    pair = bond.get("elements")
    if not isinstance(pair, list | tuple) or len(pair) != 2 or any(symbol not in elements for symbol in pair):
        raise WiringError(f"a bond is between two of the elements {', '.join(elements)}, but got {pair!r}")
    name = bond.get("radial", "SBessel")
    check_name("radial basis", name, ACE_RADIALS)
    defaults = {"cutoff": 0.0, "width": None, "exponent": 5.25, "inner": 0.0, "inner_width": 0.0}
    try:
        values = {key: value if bond.get(key) is None else float(bond[key]) for key, value in defaults.items()}
    except (TypeError, ValueError):
        raise WiringError(f"the parameters of a bond should be numbers, but are {dict(bond)}") from None
    cutoff, inner, inner_width = (float(values[key] or 0.0) for key in ("cutoff", "inner", "inner_width"))
    width = min(1.0, cutoff) if values["width"] is None else values["width"]
    parameters = RadialParameters(cutoff, width, float(values["exponent"] or 0.0))
    ace_radial(name, torch.ones(1), 1, parameters)  # raises an error if a parameter is out of range
    if not (0 <= inner < cutoff < float("inf") and 0 <= inner_width < float("inf")):
        raise WiringError(
            f"the inner cutoff of a bond should be from 0 to below the cutoff of {cutoff} Å, with a width of at least 0 Å, "
            f"but they are {inner} Å and {inner_width} Å"
        )
    return name, parameters, inner, inner_width
