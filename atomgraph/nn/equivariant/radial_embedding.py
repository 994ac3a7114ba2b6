"""Distances as numbers that a network can read: radial functions, a transform before them, an envelope after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.part import Part
from atomgraph.ops.cutoff import polynomial_cutoff

BASES = ("bessel", "gaussian", "chebyshev")


class RadialEmbedding(Float64Buffers, Part):
    r""":math:`e_k(r) = R_k(T(r)) f_p(r)`, with R of a basis, T a transform of distances, f the polynomial envelope.

    .. math:: R_k(x) = \sqrt{2 / r_c}\, \frac{\sin w_k x}{x}, \qquad R_k(x) = e^{c (x - g_k)^2}, \qquad R_k(x) = T_k(x)

    for ``bessel``, ``gaussian`` and ``chebyshev`` (k = 1 … n_radial, of the bare x). Frequencies :math:`w_k = k\pi/r_c` and
    centres :math:`g_k` are in the state dict, as ``places``; they stay float64 unless they are learned.

    Args:
        elements: Chemical symbols.
        cutoff: Å.
        n_radial: How many functions.
        basis: ``bessel``, ``gaussian`` or ``chebyshev``.
        transform: ``nn.Agnesi``, ``nn.Soft``, or None.
        p: Of the envelope, which always sees the bare distance.
        envelope_on: What f multiplies, the ``features`` or later the ``messages`` (and densities of edges).
        differentiable: False treats the functions as constants in derivatives, as mace-torch does with its Chebyshev
            functions; forces are then those of mace-torch, and not the negative gradient of the energy.
        trainable: The places are learned.
        prefactor: :math:`\sqrt{2/r_c}` or c, where a file holds it rounded.

    Raises:
        WiringError: For what it does not know.

    Source: Batatia et al., NeurIPS 2022, Eq. 7; Gasteiger, Groß and Günnemann, ICLR 2020.
    """

    places: Tensor
    group = "radial"
    shared_by_layers = True

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        n_radial: int = 8,
        basis: str = "bessel",
        transform: Part | None = None,
        p: float = 5,
        envelope_on: str = "features",
        trainable: bool = False,
        prefactor: float | None = None,
        differentiable: bool = True,
    ):
        super().__init__()
        if not cutoff > 0 or n_radial < 1 or not p >= 2:
            raise WiringError(f"cutoff, n_radial, p must be positive (p ≥ 2), but are {cutoff}, {n_radial}, {p}")
        for name, value, known in (("basis", basis, BASES), ("envelope_on", envelope_on, ("features", "messages"))):
            if value not in known:
                raise WiringError(f"unknown {name} {value!r} of distances{nearest(str(value), known)}")
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.n_radial, self.basis, self.p, self.envelope_on = n_radial, basis, p, envelope_on
        self.trainable, self.differentiable = trainable, differentiable
        self.transform: Any = transform
        if basis == "gaussian" and n_radial < 2:
            raise WiringError("a Gaussian basis needs at least two functions, whose distance is their width")
        usual_prefactor = {
            "bessel": math.sqrt(2.0 / self.cutoff),
            "gaussian": -0.5 * (max(n_radial - 1, 1) / self.cutoff) ** 2,
            "chebyshev": 1.0,
        }
        self.prefactor = usual_prefactor[basis] if prefactor is None else float(prefactor)
        if basis == "bessel":
            places = torch.arange(1, n_radial + 1, dtype=torch.float64) * (math.pi / self.cutoff)
        else:
            places = torch.linspace(0.0, self.cutoff, n_radial, dtype=torch.float64)
        if trainable and basis != "chebyshev":
            self.places = torch.nn.Parameter(places.to(torch.get_default_dtype()))
        elif basis != "chebyshev":
            self.register_buffer("places", places)
            self._always_double = ("places",)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """None: radial functions are equal for all elements."""
        return {}

    def forward(self, edges: Edges) -> tuple[Tensor, Tensor | None]:
        """(n_edges, n_radial) features; and f, (n_edges,), where it is for the messages. Made once for all layers.

        Computed in the dtype of the graph, float64, and given in that of the edges: these functions are steep.
        """
        return edges.cached(self, lambda: self._in(edges.vector.dtype, *self._of(edges.exact)))

    @staticmethod
    def _in(dtype: torch.dtype, features: Tensor, envelope: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return features.to(dtype), None if envelope is None else envelope.to(dtype)

    def _of(self, edges: Edges) -> tuple[Tensor, Tensor | None]:
        envelope = polynomial_cutoff(edges.length, self.cutoff, self.p)
        x = edges.length if self.transform is None else self.transform(edges)
        features = self._functions(x[:, None] if self.differentiable else x[:, None].detach())
        if self.envelope_on == "messages":
            return features, envelope
        return features * envelope[:, None], None

    def _functions(self, x: Tensor) -> Tensor:
        if self.basis == "bessel":
            return torch.sin(x * self.places.to(x.dtype)) * (self.prefactor / x)
        if self.basis == "gaussian":
            return torch.exp(self.prefactor * (x - self.places.to(x.dtype)).square())
        functions = [torch.ones_like(x), x]
        while len(functions) <= self.n_radial:
            functions.append(2.0 * x * functions[-1] - functions[-2])
        return torch.cat(functions[1 : self.n_radial + 1], dim=1)
