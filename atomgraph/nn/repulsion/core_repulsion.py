"""Core repulsion of the atomic cluster expansion, for distances shorter than those in the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.part import Part
from atomgraph.old_names import OldAttribute
from atomgraph.ops.radial_basis import polynomial_fade
from atomgraph.ops.repulsion import core_repulsion, screened_coulomb
from atomgraph.ops.scatter import sum_to

_KEYS = ("elements", "form", "prefactor", "exponent", "cutoff", "width", "inner", "inner_width")
_FORMS = ("gaussian", "zbl")


class CoreRepulsion(Part):
    r"""Core repulsion, a sum of short-ranged pair energies of an atom.

    .. math:: \rho^{core}_i = \sum_j \frac{|A|}{r} e^{-|\lambda| r^2}\, \tfrac12(1 + \cos\pi r/r_c)\, f_{in}(r)

    :math:`f_{in}` decreases from 1 to 0 between ``inner − inner_width`` and ``inner``, and is 1 if ``inner`` is None. For the
    form ``zbl``, ``ops.repulsion.screened_coulomb`` replaces the factors before :math:`f_{in}`; A then has no unit, and the
    function is switched off over the last ``width`` Å before :math:`r_c`.

    Args:
        elements: Chemical symbols.
        pairs: Mappings ``{elements, form, prefactor, exponent, cutoff, width, inner, inner_width}``, one per pair of elements
            in any order. The form is ``gaussian`` (default) or ``zbl``. A is in eV·Å, λ in 1/Å², lengths in Å. Pairs that are
            missing have no repulsion.
        replaces_energy: For pacemaker's inner cutoff ``zbl``: the sum above has no factor :math:`f_{in}`, and the caller
            multiplies the energy of the rest of the model by ``remaining_fraction``, which is 0 if a neighbour is close.

    Raises:
        WiringError: If a pair has unknown elements or is repeated, a key is unknown, a number is not finite, or a cutoff is
            not positive.

    Source: Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022), and the program python-ace.
    """

    def __init__(self, elements: Sequence[str], pairs: Sequence[Mapping[str, Any]], replaces_energy: bool = False):
        super().__init__()
        self.elements, self.replaces_energy = checked_symbols(elements), replaces_energy
        self._pairs = [_read_pair(pair, self.elements) for pair in pairs]
        if len({tuple(sorted(pair.rows)) for pair in self._pairs}) < len(self._pairs):
            raise WiringError("a core repulsion contains a pair of elements twice; remove one of the two")
        self.cutoff = max((pair.cutoff for pair in self._pairs), default=0.0)

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Energy of each atom, (n_atoms,), eV."""
        total = edges.length.new_zeros(edges.n_atoms)
        for pair in self._pairs:
            mask = self._pair_edges(pair, edges)
            value = pair.energy(edges.length[mask])
            if not self.replaces_energy:
                value = value * pair.inner_switch(edges.length[mask])
            total = total + sum_to(value, edges.centre[mask], edges.n_atoms)
        return total

    def remaining_fraction(self, edges: Edges) -> Tensor:
        r"""Factor for the energy of the rest of the model: :math:`1 - s(r_{ij})` for the nearest neighbour j, (n_atoms,).

        s is the switch that ``inner`` and ``inner_width`` define as :math:`f_{in}` if ``replaces_energy`` is False.

        The nearest neighbour is the one with the smallest :math:`r_{ij}` minus (``inner − inner_width``). The factor has a kink
        where two neighbours are equally near, and a jump if their inner cutoffs differ, as in python-ace.
        """
        excesses, fractions, centres = [edges.length.new_zeros(0)], [edges.length.new_zeros(0)], [edges.centre[:0]]
        for pair in self._pairs:
            mask = self._pair_edges(pair, edges)
            length = edges.length[mask]
            excesses.append(length.detach() - ((pair.inner or 0.0) - pair.inner_width))
            fractions.append(1.0 - pair.inner_switch(length))
            centres.append(edges.centre[mask])
        excess, fraction, centre = torch.cat(excesses), torch.cat(fractions), torch.cat(centres)
        order = torch.argsort(excess, stable=True)
        order = order[torch.argsort(centre[order], stable=True)]
        is_nearest = torch.ones_like(order, dtype=torch.bool)
        is_nearest[1:] = centre[order][1:] != centre[order][:-1]
        nearest_edges = order[is_nearest]
        return fraction.new_ones(edges.n_atoms).index_copy(0, centre[nearest_edges], fraction[nearest_edges])

    def _pair_edges(self, pair: _Pair, edges: Edges) -> Tensor:
        """Mask of the edges between the two elements of a pair, inside its cutoff, (n_edges,)."""
        centre, neighbour = edges.element_of_centre, edges.element_of_neighbour
        a, b = pair.rows
        return (((centre == a) & (neighbour == b)) | ((centre == b) & (neighbour == a))) & (edges.length < pair.cutoff)

    takes_over = OldAttribute("replaces_energy")
    kept = OldAttribute("remaining_fraction")


