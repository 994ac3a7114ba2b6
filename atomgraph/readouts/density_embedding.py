"""Readout of the atomic cluster expansion: several densities, linear in the features, each put into a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_irreps, scalar_columns
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import Readout
from atomgraph.nn.repulsion.core_repulsion import CoreRepulsion
from atomgraph.ops.embedding import EMBEDDINGS, polynomial_switch

_KEYS = ("function", "parameters", "core_cut", "core_width")


class DensityEmbedding(Readout):
    r""":math:`\varepsilon_i = f(\rho^{core}_i) \sum_p w_p\, F(\rho_{ip}; m_p) + \rho^{core}_i` over several densities p.

    Each is linear in the features, :math:`\rho_{ip} = \sum_k c_{z_i k p} h_{ik}`. f goes from 1 to 0 between
    ``core_cut − core_width`` and ``core_cut``: it takes the densities out where the core repulsion :math:`\rho^{core}`
    reigns. Without ``core``, :math:`\rho^{core} = 0` and f = 1. A ``core`` that takes over has its own f, ``core.kept``, and
    ρ^core then counts as much as the densities are taken out, 1 − f.

    ``weight`` is c, (n_elements, n_features, n_outputs · n_densities), head by head; where an element has fewer densities
    than another, its last ones count nothing. Where the first density of every element has exponent 1, its weights can
    be solved for (``LinearReadout``).

    Args:
        elements: Chemical symbols.
        irreps_in: Irreps of the features, or their number where all are scalars; only ``0e`` is read.
        function: ``FinnisSinclair`` or ``FinnisSinclairShiftedScaled`` (``ops.embedding``).
        parameters: One pair of weight w (eV) and exponent m for each density.
        core: A ``CoreRepulsion``, or None.
        core_cut, core_width: eV.
        per_element: ``{symbol: {function, parameters, core_cut, core_width}}`` where an element differs from these.
        n_outputs: Columns of the result, one a head, each with densities of its own; all have the same ρ^core.

    Raises:
        WiringError: For features without ``0e``, or what makes no embedding.

    Source: Drautz, Phys. Rev. B 99, 014104 (2019); Bochkarev et al., Phys. Rev. Materials 6, 013804 (2022).
    """

    follows_columns = True

    def __init__(
        self,
        elements: Sequence[str],
        irreps_in: o3.Irreps | str | int,
        function: str = "FinnisSinclairShiftedScaled",
        parameters: Sequence[Sequence[float]] = ((1.0, 1.0), (1.0, 0.5)),
        core: CoreRepulsion | None = None,
        core_cut: float = 100000.0,
        core_width: float = 250.0,
        per_element: Mapping[str, Mapping[str, Any]] | None = None,
        n_outputs: int = 1,
    ):
        super().__init__()
        self.elements, self.irreps_in = checked_symbols(elements), as_irreps(irreps_in)
        self.n_outputs, self.core = n_outputs, core
        self._columns = scalar_columns(self.irreps_in)
        if not self._columns or n_outputs < 1:
            raise WiringError(f"{n_outputs} outputs of densities cannot read {self.irreps_in}: they need 0e features")
        common = {"function": function, "parameters": parameters, "core_cut": core_cut, "core_width": core_width}
        per_element = {} if per_element is None else per_element
        for symbol in per_element:
            if symbol not in self.elements:
                raise WiringError(f"embedding of {symbol!r}, which is none of the elements {', '.join(self.elements)}")
        rows = [_checked(common | dict(per_element.get(symbol, {})), symbol) for symbol in self.elements]
        self.n_densities = max(len(row["parameters"]) for row in rows)
        filled = [[*row["parameters"]] + [(0.0, 1.0)] * (self.n_densities - len(row["parameters"])) for row in rows]
        self._functions = [row["function"] for row in rows]
        self._numbers = Constants(
            weight=[[float(weight) for weight, _ in row] for row in filled],
            exponent=[[float(exponent) for _, exponent in row] for row in filled],
            core_cut=[float(row["core_cut"]) for row in rows],
            core_width=[float(row["core_width"]) for row in rows],
        )
        self._first = np.array([row[0] for row in filled], dtype=np.float64)
        n = len(self._columns)
        shape = (len(self.elements), n, n_outputs * self.n_densities)
        self.weight = torch.nn.Parameter(torch.randn(shape) * (0.1 / n**0.5))

    def linear_maps(self) -> dict[str, LinearMap]:
        """The matrix of each element."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The weights of each element; a new function counts as often as it occurs in its old one."""
        weight = self.weight.detach()[edit.rows]
        if edit.columns is None:
            return {"weight": weight}
        columns, counts = edit.columns.tables()
        rows = columns.clamp(min=0).to(weight.device)[:, :, None].expand(-1, -1, weight.shape[2])
        return {"weight": weight.gather(1, rows) * counts.to(weight)[:, :, None]}

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the embedding of each element."""
        arguments = super().element_arguments(edit)
        if arguments["per_element"]:
            given = arguments["per_element"]
            pairs = [(name, edit.old[row]) for name, row in zip(edit.names, edit.rows, strict=True)]
            arguments["per_element"] = {name: given[old] for name, old in pairs if old in given}
        return arguments

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """The densities of the heads."""
        by_head = self.weight.unflatten(2, (self.n_outputs, self.n_densities))
        return {"weight": by_head[:, :, rows].flatten(2)}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim) to (n_atoms, n_outputs), eV."""
        numbers, element = self._numbers.like(h), edges.element
        energy = (self._embedded(self.densities(h, edges), element) * numbers["weight"][element][:, None]).sum(dim=2)
        if self.core is None:
            return energy
        near = edges.within(self.core.cutoff)
        core = self.core(graph, near)[:, None]
        if self.core.takes_over:
            left = self.core.kept(near)[:, None]
            return energy * left + core * (1.0 - left)
        left = polynomial_switch(core, numbers["core_cut"][element][:, None], numbers["core_width"][element][:, None])
        return energy * left + core

    def densities(self, h: Tensor, edges: Edges) -> Tensor:
        """(n_atoms, n_outputs, n_densities) ρ."""
        scalars = h if len(self._columns) == h.shape[1] else h[:, self._columns]
        n_elements, _, columns = self.weight.shape
        every = (scalars @ self.weight.transpose(0, 1).flatten(1)).view(len(h), n_elements, columns)
        rows = edges.element[:, None, None].expand(-1, 1, columns)
        return every.gather(1, rows).view(len(h), self.n_outputs, self.n_densities)

    @property
    def n_unknowns(self) -> int:
        """Weights of the first density, where it is embedded by a straight line: w and c of the others stay as they are."""
        straight = bool((self._first[:, 1] == 1.0).all() & (self._first[:, 0] != 0.0).all())
        straight &= self.core is None or not self.core.takes_over
        return self.weight.shape[0] * self.weight.shape[1] if straight and self.n_outputs == 1 else 0

    def weight_slice(self, element: int) -> slice:
        n = self.weight.shape[1]
        return slice(element * n, (element + 1) * n)

    def basis(self, h: Tensor, element: int) -> Tensor:
        scalars = h if len(self._columns) == h.shape[1] else h[:, self._columns]
        return scalars * float(self._first[element, 0])

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        if len(self._columns) != h.shape[1]:
            return None
        return None, h.new_full((1, 1), float(self._first[element, 0]))

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """The first density's; the others' become zero, and add nothing until a gradient moves them."""
        self.weight.zero_()
        self.weight[:, :, 0] = weights.view(self.weight.shape[0], -1)

    def _embedded(self, rho: Tensor, element: Tensor) -> Tensor:
        exponent = self._numbers.like(rho)["exponent"][element][:, None]
        names = sorted(set(self._functions))
        result = EMBEDDINGS[names[0]](rho, exponent)
        for name in names[1:]:
            mine = torch.tensor([function == name for function in self._functions], device=rho.device)[element]
            result = torch.where(mine[:, None, None], EMBEDDINGS[name](rho, exponent), result)
        return result


