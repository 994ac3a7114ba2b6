"""Radial embedding of distances: a distance transform, radial functions, and a cutoff envelope."""

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
from atomgraph.nn.envelope import checked_envelope
from atomgraph.nn.float64_buffers import Float64Buffers
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.part import Part
from atomgraph.old_names import OldAttribute
from atomgraph.ops.cutoff import ENVELOPES, ENVELOPES_WITH_INNER_RADIUS, polynomial_cutoff

BASES = ("bessel", "gaussian", "centred_gaussian", "chebyshev")


class RadialEmbedding(Float64Buffers, Part):
    r"""Radial embedding :math:`e_k(r) = R_k(x(r)) f(r)`: basis functions R, distance transform x, cutoff envelope f.

    .. math:: R_k(x) = \sqrt{2 / r_c}\, \frac{\sin w_k x}{x}, \qquad R_k(x) = e^{c (x - g_k)^2}, \qquad R_k(x) = T_k(x)

    for ``bessel``, ``gaussian`` and ``chebyshev``, k = 1 … n_radial. The Chebyshev polynomials :math:`T_k` have the argument x
    without scaling. Frequencies :math:`w_k = k\pi/r_c` and centres :math:`g_k` are in the state dict, under the name
    ``places`` that saved files have. They stay float64 unless they are trainable.

    Gaussians with ``separate_widths`` are :math:`e^{-(x - g_k)^2 / 2\sigma_k^2}`, and the widths :math:`\sigma_k` are in the
    state dict as ``widths``. ``centred_gaussian`` has such Gaussians with :math:`g_k = 0` and widths from ``start`` to
    :math:`r_c`, as in schnetpack.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius :math:`r_c`, Å.
        n_radial: Number of functions.
        basis: ``bessel``, ``gaussian``, ``centred_gaussian`` or ``chebyshev``.
        transform: Distance transform x(r), ``nn.Agnesi`` or ``nn.Soft``; None for x = r.
        p: Exponent of the envelope ``polynomial``, no unit; without effect for other envelopes.
        envelope_on: ``features``: f multiplies the functions; ``messages``: f is returned, and the layers multiply messages
            and densities of edges by f.
        trainable: Train the frequencies or centres.
        prefactor: Replacement of the exact value of :math:`\sqrt{2/r_c}` (``bessel``, Å^(−1/2)) or c (``gaussian``, Å⁻²), for
            files with rounded values; None: the exact value.
        differentiable: False treats the functions as constants in derivatives, as mace-torch does with its Chebyshev
            functions; forces are then those of mace-torch, and not the negative gradient of the energy.
        envelope: Name of the envelope in ``ops.cutoff.ENVELOPES``. The envelope is a function of the distance before the
            transform.
        envelope_inner: Radius at which the envelope starts to decrease, Å, for ``cosine``, ``exponential`` and ``xplor``.
        pair_cutoffs: Smaller cutoffs for pairs of elements. The argument of f and of T is then :math:`r\, r_c / r_c^{ij}`;
            None: one cutoff for all pairs.
        start: First centre of ``gaussian``, or first width of ``centred_gaussian``, Å; None: 0 Å and 1 Å.
        separate_widths: Whether each function of ``gaussian`` has its own width, which is trained with the centres if
            ``trainable``. ``prefactor`` then has no effect.

    Raises:
        WiringError: If a name is unknown, or a number is out of range.

    Source: Batatia et al., NeurIPS 2022, Eq. 7; Gasteiger, Groß and Günnemann, ICLR 2020.
    """

    places: Tensor  # frequencies or centres
    widths: Tensor
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
        envelope: str = "polynomial",
        envelope_inner: float = 0.0,
        pair_cutoffs: PairCutoffs | None = None,
        start: float | None = None,
        separate_widths: bool = False,
    ):
        super().__init__()
        if not cutoff > 0 or n_radial < 1 or not p >= 2:
            raise WiringError(
                f"cutoff and n_radial should be positive and p at least 2, but they are {cutoff} Å, {n_radial} and {p}"
            )
        for name, value, choices in (("basis", basis, BASES), ("envelope_on", envelope_on, ("features", "messages"))):
            if value not in choices:
                raise WiringError(f"unknown {name} {value!r} of a radial embedding{nearest(str(value), choices)}")
        self.elements, self.cutoff = checked_symbols(elements), float(cutoff)
        self.n_radial, self.basis, self.p, self.envelope_on = n_radial, basis, p, envelope_on
        self.trainable, self.differentiable = trainable, differentiable
        self.envelope, self.envelope_inner = checked_envelope(envelope, envelope_inner, self.cutoff), envelope_inner
        if pair_cutoffs is not None and (pair_cutoffs.cutoff != self.cutoff or transform is not None):
            raise WiringError(
                f"cutoffs of pairs need the cutoff of the radial embedding, {self.cutoff} Å, and no distance transform; they "
                f"have {pair_cutoffs.cutoff} Å, and the transform is {transform}"
            )
        self.pair_cutoffs: Any = pair_cutoffs
        self.transform: Any = transform
        self.start = _checked_start(basis, start, self.cutoff, n_radial, separate_widths)
        spacing = (self.cutoff - self.start) / max(n_radial - 1, 1)
        exact_prefactors = {"bessel": math.sqrt(2.0 / self.cutoff), "gaussian": -0.5 / spacing**2}
        self.prefactor = exact_prefactors.get(basis, 1.0) if prefactor is None else float(prefactor)
        self.has_widths = separate_widths or basis == "centred_gaussian"
        if basis == "chebyshev":
            return
        evenly = torch.linspace(self.start, self.cutoff, n_radial, dtype=torch.float64)
        functions = {
            "bessel": torch.arange(1, n_radial + 1, dtype=torch.float64) * (math.pi / self.cutoff),
            "gaussian": evenly,
            "centred_gaussian": torch.zeros_like(evenly),
        }
        self._register("places", functions[basis])
        if self.has_widths:
            self._register("widths", torch.full_like(evenly, spacing) if basis == "gaussian" else evenly)

    def _register(self, name: str, values: Tensor) -> None:
        """Store numbers of the functions, (n_radial,), as a parameter, or as a buffer that stays float64."""
        if self.trainable:
            setattr(self, name, torch.nn.Parameter(values.to(torch.get_default_dtype())))
        else:
            self.register_buffer(name, values)
            self._always_double = (*self._always_double, name)

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """No entries, because radial functions are equal for all elements."""
        return {}

    def forward(self, edges: Edges) -> tuple[Tensor, Tensor | None]:
        """Compute the embedding of each edge, once for all layers.

        The computation is in the dtype of the graph, float64, because derivatives of these functions are large.

        Returns:
            Features, (n_edges, n_radial), and the envelope f, (n_edges,), if f multiplies the messages, else None; both in
            the dtype of the edges.
        """
        return edges.cached(self, lambda: self._cast(edges.vector.dtype, *self._compute(edges.exact)))

    @staticmethod
    def _cast(dtype: torch.dtype, features: Tensor, envelope: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return features.to(dtype), None if envelope is None else envelope.to(dtype)

    def _compute(self, edges: Edges) -> tuple[Tensor, Tensor | None]:
        """Features and envelope as in ``forward``, in the dtype of these edges."""
        length = edges.length if self.pair_cutoffs is None else self.pair_cutoffs(edges)
        if self.envelope == "polynomial":
            envelope = polynomial_cutoff(length, self.cutoff, self.p)
        elif self.envelope_inner:
            envelope = ENVELOPES_WITH_INNER_RADIUS[self.envelope](length, self.cutoff, self.envelope_inner)
        else:
            envelope = ENVELOPES[self.envelope](length, self.cutoff)
        x = length if self.transform is None else self.transform(edges)
        features = self._functions(x[:, None] if self.differentiable else x[:, None].detach())
        if self.envelope_on == "messages":
            return features, envelope
        return features * envelope[:, None], None

    def _functions(self, x: Tensor) -> Tensor:
        """Basis functions R, (n_edges, n_radial), of transformed distances, (n_edges, 1)."""
        if self.basis == "bessel":
            return torch.sin(x * self.places.to(x.dtype)) * (self.prefactor / x)
        if self.has_widths:
            return torch.exp(-0.5 * ((x - self.places.to(x.dtype)) / self.widths.to(x.dtype)).square())
        if self.basis == "gaussian":
            return torch.exp(self.prefactor * (x - self.places.to(x.dtype)).square())
        functions = [torch.ones_like(x), x]
        while len(functions) <= self.n_radial:
            functions.append(2.0 * x * functions[-1] - functions[-2])
        return torch.cat(functions[1 : self.n_radial + 1], dim=1)

    constant = OldAttribute("prefactor")
    fades = OldAttribute("envelope_on")
    sloped = OldAttribute("differentiable")


def _checked_start(basis: str, start: float | None, cutoff: float, n_radial: int, separate_widths: bool) -> float:
    """Return the first centre or width of Gaussians, Å; WiringError if the arguments of Gaussians are invalid."""
    is_gaussian = basis in ("gaussian", "centred_gaussian")
    if is_gaussian and n_radial < 2:
        raise WiringError(
            "a Gaussian basis needs at least two functions, because the spacing of their centres defines their width"
        )
    if not is_gaussian and (start is not None or separate_widths):
        raise WiringError(f"start and separate_widths are for Gaussians, but the basis is {basis}")
    value = (1.0 if basis == "centred_gaussian" else 0.0) if start is None else float(start)
    lowest_is_valid = value > 0 if basis == "centred_gaussian" else value >= 0
    if is_gaussian and not (lowest_is_valid and value < cutoff):
        raise WiringError(
            f"start should be a distance below the cutoff of {cutoff} Å, and positive for centred_gaussian, but is {value} Å"
        )
    return value
