"""Frozen radial weights as piecewise polynomials, fitted to derivatives of the model's network, with their errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.kernels import KernelWarning
from atomgraph.layers.mace.agnostic import AgnosticInteraction
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.edges import Edges
from atomgraph.nn.equivariant.radial_network import NormalisedMLP
from atomgraph.ops.piecewise import derivative_nodes, evaluate_pieces, fit_pieces, locate_pieces

NEAREST = 0.5  # Å; errors at smaller distances are ignored
LEAST = 0.02  # floor of the derivative that errors are relative to, as a fraction of the largest one
MOST_PIECES = 4097
AT_ONCE = 32  # pairs of elements in one evaluation of the network
MOST_KEPT = 2**29  # bytes of the tables of a layer; beyond it the oldest pairs are dropped
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-10}  # of the derivative of a weight, relative
Pair = tuple[int, int]  # elements of a centre and a neighbour, as rows of the model's table


@dataclass(frozen=True, eq=False)
class Radial:
    r"""Functions of a distance, linear in fewer hidden functions: :math:`w_p(r) = h_p(r) W` for pairs p of elements.

    Only the hidden functions h are tabulated and differentiated, for all pairs at once.

    Attributes:
        hidden: h, from (n,) Å to (n, n_pairs · n_hidden).
        last: W, (n_hidden, n_values).
    """

    hidden: Callable[[Tensor], Tensor]
    last: Tensor

    def __call__(self, r: Tensor) -> Tensor:
        """w at distances (n,) Å: (n, n_pairs · n_values)."""
        return self.times_last(self.hidden(r)).flatten(1)

    def times_last(self, h: Tensor) -> Tensor:
        """h W of all pairs: (..., n_pairs · n_hidden) to (..., n_pairs, n_values)."""
        return h.unflatten(-1, (-1, len(self.last))) @ self.last

    def of_pair(self, k: int, h: Tensor) -> Tensor:
        """h W of the k-th pair: (..., n_pairs · n_hidden) to (..., n_values)."""
        return h.unflatten(-1, (-1, len(self.last)))[..., k, :] @ self.last


@dataclass(frozen=True)
class Grid:
    r"""Pieces between 0 and the cutoff, ``locate_pieces``: :math:`t(r) = 2n\, r / (r + r_c)` counts them.

    The first piece is a quarter as long as the last.

    Attributes:
        cutoff: :math:`r_c`, Å.
        n_pieces: n.
        degree: Of the polynomials in t.
    """

    cutoff: float
    n_pieces: int
    degree: int

    def distance(self, t: Tensor) -> Tensor:
        """The distance of a coordinate t, Å."""
        return self.cutoff * t / (2 * self.n_pieces - t)

    def place(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Piece, position s in it (from −1/2 to 1/2) and ds/dr, 1/Å, of distances."""
        return locate_pieces(r, self.cutoff, self.n_pieces)

    def finer(self, times: float) -> Grid:
        """The grid with this factor more pieces, rounded up, at most ``MOST_PIECES``.

        The number is odd, so that tables that are read together do not map to the same lines of a cache.
        """
        n_pieces = times * self.n_pieces
        return replace(self, n_pieces=MOST_PIECES if not n_pieces < MOST_PIECES else 8 * math.ceil(n_pieces / 8) + 1)


def is_pairwise(interaction: Interaction) -> bool:
    """Whether the radial weights depend on the elements of both atoms."""
    return interaction.radial.transform is not None or isinstance(interaction, NonlinearResidualInteraction)


def pairs_of(interaction: Interaction, present: list[int]) -> list[Pair]:
    """The pair whose weights an edge takes, for each element of centre and neighbour; symmetric weights share one pair."""
    if not is_pairwise(interaction):
        return [(0, 0)]
    ordered = isinstance(interaction, NonlinearResidualInteraction)
    return [(i, j) if ordered else (min(i, j), max(i, j)) for i in present for j in present]


def weights_of(interaction: Interaction, pairs: Sequence[Pair]) -> Radial:
    """The weights of the convolution as functions of the distance, for pairs of elements of centre and neighbour."""

    def hidden(r: Tensor) -> Tensor:
        features, envelope = _inputs(interaction, r, pairs)
        h = _hidden(interaction.network, features)
        return (h if envelope is None else h * envelope[:, None]).view(len(r), -1)

    return Radial(hidden, _last(interaction.network))