def _checked(entry: dict[str, Any], symbol: str) -> dict[str, Any]:
    for key in entry:
        if key not in _KEYS:
            raise WiringError(f"the embedding of {symbol} has no {key!r}{nearest(key, _KEYS)}")
    if entry["function"] not in EMBEDDINGS:
        raise WiringError(f"unknown embedding {entry['function']!r}{nearest(str(entry['function']), EMBEDDINGS)}")
    pairs = entry["parameters"]
    try:
        pairs = [(float(weight), float(exponent)) for weight, exponent in pairs]
        cut, width = float(entry["core_cut"]), float(entry["core_width"])
    except (TypeError, ValueError):
        raise WiringError(
            f"the embedding of {symbol} should be numbers, two for each density, but is {entry}"
        ) from None
    if not pairs or not all(isfinite(weight) and 0 < exponent < float("inf") for weight, exponent in pairs):
        raise WiringError(f"each density of {symbol} needs a weight and a positive exponent, but {pairs!r} came")
    if not (isfinite(cut) and 0 < width < float("inf")):
        raise WiringError(
            f"core_width of {symbol} should be positive, and core_cut a number, in eV, but are {width} and {cut}"
        )
    return {"function": entry["function"], "parameters": pairs, "core_cut": cut, "core_width": width}
