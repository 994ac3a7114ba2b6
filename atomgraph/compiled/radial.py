"""Frozen radial weights as splines: values and derivatives at knots, from the model's own network, and how far they are off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor

from atomgraph.layers.mace.elements import AgnosticInteraction
from atomgraph.layers.mace.interaction import Interaction
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.nn.edges import Edges
from atomgraph.nn.radial_network import NormalisedMLP
from atomgraph.ops.hermite import pieces, piecewise

FIRST = 0.02  # Å; nearer, the first polynomial goes on
MOST_PIECES = 4096
AT_ONCE = 32  # pairs of elements
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-9}  # of a spline's slope, by the largest slope
Pair = tuple[int, int]  # elements of a centre and a neighbour, as rows of the model's table


@dataclass(frozen=True, eq=False)
class Radial:
    r"""Functions of a distance that are linear in fewer, :math:`w_p(r) = h_p(r) W` for pairs p of elements.

    What is expensive is done to h, for all pairs at once.
    hidden: (n,) Å to (n, n_pairs · n_hidden).  last: W, (n_hidden, n_values).
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
    """Equidistant knots from ``FIRST`` to the cutoff, Å: how many pieces are between them, and how many derivatives are known
    at each, the value included."""

    cutoff: float
    n_pieces: int
    derivatives: int

    @property
    def step(self) -> float:
        """Å between two knots."""
        return (self.cutoff - FIRST) / self.n_pieces

    def knots(self) -> Tensor:
        """(n_pieces + 1,) Å, float64."""
        return torch.linspace(FIRST, self.cutoff, self.n_pieces + 1, dtype=torch.float64)


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


def derivatives(function: Callable[[Tensor], Tensor], r: Tensor, number: int) -> Tensor:
    """(n, number, n_values): the function and its derivatives, by forward-mode differentiation."""
    function(r[:1])  # what parts make once, they make of plain numbers
    with torch.enable_grad():  # without it torch takes a form of silu that cannot be differentiated again
        return torch.stack([level.detach() for level in _levels(function, number)(r)], dim=1)


def spline(at_knots: Tensor, grid: Grid) -> Tensor:
    """(n_pieces, 2 · derivatives, n_values) float64: coefficients of powers of the place between two knots.

    at_knots: (n_pieces + 1, derivatives, n_values), of a function.
    """
    return pieces(at_knots * grid.step ** torch.arange(grid.derivatives, dtype=torch.float64)[None, :, None])


def spline_error(function: Radial, table: Tensor, grid: Grid) -> float:
    """The largest error of a pair's slope between knots, by its largest slope; errors of values are smaller by far.

    table: the spline of ``function.hidden``.
    Looked for where it is largest, a fifth into every interval, beyond half an Å: nearer no two atoms are.
    """
    piece = torch.arange(grid.n_pieces)[grid.knots()[:-1] > min(0.5, 0.2 * grid.cutoff)]
    _, slope = piecewise(table, piece, torch.full((len(piece),), -0.3, dtype=torch.float64))
    exact = derivatives(function.hidden, grid.knots()[piece] + 0.2 * grid.step, 2)[:, 1]
    error = function.times_last(slope / grid.step - exact).abs().amax(dim=(0, 2))
    return float((error / function.times_last(exact).abs().amax(dim=(0, 2)).clamp(min=1e-300)).max())


def converged(function: Radial, grid: Grid, tolerance: float) -> tuple[Tensor, Grid, float]:
    """A spline of ``function.hidden``, on a grid that was made finer until the error is below the tolerance, and that error."""
    at_knots = derivatives(function.hidden, grid.knots(), grid.derivatives)
    while True:
        table = spline(at_knots, grid)
        error = spline_error(function, table, grid)
        if error <= tolerance or grid.n_pieces >= MOST_PIECES:
            return table, grid, error
        grid = replace(grid, n_pieces=2 * grid.n_pieces)
        between = derivatives(function.hidden, grid.knots()[1::2], grid.derivatives)
        at_knots = torch.cat([torch.stack([at_knots[:-1], between], dim=1).flatten(0, 1), at_knots[-1:]])


class Splines(NamedTuple):
    """Tables of some pairs, in order, and the grid of them all."""

    tables: list[Tensor]
    grid: Grid


class PairTables:
    """Splines of each pair of elements, made when it is first met, all on one grid: that of the pair that wants the finest.

    function_of: of pairs of elements.  laid_out: what is kept of a pair's table (n_pieces, powers, n_values).
    """

    def __init__(
        self,
        function_of: Callable[[Sequence[Pair]], Radial],
        grid: Grid,
        tolerance: float,
        laid_out: Callable[[Tensor], Tensor],
    ):
        self.grid, self.error = grid, 0.0  # of a spline's slope, by the largest slope
        self._function_of, self._tolerance, self._laid_out = function_of, tolerance, laid_out
        self._known: dict[Pair, Tensor] = {}
        self._lock = Lock()

    def of(self, pairs: Sequence[Pair]) -> Splines:
        """Of the pairs; whoever asks holds on to it, since a finer grid of later pairs replaces all."""
        with self._lock:
            self._make(pairs)
            return Splines([self._known[pair] for pair in pairs], self.grid)

    def _make(self, pairs: Sequence[Pair]) -> None:
        while some := [pair for pair in dict.fromkeys(pairs) if pair not in self._known][:AT_ONCE]:
            function = self._function_of(some)
            table, grid, error = converged(function, self.grid, self._tolerance)
            if grid != self.grid:
                self.grid, self._known = grid, {}  # after a finer grid all are anew
            self.error = max(self.error, error)
            self._known |= {pair: self._laid_out(function.of_pair(k, table)) for k, pair in enumerate(some)}


def _levels(function: Callable[[Tensor], Tensor], number: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """The function and its derivatives up to one less than the number, each from the slope of all before it."""
    if number == 1:
        return lambda r: (function(r),)
    before = _levels(function, number - 1)

    def levels(r: Tensor) -> tuple[Tensor, ...]:
        values, slopes, *_ = torch.func.jvp(before, (r,), (torch.ones_like(r),))
        return (*values, slopes[-1])

    return levels


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
    """What a network's result is linear in; layer normalisations term by term, since torch's own has a wrong second derivative
    in forward mode."""
    if not isinstance(network, NormalisedMLP):
        found: Tensor = network.hidden(x)
        return found
    norm: Any
    for linear, norm in zip(network.maps, network.norms, strict=False):
        x = linear(x)
        x = x - x.mean(dim=1, keepdim=True)
        x = x / (x.square().mean(dim=1, keepdim=True) + norm.eps).sqrt()
        x = torch.nn.functional.silu(x * norm.weight + norm.bias)
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