def density_of(interaction: Interaction, pairs: Sequence[Pair]) -> Radial:
    """The contribution of an edge to the density of its centre, one value."""

    def density(r: Tensor) -> Tensor:
        features, envelope = _inputs(interaction, r, pairs)
        density = torch.tanh((_hidden(interaction.density, features) @ _last(interaction.density)).square())
        return (density if envelope is None else density * envelope[:, None]).view(len(r), -1)

    return Radial(density, torch.ones(1, 1, dtype=torch.float64))


def with_derivative(function: Callable[[Tensor], Tensor], r: Tensor) -> tuple[Tensor, Tensor]:
    r"""Values of a function, (n, n_values), and their derivatives at the distances r, (n,).

    :math:`g_n = \sum_k u_{nk}\, \partial f_{nk} / \partial r_n` is linear in u, so the gradient of its sum with respect to u is
    df/dr. Forward mode would need one pass less, but loading it takes torch a sixth of a second.
    """
    with torch.no_grad():
        function(r[:1])  # so that cached constants of parts are made outside autograd
    with torch.enable_grad():
        r = r.detach().requires_grad_()
        value = function(r)
        u = torch.ones_like(value, requires_grad=True)
        (along,) = torch.autograd.grad(value, r, u, create_graph=True)
        (grad,) = torch.autograd.grad(along.sum(), u)
    return value.detach(), grad