@dataclass(frozen=True)
class _Pair:
    """Parameters of one pair of elements: rows of the elements, atomic numbers, and numbers as in ``CoreRepulsion``."""

    rows: tuple[int, int]
    atomic_numbers: tuple[int, int]
    form: str
    prefactor: float
    exponent: float
    cutoff: float
    width: float
    inner: float | None
    inner_width: float

    def energy(self, length: Tensor) -> Tensor:
        if self.form == "zbl":
            return screened_coulomb(length, self.atomic_numbers, self.prefactor, self.cutoff, self.width)
        return core_repulsion(length, self.prefactor, self.exponent, self.cutoff)

    def inner_switch(self, length: Tensor) -> Tensor:
        return torch.ones_like(length) if self.inner is None else polynomial_fade(length, self.inner, self.inner_width)


def _read_pair(pair: Mapping[str, Any], elements: list[str]) -> _Pair:
    for key in pair:
        if key not in _KEYS:
            raise WiringError(f"a core repulsion has no key {key!r}{nearest(key, _KEYS)}")
    symbols, form = pair.get("elements", ()), pair.get("form", "gaussian")
    if len(symbols) != 2 or any(symbol not in elements for symbol in symbols):
        raise WiringError(f"a core repulsion is between two of {', '.join(elements)}, but this one names {symbols!r}")
    if form not in _FORMS:
        raise WiringError(f"unknown form {form!r} of a core repulsion{nearest(str(form), _FORMS)}")
    inner = pair.get("inner")
    try:
        values = [float(pair.get(key, 0.0)) for key in ("prefactor", "exponent", "cutoff", "width", "inner_width")]
        inner = None if inner is None else float(inner)
    except (TypeError, ValueError):
        raise WiringError(f"the parameters of a core repulsion should be numbers, but are {dict(pair)}") from None
    if not all(isfinite(value) for value in [*values, inner or 0.0]):
        raise WiringError(f"a core repulsion needs finite numbers, but has {dict(pair)}")
    prefactor, exponent, cutoff, width, inner_width = values
    if inner_width < 0 or cutoff <= 0 or (form == "zbl" and not 0 < width <= cutoff):
        raise WiringError(
            f"a core repulsion needs cutoff > 0, inner_width ≥ 0 and, for zbl, 0 < width ≤ cutoff, in Å, but has {dict(pair)}"
        )
    return _Pair(
        rows=(elements.index(symbols[0]), elements.index(symbols[1])),
        atomic_numbers=(atomic_numbers[symbols[0]], atomic_numbers[symbols[1]]),
        form=form,
        prefactor=prefactor,
        exponent=exponent,
        cutoff=cutoff,
        width=width,
        inner=inner,
        inner_width=inner_width,
    )
