"""Readout of the atomic cluster expansion: embedding functions of several densities that are linear in the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, check_name, nearest
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.constants import Constants
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.irreps import as_irreps, scalar_columns, select_columns
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.protocols import Readout
from atomgraph.nn.repulsion.core_repulsion import CoreRepulsion
from atomgraph.old_names import OldAttribute
from atomgraph.ops.embedding import EMBEDDINGS, polynomial_switch

_KEYS = ("function", "parameters", "core_cut", "core_width")


class DensityEmbedding(Readout):
    r"""Sum of embedding functions F of several densities p, plus a core repulsion.

    .. math:: \varepsilon_i = f(\rho^{core}_i) \sum_p w_p\, F(\rho_{ip}; m_p) + \rho^{core}_i

    Densities are linear in the features, :math:`\rho_{ip} = \sum_k c_{z_i k p} h_{ik}`. The switching function f decreases
    from 1 to 0 between ``core_cut − core_width`` and ``core_cut``, so that the core repulsion :math:`\rho^{core}` replaces
    the densities at short distances. Without ``core``, :math:`\rho^{core} = 0` and f = 1. If ``core.replaces_energy``, f is
    ``core.remaining_fraction`` instead, and the second term is :math:`(1 - f) \rho^{core}_i`.

    The parameter ``weight`` (c) has the shape (n_elements, n_features, n_outputs · n_densities), with the column
    a · n_densities + p for density p of head a. If an element has fewer densities than others, the prefactors w of its last
    densities are zero. If the first density of every element has exponent 1, a linear fit can determine the weights c of
    this density (``LinearReadout``).

    Args:
        elements: Chemical symbols.
        irreps_in: Irreps of the features, or the number of features if all are scalars; only ``0e`` features are used.
        function: Embedding function F, ``FinnisSinclair`` or ``FinnisSinclairShiftedScaled`` (``ops.embedding``).
        parameters: Pairs of prefactor w (eV) and exponent m, one pair per density.
        core: Core repulsion; None for no core repulsion.
        core_cut: Core energy above which f is 0, eV.
        core_width: Width of the range in which f decreases, eV.
        per_element: Arguments that replace those above for some elements,
            ``{symbol: {function, parameters, core_cut, core_width}}``; None for equal arguments.
        n_outputs: Number of outputs per atom, one per head. Heads have separate densities and the same core repulsion.

    Raises:
        WiringError: If the features contain no ``0e``, or an argument of the embedding is invalid.

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
        self._columns = scalar_columns(self.irreps_in)  # indices of the 0e features
        if not self._columns or n_outputs < 1:
            raise WiringError(
                f"a density readout needs 0e features and at least one output, but has {self.irreps_in} and {n_outputs} outputs"
            )
        common = {"function": function, "parameters": parameters, "core_cut": core_cut, "core_width": core_width}
        per_element = {} if per_element is None else per_element
        for symbol in per_element:
            if symbol not in self.elements:
                raise WiringError(
                    f"per_element has {symbol!r}, which is not one of the elements {', '.join(self.elements)}"
                )
        rows = [_check_arguments(common | dict(per_element.get(symbol, {})), symbol) for symbol in self.elements]
        self.n_densities = max(len(row["parameters"]) for row in rows)
        padded = [[*row["parameters"]] + [(0.0, 1.0)] * (self.n_densities - len(row["parameters"])) for row in rows]
        self._functions = [row["function"] for row in rows]
        self._constants = Constants(
            prefactor=[[float(prefactor) for prefactor, _ in row] for row in padded],  # w, (n_elements, n_densities)
            exponent=[[float(exponent) for _, exponent in row] for row in padded],
            core_cut=[float(row["core_cut"]) for row in rows],
            core_width=[float(row["core_width"]) for row in rows],
        )
        self._first_parameters = np.array([row[0] for row in padded], dtype=np.float64)  # (n_elements, 2): w and m
        n = len(self._columns)
        shape = (len(self.elements), n, n_outputs * self.n_densities)
        self.weight = torch.nn.Parameter(torch.randn(shape) * (0.1 / n**0.5))

    def linear_maps(self) -> dict[str, LinearMap]:
        """Return the matrix of each element."""
        return matrices(self, "weight")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Return c of each element. A new feature that occurs m times in an old feature has m times its c."""
        weight = self.weight.detach()[edit.rows]
        if edit.columns is None:
            return {"weight": weight}
        columns, factors = edit.columns.tables()
        rows = columns.clamp(min=0).to(weight.device)[:, :, None].expand(-1, -1, weight.shape[2])
        return {"weight": weight.gather(1, rows) * factors.to(weight)[:, :, None]}

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Return the constructor arguments for the new elements."""
        arguments = super().element_arguments(edit)
        if arguments["per_element"]:
            per_element = arguments["per_element"]
            pairs = [(name, edit.old_names[row]) for name, row in zip(edit.names, edit.rows, strict=True)]
            arguments["per_element"] = {
                name: per_element[old_name] for name, old_name in pairs if old_name in per_element
            }
        return arguments

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Return c for the new heads, (n_elements, n_features, n_new_heads · n_densities)."""
        by_head = self.weight.unflatten(2, (self.n_outputs, self.n_densities))
        return {"weight": by_head[:, :, rows].flatten(2)}

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return energies, (n_atoms, n_outputs), eV, of features h, (n_atoms, irreps_in.dim)."""
        constants, element = self._constants.like(h), edges.element
        energy = (self._embed(self.densities(h, edges), element) * constants["prefactor"][element][:, None]).sum(dim=2)
        if self.core is None:
            return energy
        core_edges = edges.within(self.core.cutoff)
        core = self.core(graph, core_edges)[:, None]
        if self.core.replaces_energy:
            switch = self.core.remaining_fraction(core_edges)[:, None]
            return energy * switch + core * (1.0 - switch)
        switch = polynomial_switch(
            core, constants["core_cut"][element][:, None], constants["core_width"][element][:, None]
        )
        return energy * switch + core

    def densities(self, h: Tensor, edges: Edges) -> Tensor:
        """Return the densities ρ, (n_atoms, n_outputs, n_densities)."""
        scalars = select_columns(h, self._columns)
        n_elements, _, n_columns = self.weight.shape
        products = (scalars @ self.weight.transpose(0, 1).flatten(1)).view(len(h), n_elements, n_columns)
        rows = edges.element[:, None, None].expand(-1, 1, n_columns)
        return products.gather(1, rows).view(len(h), self.n_outputs, self.n_densities)

    @property
    def n_unknowns(self) -> int:
        """Number of weights c of the first density if the energy is linear in them and there is one head; else 0."""
        is_linear = bool((self._first_parameters[:, 1] == 1.0).all() & (self._first_parameters[:, 0] != 0.0).all())
        is_linear &= self.core is None or not self.core.replaces_energy
        return self.weight.shape[0] * self.weight.shape[1] if is_linear and self.n_outputs == 1 else 0

    def weight_slice(self, element: int) -> slice:
        """Return the indices of the weights of an element among all linear weights."""
        n = self.weight.shape[1]
        return slice(element * n, (element + 1) * n)

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Return the basis functions of atoms of one element, (n_atoms, n), of features h, (n_atoms, n_features)."""
        scalars = select_columns(h, self._columns)
        return scalars * float(self._first_parameters[element, 0])

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        """Return None (unit matrix) and the factor w, (1, 1), see ``LinearReadout``; None if some features are not ``0e``."""
        if len(self._columns) != h.shape[1]:
            return None
        return None, h.new_full((1, 1), float(self._first_parameters[element, 0]))

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Set the weights of the first density, (n_unknowns,), and all weights of the other densities to zero."""
        self.weight.zero_()
        self.weight[:, :, 0] = weights.view(self.weight.shape[0], -1)

    def _embed(self, rho: Tensor, element: Tensor) -> Tensor:
        """Return F(ρ), (n_atoms, n_outputs, n_densities), for atoms of elements (n_atoms,)."""
        exponent = self._constants.like(rho)["exponent"][element][:, None]
        names = sorted(set(self._functions))
        result = EMBEDDINGS[names[0]](rho, exponent)
        for name in names[1:]:
            uses_function = torch.tensor([function == name for function in self._functions], device=rho.device)[element]
            result = torch.where(uses_function[:, None, None], EMBEDDINGS[name](rho, exponent), result)
        return result

    unknowns_of = OldAttribute("weight_slice")
    basis_slopes = OldAttribute("basis_jacobian")
    take = OldAttribute("set_weights")


