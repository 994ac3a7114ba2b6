"""Frozen radial weights as piecewise polynomials: slopes at nodes, from the model's own network, and how far they are off."""

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
from atomgraph.ops.piecewise import graded, nodes, pieces, piecewise

NEAREST = 0.5  # Å; two atoms are never nearer, and errors there do not count
LEAST = 0.02  # slopes below this part of the largest count as that much
MOST_PIECES = 4097
AT_ONCE = 32  # pairs of elements
MOST_KEPT = 2**29  # bytes of one layer's tables; beyond it pairs that are not asked for are forgotten, the oldest first
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-10}  # of a weight's slope, by the largest slope there or farther
Pair = tuple[int, int]  # elements of a centre and a neighbour, as rows of the model's table


@dataclass(frozen=True, eq=False)
class Radial:
    r"""Functions of a distance that are linear in fewer, :math:`w_p(r) = h_p(r) W` for pairs p of elements.

    What is expensive is done to h, for all pairs at once.

    Args:
        hidden: (n,) Å to (n, n_pairs · n_hidden).
        last: W, (n_hidden, n_values).
    """

    hidden: Callable[[Tensor], Tensor]
    last: Tensor

    def __call__(self, r: Tensor) -> Tensor:
        """(n,) Å to (n, n_pairs · n_values)."""
        return self.times_last(self.hidden(r)).flatten(1)

    def times_last(self, h: Tensor) -> Tensor:
        """(..., n_pairs · n_hidden) to (..., n_pairs, n_values)."""
        return h.unflatten(-1, (-1, len(self.last))) @ self.last

    def of_pair(self, k: int, h: Tensor) -> Tensor:
        """(..., n_pairs · n_hidden) to (..., n_values) of the k-th pair."""
        return h.unflatten(-1, (-1, len(self.last)))[..., k, :] @ self.last


