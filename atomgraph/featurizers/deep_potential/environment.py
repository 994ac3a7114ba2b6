"""Environment matrix of Deep Potential: weighted inverse distances and directions of the neighbours of an atom."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.featurizers.deep_potential.nearest_neighbours import count_by_element, keep_nearest
from atomgraph.featurizers.deep_potential.statistics import EnvironmentStatistics
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part
from atomgraph.ops.cutoff import smoothstep_cutoff


class Environment(NamedTuple):
    """Normalised environment matrices of all atoms.

    Attributes:
        edges: Edges that are neighbours, fewer than those of the graph if neighbours are cut or removed.
        rows: Rows of the matrices, (n_edges, 4), no unit.
        n_neighbours: Number of neighbours by the element of the neighbour, (n_atoms, n_elements), in the dtype of the rows.
    """

    edges: Edges
    rows: Tensor
    n_neighbours: Tensor


class EnvironmentMatrix(Float64Buffers, Part):
    r"""Rows of the environment matrix, one per neighbour, with the statistics of the element of the centre.

    .. math:: R_{ij} = w(r_{ij}) \Big(\frac1{r_{ij} + p}, \frac{\vec r_j - \vec r_i}{(r_{ij} + p)^2}\Big), \qquad
              \tilde R_{ij} = \Big(\frac{R_{ij,0} - \mu_{z_i}}{s_{z_i}}, \frac{R_{ij,1..3}}{a_{z_i}}\Big)

    w is 1 up to ``inner``, and 0 with its first two derivatives at the cutoff. The mean :math:`\mu` and the standard deviations
    s and a are set from the training data, over all slots of the atoms. In deepmd-kit an atom has a fixed number of slots for
    neighbours of each element; empty slots have R = 0 and therefore the row :math:`(-\mu_{z_i} / s_{z_i}, 0, 0, 0)`.

    Buffers: ``mean`` μ, ``radial_width`` s, ``angular_width`` a, and ``slots``, the number of slots for neighbours of each
    element, (n_elements,); ``padding_slots``, the numbers of slots from which empty slots are counted, (n_elements,), which are
    0 for elements that were copied from another element; ``total_slots``, the number of slots of an atom, (). They are float64
    for models of any dtype.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        inner: Distance from which on the weight w decreases, Å.
        sel: Number of slots for neighbours of each element, or one number for neighbours of all elements. Atoms with more
            neighbours lose the farthest ones, with a warning. None: no neighbour is cut, and the numbers are the largest of the
            training data.
        n_slots: Number of slots of an atom; None: the sum of ``sel``.
        centred: Whether the mean is set from the training data; if False, it stays 0.
        excluded_pairs: Pairs of elements, ``[["H", "H"]]``, whose rows are zero after normalisation; they occupy slots.
        removed_pairs: Pairs of elements that are no neighbours; their slots are empty. (The two differ only where an empty slot
            counts, as in files of deepmd-kit.)
        protection: Distance p that is added to distances, Å.

    Raises:
        WiringError: If an argument is invalid.

    Source: Zhang et al., NeurIPS 31, 4436 (2018); the program deepmd-kit 3.
    """

    mean: Tensor
    radial_width: Tensor
    angular_width: Tensor
    slots: Tensor
    padding_slots: Tensor
    total_slots: Tensor
    _always_double = ("mean", "radial_width", "angular_width", "slots", "padding_slots", "total_slots")

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        inner: float = 0.5,
        *,
        sel: Sequence[int] | int | None = None,
        n_slots: int | None = None,
        centred: bool = False,
        excluded_pairs: Sequence[Sequence[str]] = (),
        removed_pairs: Sequence[Sequence[str]] = (),
        protection: float = 0.0,
    ):
        super().__init__()
        self.elements, self.cutoff, self.inner = checked_symbols(elements), float(cutoff), float(inner)
        if not 0 <= inner < cutoff or not protection >= 0:
            raise WiringError(
                f"the environment matrix needs 0 ≤ inner < cutoff and protection ≥ 0, but inner is {inner} Å, cutoff "
                f"{cutoff} Å and protection {protection} Å"
            )
        self.protection, self.centred, n = float(protection), centred, len(self.elements)
        self.sel, self.n_slots = _checked_slots(sel, n_slots, n)
        slots = torch.ones(n, dtype=torch.float64)
        if isinstance(self.sel, list):
            slots = torch.tensor(self.sel, dtype=torch.float64)
        total = float(slots.sum()) if self.n_slots is None else float(self.n_slots)
        self.register_buffer("mean", torch.zeros_like(slots))
        self.register_buffer("radial_width", torch.full_like(slots, 0.1))
        self.register_buffer("angular_width", torch.full_like(slots, 0.1))
        self.register_buffer("slots", slots)
        self.register_buffer("padding_slots", slots.clone())
        self.register_buffer("total_slots", torch.tensor(total, dtype=torch.float64))
        self._excluded, self._removed = self._pair_mask(excluded_pairs), self._pair_mask(removed_pairs)
        self._statistics: EnvironmentStatistics | None = None
        self._has_warned = False

    def forward(self, edges: Edges) -> Environment:
        """Return the normalised environment matrices of all atoms."""
        edges, rows = self._rows(edges)
        element = edges.element_of_centre
        shift = torch.nn.functional.pad(self.mean[:, None], (0, 3)).to(rows.dtype)  # (n_elements, 4)
        widths = torch.stack([self.radial_width, *[self.angular_width] * 3], dim=1).to(rows.dtype)
        rows = (rows - shift[element]) / widths[element]
        rows = self._exclude(edges, rows).to(edges.vector.dtype)
        return Environment(edges, rows, count_by_element(edges).to(rows.dtype))

    def empty_row(self) -> Tensor:
        """Return the first number of the row of an empty slot by element of the centre, (n_elements,), float64."""
        return -self.mean / self.radial_width

    def update_statistics(self, edges: Edges) -> None:
        """Add a batch of the training data to the statistics."""
        edges, rows = self._rows(edges)
        self._statistics = self._statistics or EnvironmentStatistics(len(self.elements))
        self._statistics.add(edges, self._exclude(edges, rows))

    def finalize(self) -> None:
        """Set mean and standard deviations, and without ``sel`` the numbers of slots; without statistics, do nothing."""
        if self._statistics is None:
            return
        if self.sel is None:
            self.slots.copy_(self._statistics.max_neighbours)
            self.padding_slots.copy_(self.slots)
            self.total_slots.copy_(self.slots.sum())
        is_known, mean, radial_width, angular_width = self._statistics.results(float(self.total_slots))
        if self.centred:
            self.mean.copy_(torch.where(is_known, mean, self.mean))
        self.radial_width.copy_(torch.where(is_known, radial_width, self.radial_width))
        self.angular_width.copy_(torch.where(is_known, angular_width, self.angular_width))
        self._statistics = None

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments for other elements, with their numbers of slots and their pairs."""
        arguments = super().element_arguments(edit)
        if isinstance(self.sel, list):
            arguments |= {"sel": [self.sel[row] for row in edit.rows], "n_slots": self.n_slots}
        for name in ("excluded_pairs", "removed_pairs"):
            arguments[name] = [
                [first, second]
                for pair in arguments[name]
                for first in edit.successors(pair[0])
                for second in edit.successors(pair[1])
            ]
        return arguments

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Statistics of the new elements. Copies of an element add no empty slots, so that the sums over them are unchanged."""
        is_first = torch.tensor([edit.rows.index(row) == k for k, row in enumerate(edit.rows)])
        names = ("mean", "radial_width", "angular_width", "slots")
        padding = self.padding_slots[edit.rows] * is_first.to(self.slots)
        return {name: getattr(self, name)[edit.rows] for name in names} | {"padding_slots": padding}

    def _rows(self, edges: Edges) -> tuple[Edges, Tensor]:
        """Return the edges that are neighbours, and the rows before normalisation, (n_edges, 4), in the dtype of the graph."""
        edges = edges.within(self.cutoff)
        if self.n_slots is not None:
            edges = self._cut(edges)
        if self._removed is not None:
            removed = self._removed.to(edges.centre.device)[edges.element_of_centre, edges.element_of_neighbour]
            edges = edges.select(torch.nonzero(~removed)[:, 0])
        exact = edges.exact
        inverse = 1.0 / (exact.length + self.protection)
        weight = smoothstep_cutoff(exact.length, self.cutoff, 2, self.inner) * inverse
        return edges, torch.cat([weight[:, None], exact.vector * (-weight * inverse)[:, None]], dim=1)

    def _cut(self, edges: Edges) -> Edges:
        """Return the nearest neighbours for which atoms have slots; warn once if neighbours are cut."""
        max_by_element = self.sel if isinstance(self.sel, list) else None
        nearest_edges = keep_nearest(edges, max_by_element, self.n_slots or 0)
        n_cut = edges.n_edges - nearest_edges.n_edges
        if n_cut and not self._has_warned:
            self._has_warned = True
            n_atoms = int((count_by_element(edges).sum(dim=1) > count_by_element(nearest_edges).sum(dim=1)).sum())
            warnings.warn(
                f"{n_cut} neighbours of {n_atoms} atoms were cut, because the potential has slots for {self.sel} neighbours "
                f"({', '.join(self.elements)}) within {self.cutoff} Å; energies jump where the order of neighbours changes, so "
                "use the potential for less dense structures, or train one with more slots (sel)",
                stacklevel=2,
            )
        return nearest_edges

    def _exclude(self, edges: Edges, rows: Tensor) -> Tensor:
        """Return the rows, (n_edges, 4), with zeros for excluded pairs."""
        if self._excluded is None:
            return rows
        excluded = self._excluded.to(rows.device)[edges.element_of_centre, edges.element_of_neighbour]
        return rows * (~excluded).to(rows.dtype)[:, None]

    def _pair_mask(self, pairs: Sequence[Sequence[str]]) -> Tensor | None:
        """Return whether a pair is listed, symmetric, (n_elements, n_elements); None for an empty list."""
        mask = torch.zeros(len(self.elements), len(self.elements), dtype=torch.bool)
        for pair in pairs:
            if isinstance(pair, str) or len(pair) != 2:
                raise WiringError(
                    f"pairs of elements should be lists of two symbols such as ['H', 'O'], but one is {pair!r}"
                )
            for symbol in pair:
                if symbol not in self.elements:
                    raise WiringError(
                        f"a pair of elements names {symbol!r}, which is no element of the model"
                        f"{nearest(str(symbol), self.elements)}"
                    )
            rows = [self.elements.index(symbol) for symbol in pair]
            mask[rows, rows[::-1]] = True
        return mask if pairs else None


def _checked_slots(sel: Any, n_slots: int | None, n_elements: int) -> tuple[list[int] | int | None, int | None]:
    """Return numbers of slots by element, or of all elements, and their sum; WiringError if they are invalid."""
    if sel is None:
        if n_slots is not None:
            raise WiringError("n_slots needs sel, the numbers of slots by element")
        return None, None
    numbers = [sel] if isinstance(sel, int) else list(sel)
    expected = 1 if isinstance(sel, int) else n_elements
    if len(numbers) != expected or any(type(n) is not int or n < 0 for n in numbers) or sum(numbers) < 1:
        raise WiringError(
            f"sel should be one number, or one for each of {n_elements} elements, not negative, but is {sel!r}"
        )
    return (sel if isinstance(sel, int) else numbers), sum(numbers) if n_slots is None else int(n_slots)