def polynomials(function: Callable[[Tensor], Tensor], grid: Grid) -> Tensor:
    """Coefficients of powers of s in each piece, (n_pieces, degree + 1, n_values) float64."""
    t = (torch.arange(grid.n_pieces) + 0.5)[:, None] + derivative_nodes(grid.degree)
    r = grid.distance(t)
    value, grad = (f.unflatten(0, r.shape) for f in with_derivative(function, r.flatten()))
    return fit_pieces(grad / grid.place(r)[2][:, :, None], value[:, grid.degree // 2])


def derivative_error(function: Radial, table: Tensor, grid: Grid) -> float:
    """The largest relative error of a derivative; errors of values are much smaller.

    It is measured at both ends of every piece from ``NEAREST`` on, where it is largest, for each pair relative to the largest
    derivative at this or a larger distance, with the floor ``LEAST``. Steep weights of near atoms therefore do not hide
    errors at larger distances.

    Args:
        function: The exact functions.
        grid: Of the table.
        table: The polynomials of ``function.hidden``.
    """
    last = torch.arange(1, grid.n_pieces + 1, dtype=torch.float64)  # ends of pieces
    last = last[grid.distance(last) > min(NEAREST, 0.2 * grid.cutoff)]
    r = grid.distance(last)
    exact, ds_dr = with_derivative(function.hidden, r)[1], grid.place(r)[2][:, None]
    scale = function.times_last(exact).abs().amax(dim=2)  # (n_knots, n_pairs)
    scale = torch.maximum(scale.flip(0).cummax(dim=0).values.flip(0), LEAST * scale.amax(dim=0)).clamp(min=1e-300)
    worst = 0.0
    for piece, s in ((last.long() - 1, 0.5), (last.long(), -0.5)):
        valid = piece < grid.n_pieces
        by_s = evaluate_pieces(table, piece[valid], torch.full((int(valid.sum()),), s, dtype=torch.float64))[1]
        error = function.times_last(by_s * ds_dr[valid] - exact[valid]).abs().amax(dim=2) / scale[valid]
        worst = max(worst, float(error.nan_to_num(nan=math.inf).max()))
    return worst


def converged(function: Radial, grid: Grid, tolerance: float) -> tuple[Tensor, Grid, float]:
    """Polynomials of ``function.hidden`` on a grid refined until the error is below the tolerance; grid and error."""
    while True:
        table = polynomials(function.hidden, grid)
        error = derivative_error(function, table, grid)
        if error <= tolerance or grid.n_pieces >= MOST_PIECES:
            return table, grid, error
        grid = grid.finer(1.1 * min(error / tolerance, 1e4) ** (1.0 / grid.degree))


class Splines(NamedTuple):
    """Tables of some pairs, in order, and their common grid."""

    tables: list[Tensor]
    grid: Grid


class PairTables:
    """Polynomials of each pair of elements, made on first use, all on the finest grid that a pair needs.

    One KernelWarning tells if ``MOST_PIECES`` are too few for the tolerance.

    Args:
        function_of: The exact functions of some pairs of elements.
        grid: The first grid.
        tolerance: Of derivatives, relative.
        laid_out: Converts the table of a pair, (n_pieces, powers, n_values), to the layout that is kept.
    """

    def __init__(
        self,
        function_of: Callable[[Sequence[Pair]], Radial],
        grid: Grid,
        tolerance: float,
        laid_out: Callable[[Tensor], Tensor],
    ):
        self.grid, self.error = grid, 0.0  # relative error of a derivative
        self._function_of, self._tolerance, self._laid_out = function_of, tolerance, laid_out
        self._known: dict[Pair, Tensor] = {}  # the most recent ones last
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """Size of the tables that are kept."""
        return sum(table.nbytes for table in self._known.values())

    def of(self, pairs: Sequence[Pair]) -> Splines:
        """Tables of the pairs. The caller keeps the result: a finer grid of later pairs replaces all tables."""
        with self._lock:
            requested = list(dict.fromkeys(pairs))
            if list(self._known)[-len(requested) :] != requested:
                self._make(requested)
            return Splines([self._known[pair] for pair in pairs], self.grid)

    def _make(self, pairs: list[Pair]) -> None:
        while batch := [pair for pair in pairs if pair not in self._known][:AT_ONCE]:
            function = self._function_of(batch)
            table, grid, error = converged(function, self.grid, self._tolerance)
            if grid != self.grid:
                self.grid, self._known = grid, {}  # a finer grid replaces all tables
            self._warn(error)
            self._known |= {pair: self._laid_out(function.of_pair(k, table)) for k, pair in enumerate(batch)}
        self._known |= {pair: self._known.pop(pair) for pair in pairs}
        droppable = [pair for pair in self._known if pair not in pairs]
        while droppable and self.n_bytes > MOST_KEPT:
            del self._known[droppable.pop(0)]

    def _warn(self, error: float) -> None:
        if error > self._tolerance >= self.error:
            warnings.warn(
                f"{MOST_PIECES} polynomials are too few for these radial weights: their derivatives have a relative error of "
                f"{error:.0e}, more than {self._tolerance:.0e}",
                KernelWarning,
                stacklevel=2,
            )
        self.error = max(self.error, error)


def _inputs(interaction: Interaction, r: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor | None]:
    """Inputs of the networks on edges between two elements, (n · n_pairs, width), and the envelope of messages, if any."""
    length = r[:, None].expand(-1, len(pairs)).flatten()
    vector = torch.stack([length, torch.zeros_like(length), torch.zeros_like(length)], dim=1)
    element, centre = torch.tensor(pairs), 2 * torch.arange(len(pairs)).repeat(len(r))  # two atoms a pair
    n_atoms, n_elements = 2 * len(pairs), len(interaction.elements)
    edges = Edges(vector, length, centre, centre + 1, element.flatten(), n_atoms, n_elements)
    features, envelope = interaction.radial(edges)
    if isinstance(interaction, NonlinearResidualInteraction):
        scale = len(interaction.elements) ** -0.5
        embeddings = torch.cat([interaction.source[element[:, 1]], interaction.target[element[:, 0]]], dim=1) * scale
        features = torch.cat([features, embeddings.repeat(len(r), 1)], dim=1)
    return features, envelope


def _hidden(network: Any, x: Tensor) -> Tensor:
    """The last hidden layer of a network, in which its result is linear."""
    if not isinstance(network, NormalisedMLP):
        hidden: Tensor = network.hidden(x)
        return hidden
    for linear, norm in zip(network.maps, network.norms, strict=False):
        x = torch.nn.functional.silu(norm(linear(x)))
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # the last column is for the bias


def _last(network: Any) -> Tensor:
    """The matrix by which ``_hidden`` is multiplied."""
    if isinstance(network, NormalisedMLP):
        linear: Any = network.maps[-1]
        return torch.cat([linear.weight.T, linear.bias[None]]).detach()
    last: Tensor = network.last.detach()
    return last


def has_density(interaction: Interaction) -> bool:
    """Whether sums are divided by a density of neighbours."""
    return isinstance(interaction, NonlinearResidualInteraction) or (
        isinstance(interaction, AgnosticInteraction) and interaction.by_density
    )
