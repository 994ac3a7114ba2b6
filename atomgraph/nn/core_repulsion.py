"""Core repulsion of the atomic cluster expansion: what keeps atoms apart where no function was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.part import Part
from atomgraph.ops.ace_radial import core_repulsion, polynomial_fade, screened_coulomb
from atomgraph.ops.scatter import sum_to

_KEYS = ("elements", "form", "prefactor", "exponent", "cutoff", "width", "inner", "inner_width")
_FORMS = ("gaussian", "zbl")


class CoreRepulsion(Part):
    r""":math:`\rho^{core}_i = \sum_j \frac{|A|}{r} e^{-|\lambda| r^2}\, \tfrac12(1 + \cos\pi r/r_c)\, f_{in}(r)`, in eV.

    :math:`f_{in}` goes from 1 to 0 between ``inner − inner_width`` and ``inner``, or is 1 where ``inner`` is None.
    A pair of the form ``zbl`` has ``ops.ace_radial.screened_coulomb`` instead, A without unit, fading over ``width``.

    elements: chemical symbols.
    pairs: ``{elements, form, prefactor, exponent, cutoff, width, inner, inner_width}`` each: ``gaussian`` (if not said) or
    ``zbl``, A in eV·Å, λ in 1/Å², lengths in Å; for both orders of two elements. Pairs that are not named do not repel.
    ``forward(graph, edges)`` gives (n_atoms,).
    Raises WiringError for a pair of unknown elements, an unknown key, or a cutoff that is not positive.
    Source: Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022), and the program python-ace.
    """

    def __init__(self, elements: Sequence[str], pairs: Sequence[Mapping[str, Any]]):
        super().__init__()
        self.elements = checked_symbols(elements)
        self._pairs = [_checked(pair, self.elements) for pair in pairs]
        self.cutoff = max((pair.cutoff for pair in self._pairs), default=0.0)

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms,) eV."""
        one, other = edges.element_of_centre, edges.element_of_neighbour
        total = edges.length.new_zeros(edges.n_atoms)
        for pair in self._pairs:
            a, b = pair.rows
            mine = ((one == a) & (other == b)) | ((one == b) & (other == a))
            mine &= edges.length < pair.cutoff
            total = total + sum_to(pair.energy(edges.length[mine]), edges.centre[mine], edges.n_atoms)
        return total


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
            value = screened_coulomb(length, self.numbers, self.prefactor, self.cutoff, self.width)
        else:
            value = core_repulsion(length, self.prefactor, self.exponent, self.cutoff)
        return value if self.inner is None else value * polynomial_fade(length, self.inner, self.inner_width)


def _checked(pair: Mapping[str, Any], elements: list[str]) -> _Pair:
    for key in pair:
        if key not in _KEYS:
            raise WiringError(f"a core repulsion has no {key!r}{nearest(key, _KEYS)}")
    both, form = pair.get("elements", ()), pair.get("form", "gaussian")
    if len(both) != 2 or any(symbol not in elements for symbol in both):
        raise WiringError(f"a core repulsion is between two of {', '.join(elements)}, but this one names {both!r}")
    if form not in _FORMS:
        raise WiringError(f"unknown form {form!r} of a core repulsion{nearest(str(form), _FORMS)}")
    prefactor, exponent, cutoff, width, inner_width = (
        float(pair.get(key, 0.0)) for key in ("prefactor", "exponent", "cutoff", "width", "inner_width")
    )
    if not 0 < cutoff < float("inf") or (form == "zbl" and not 0 < width <= cutoff):
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
        inner=None if pair.get("inner") is None else float(pair["inner"]),
        inner_width=inner_width,
    )