def _check_arguments(entry: dict[str, Any], symbol: str) -> dict[str, Any]:
    """Return the embedding arguments of one element as floats; WiringError for invalid arguments."""
    for key in entry:
        if key not in _KEYS:
            raise WiringError(f"the embedding of {symbol} has no {key!r}{nearest(key, _KEYS)}")
    check_name("embedding", entry["function"], EMBEDDINGS)
    pairs = entry["parameters"]
    try:
        pairs = [(float(prefactor), float(exponent)) for prefactor, exponent in pairs]
        core_cut, core_width = float(entry["core_cut"]), float(entry["core_width"])
    except (TypeError, ValueError):
        raise WiringError(
            f"the parameters of {symbol} should be pairs of numbers, one pair per density, but the embedding is {entry}"
        ) from None
    if not pairs or not all(isfinite(prefactor) and 0 < exponent < float("inf") for prefactor, exponent in pairs):
        raise WiringError(
            f"each density of {symbol} needs a prefactor and a positive exponent, but the parameters are {pairs!r}"
        )
    if not (isfinite(core_cut) and 0 < core_width < float("inf")):
        raise WiringError(
            f"core_width of {symbol} should be positive, and core_cut a number, in eV, but they are {core_width} and {core_cut}"
        )
    return {"function": entry["function"], "parameters": pairs, "core_cut": core_cut, "core_width": core_width}