@dataclass(frozen=True)
class Grid:
    r"""Pieces between 0 and the cutoff, ``graded``: :math:`t(r) = 2n\, r / (r + r_c)` counts them.

    The first is a quarter as long as the last.

    Args:
        cutoff: :math:`r_c`, Å.
        n_pieces: n.
        degree: Of the polynomials in t.
    """

    cutoff: float
    n_pieces: int
    degree: int

    def distance(self, t: Tensor) -> Tensor:
        """Å."""
        return self.cutoff * t / (2 * self.n_pieces - t)

    def place(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Piece, place s in it (from −1/2 to 1/2) and ds/dr, 1/Å, of distances."""
        return graded(r, self.cutoff, self.n_pieces)

    def finer(self, times: float) -> Grid:
        """With so many times as many pieces or a few more, up to ``MOST_PIECES``.

        Their number is odd: tables that are read together would else begin at the same places of a cache.
        """
        wanted = times * self.n_pieces
        return replace(self, n_pieces=MOST_PIECES if not wanted < MOST_PIECES else 8 * math.ceil(wanted / 8) + 1)


def is_pairwise(interaction: Interaction) -> bool:
    """Whether the radial weights depend on the elements of both atoms."""
    return interaction.radial.transform is not None or isinstance(interaction, NonlinearResidualInteraction)


def pairs_of(interaction: Interaction, present: list[int]) -> list[Pair]:
    """Whose weights an edge takes, for each element of a centre and of a neighbour; both orders share them if they can."""
    if not is_pairwise(interaction):
        return [(0, 0)]
    ordered = isinstance(interaction, NonlinearResidualInteraction)
    return [(i, j) if ordered else (min(i, j), max(i, j)) for i in present for j in present]


def weights_of(interaction: Interaction, pairs: Sequence[Pair]) -> Radial:
    """What the convolution's weights are at a distance, for pairs of a centre's and a neighbour's element."""

    def hidden(r: Tensor) -> Tensor:
        features, envelope = _inputs(interaction, r, pairs)
        h = _hidden(interaction.network, features)
        return (h if envelope is None else h * envelope[:, None]).view(len(r), -1)

    return Radial(hidden, _last(interaction.network))


def density_of(interaction: Interaction, pairs: Sequence[Pair]) -> Radial:
    """What an edge adds to its centre's density, one value."""

    def density(r: Tensor) -> Tensor:
        features, envelope = _inputs(interaction, r, pairs)
        density = torch.tanh((_hidden(interaction.density, features) @ _last(interaction.density)).square())
        return (density if envelope is None else density * envelope[:, None]).view(len(r), -1)

    return Radial(density, torch.ones(1, 1, dtype=torch.float64))


def with_slope(function: Callable[[Tensor], Tensor], r: Tensor) -> tuple[Tensor, Tensor]:
    r"""A function's values, (n, n_values), and slopes by r, (n,).

    :math:`g_n = \sum_k u_{nk}\, \partial f_{nk} / \partial r_n` is linear in u: the slope of its sum by u is that of f by r.
    Forward mode takes one pass less, but torch takes a sixth of a second to load it.
    """
    with torch.no_grad():
        function(r[:1])  # what parts make once, they make of plain numbers
    with torch.enable_grad():
        r = r.detach().requires_grad_()
        value = function(r)
        u = torch.ones_like(value, requires_grad=True)
        (along,) = torch.autograd.grad(value, r, u, create_graph=True)
        (slope,) = torch.autograd.grad(along.sum(), u)
    return value.detach(), slope


def polynomials(function: Callable[[Tensor], Tensor], grid: Grid) -> Tensor:
    """(n_pieces, degree + 1, n_values) float64: coefficients of powers of the place in each piece."""
    t = (torch.arange(grid.n_pieces) + 0.5)[:, None] + nodes(grid.degree)
    r = grid.distance(t)
    value, slope = (each.unflatten(0, r.shape) for each in with_slope(function, r.flatten()))
    return pieces(slope / grid.place(r)[2][:, :, None], value[:, grid.degree // 2])


def slope_error(function: Radial, table: Tensor, grid: Grid) -> float:
    """The largest error of a pair's slope, by its largest slope there or farther; errors of values are smaller by far.

    Looked for at both ends of every piece, where it is largest, from ``NEAREST`` on. By the largest slope of all near atoms'
    steep weights would hide what is wrong farther out; what is less than ``LEAST`` of that does not count as small.

    Args:
        table: The polynomials of ``function.hidden``.
    """
    last = torch.arange(1, grid.n_pieces + 1, dtype=torch.float64)  # where pieces end
    last = last[grid.distance(last) > min(NEAREST, 0.2 * grid.cutoff)]
    r = grid.distance(last)
    exact, by_place = with_slope(function.hidden, r)[1], grid.place(r)[2][:, None]
    scale = function.times_last(exact).abs().amax(dim=2)  # (n_knots, n_pairs)
    scale = torch.maximum(scale.flip(0).cummax(dim=0).values.flip(0), LEAST * scale.amax(dim=0)).clamp(min=1e-300)
    worst = 0.0
    for piece, s in ((last.long() - 1, 0.5), (last.long(), -0.5)):
        there = piece < grid.n_pieces
        found = piecewise(table, piece[there], torch.full((int(there.sum()),), s, dtype=torch.float64))[1]
        error = function.times_last(found * by_place[there] - exact[there]).abs().amax(dim=2) / scale[there]
        worst = max(worst, float(error.nan_to_num(nan=math.inf).max()))
    return worst


def converged(function: Radial, grid: Grid, tolerance: float) -> tuple[Tensor, Grid, float]:
    """Polynomials of ``function.hidden``, on a grid made finer until the error is below the tolerance, and that error."""
    while True:
        table = polynomials(function.hidden, grid)
        error = slope_error(function, table, grid)
        if error <= tolerance or grid.n_pieces >= MOST_PIECES:
            return table, grid, error
        grid = grid.finer(1.1 * min(error / tolerance, 1e4) ** (1.0 / grid.degree))


class Splines(NamedTuple):
    """Tables of some pairs, in order, and the grid of them all."""

    tables: list[Tensor]
    grid: Grid


class PairTables:
    """Polynomials of each pair of elements, made when it is first met, all on one grid: that of the pair that wants the finest.

    A KernelWarning says, once, where ``MOST_PIECES`` are too few for the tolerance.

    Args:
        function_of: Of pairs of elements.
        laid_out: What is kept of a pair's table (n_pieces, powers, n_values).
    """

    def __init__(
        self,
        function_of: Callable[[Sequence[Pair]], Radial],
        grid: Grid,
        tolerance: float,
        laid_out: Callable[[Tensor], Tensor],
    ):
        self.grid, self.error = grid, 0.0  # of a slope, by the largest slope there or farther
        self._function_of, self._tolerance, self._laid_out = function_of, tolerance, laid_out
        self._known: dict[Pair, Tensor] = {}  # the last that were asked for at the end
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """Of the tables that are kept."""
        return sum(table.nbytes for table in self._known.values())

    def of(self, pairs: Sequence[Pair]) -> Splines:
        """Of the pairs; whoever asks holds on to it, since a finer grid of later pairs replaces all."""
        with self._lock:
            asked = list(dict.fromkeys(pairs))
            if list(self._known)[-len(asked) :] != asked:
                self._make(asked)
            return Splines([self._known[pair] for pair in pairs], self.grid)

    def _make(self, pairs: list[Pair]) -> None:
        while some := [pair for pair in pairs if pair not in self._known][:AT_ONCE]:
            function = self._function_of(some)
            table, grid, error = converged(function, self.grid, self._tolerance)
            if grid != self.grid:
                self.grid, self._known = grid, {}  # after a finer grid all are anew
            self._warn(error)
            self._known |= {pair: self._laid_out(function.of_pair(k, table)) for k, pair in enumerate(some)}
        self._known |= {pair: self._known.pop(pair) for pair in pairs}
        others = [pair for pair in self._known if pair not in pairs]
        while others and self.n_bytes > MOST_KEPT:
            del self._known[others.pop(0)]

    def _warn(self, error: float) -> None:
        if error > self._tolerance >= self.error:
            warnings.warn(
                f"radial weights are steeper than {MOST_PIECES} polynomials can follow: their slopes are off by {error:.0e}, "
                f"more than {self._tolerance:.0e}",
                KernelWarning,
                stacklevel=2,
            )
        self.error = max(self.error, error)


def _inputs(interaction: Interaction, r: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor | None]:
    """What the networks read on edges between two elements, (n · n_pairs, width), and the envelope of messages, if any."""
    length = r[:, None].expand(-1, len(pairs)).flatten()
    vector = torch.stack([length, torch.zeros_like(length), torch.zeros_like(length)], dim=1)
    element, centre = torch.tensor(pairs), 2 * torch.arange(len(pairs)).repeat(len(r))  # two atoms a pair
    n_atoms, n_elements = 2 * len(pairs), len(interaction.elements)
    edges = Edges(vector, length, centre, centre + 1, element.flatten(), n_atoms, n_elements)
    features, envelope = interaction.radial(edges)
    if isinstance(interaction, NonlinearResidualInteraction):
        scale = len(interaction.elements) ** -0.5
        of_both = torch.cat([interaction.source[element[:, 1]], interaction.target[element[:, 0]]], dim=1) * scale
        features = torch.cat([features, of_both.repeat(len(r), 1)], dim=1)
    return features, envelope


def _hidden(network: Any, x: Tensor) -> Tensor:
    """What a network's result is linear in."""
    if not isinstance(network, NormalisedMLP):
        found: Tensor = network.hidden(x)
        return found
    for linear, norm in zip(network.maps, network.norms, strict=False):
        x = torch.nn.functional.silu(norm(linear(x)))
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # the last column takes the bias


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
