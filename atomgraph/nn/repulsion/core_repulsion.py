"""Core repulsion of the atomic cluster expansion: what keeps atoms apart where no function was fitted."""

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
from atomgraph.ops.radial_basis import polynomial_fade
from atomgraph.ops.repulsion import core_repulsion, screened_coulomb
from atomgraph.ops.scatter import sum_to

_KEYS = ("elements", "form", "prefactor", "exponent", "cutoff", "width", "inner", "inner_width")
_FORMS = ("gaussian", "zbl")


class CoreRepulsion(Part):
    r""":math:`\rho^{core}_i = \sum_j \frac{|A|}{r} e^{-|\lambda| r^2}\, \tfrac12(1 + \cos\pi r/r_c)\, f_{in}(r)`, in eV.

    :math:`f_{in}` goes from 1 to 0 between ``inner − inner_width`` and ``inner``, or is 1 where ``inner`` is None.
    A pair of the form ``zbl`` has ``ops.repulsion.screened_coulomb`` instead, A without unit, fading over ``width``.

    ``forward(graph, edges)`` gives (n_atoms,).

    Args:
        elements: Chemical symbols.
        pairs: ``{elements, form, prefactor, exponent, cutoff, width, inner, inner_width}`` each: ``gaussian`` (if not
            said) or ``zbl``, A in eV·Å, λ in 1/Å², lengths in Å; for both orders of two elements. Pairs that are not
            named do not repel.
        takes_over: For pacemaker's inner cutoff ``zbl``: inner cutoffs do not fade the repulsion, :math:`f_{in} = 1`,
            but an atom whose nearest neighbour is inside feels nothing else (``kept``).

    Raises:
        WiringError: For a pair of unknown elements, one that comes twice, an unknown key, what is no finite number, or
            a cutoff that is not positive.

    Source: Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022), and the program python-ace.
    """

    def __init__(self, elements: Sequence[str], pairs: Sequence[Mapping[str, Any]], takes_over: bool = False):
        super().__init__()
        self.elements, self.takes_over = checked_symbols(elements), takes_over
        self._pairs = [_checked(pair, self.elements) for pair in pairs]
        if len({tuple(sorted(pair.rows)) for pair in self._pairs}) < len(self._pairs):
            raise WiringError("a core repulsion names a pair of elements twice")
        self.cutoff = max((pair.cutoff for pair in self._pairs), default=0.0)

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms,) eV."""
        total = edges.length.new_zeros(edges.n_atoms)
        for pair in self._pairs:
            mine = self._edges_of(pair, edges)
            value = pair.energy(edges.length[mine])
            if not self.takes_over:
                value = value * pair.inside(edges.length[mine])
            total = total + sum_to(value, edges.centre[mine], edges.n_atoms)
        return total

    def kept(self, edges: Edges) -> Tensor:
        r"""(n_atoms,): what is left of an atom's other energy, :math:`1 - f_{in}(r_{ij})` of its nearest neighbour j.

        Nearest is who is deepest inside, by :math:`r_{ij}` less ``inner − inner_width``. Where two are equally deep this
        has a kink, and a jump if their inner cutoffs differ, as it has in python-ace.
        """
        depths, shares, centres = [edges.length.new_zeros(0)], [edges.length.new_zeros(0)], [edges.centre[:0]]
        for pair in self._pairs:
            mine = self._edges_of(pair, edges)
            length = edges.length[mine]
            depths.append(length.detach() - ((pair.inner or 0.0) - pair.inner_width))
            shares.append(1.0 - pair.inside(length))
            centres.append(edges.centre[mine])
        depth, share, centre = torch.cat(depths), torch.cat(shares), torch.cat(centres)
        order = torch.argsort(depth, stable=True)
        order = order[torch.argsort(centre[order], stable=True)]
        nearest_of = torch.ones_like(order, dtype=torch.bool)
        nearest_of[1:] = centre[order][1:] != centre[order][:-1]
        first = order[nearest_of]
        return share.new_ones(edges.n_atoms).index_copy(0, centre[first], share[first])

    def _edges_of(self, pair: _Pair, edges: Edges) -> Tensor:
        first, second = edges.element_of_centre, edges.element_of_neighbour
        a, b = pair.rows
        return (((first == a) & (second == b)) | ((first == b) & (second == a))) & (edges.length < pair.cutoff)


@dataclass(frozen=True)
class _Pair:
    rows: tuple[int, int]
    numbers: tuple[int, int]
    form: str
    prefactor: float
    exponent: float
    cutoff: float
    width: float
    inner: float | None
    inner_width: float

    def energy(self, length: Tensor) -> Tensor:
        if self.form == "zbl":
            return screened_coulomb(length, self.numbers, self.prefactor, self.cutoff, self.width)
        return core_repulsion(length, self.prefactor, self.exponent, self.cutoff)

    def inside(self, length: Tensor) -> Tensor:
        return torch.ones_like(length) if self.inner is None else polynomial_fade(length, self.inner, self.inner_width)


def _checked(pair: Mapping[str, Any], elements: list[str]) -> _Pair:
    for key in pair:
        if key not in _KEYS:
            raise WiringError(f"a core repulsion has no {key!r}{nearest(key, _KEYS)}")
    both, form = pair.get("elements", ()), pair.get("form", "gaussian")
    if len(both) != 2 or any(symbol not in elements for symbol in both):
        raise WiringError(f"a core repulsion is between two of {', '.join(elements)}, but this one names {both!r}")
    if form not in _FORMS:
        raise WiringError(f"unknown form {form!r} of a core repulsion{nearest(str(form), _FORMS)}")
    inner = pair.get("inner")
    try:
        numbers = [float(pair.get(key, 0.0)) for key in ("prefactor", "exponent", "cutoff", "width", "inner_width")]
        inner = None if inner is None else float(inner)
    except (TypeError, ValueError):
        raise WiringError(f"a core repulsion is described by numbers, but this one by {dict(pair)}") from None
    if not all(isfinite(number) for number in [*numbers, inner or 0.0]):
        raise WiringError(f"a core repulsion needs finite numbers, but has {dict(pair)}")
    prefactor, exponent, cutoff, width, inner_width = numbers
    if inner_width < 0 or cutoff <= 0 or (form == "zbl" and not 0 < width <= cutoff):
        raise WiringError(
            f"a core repulsion needs a positive cutoff, and zbl a positive width, in Å, but has {dict(pair)}"
        )
    return _Pair(
        rows=(elements.index(both[0]), elements.index(both[1])),
        numbers=(atomic_numbers[both[0]], atomic_numbers[both[1]]),
        form=form,
        prefactor=prefactor,
        exponent=exponent,
        cutoff=cutoff,
        width=width,
        inner=inner,
        inner_width=inner_width,
    )
