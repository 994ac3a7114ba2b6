"""Tables of frozen radial weights: piecewise polynomials that are fitted to the networks of a model, and their errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

from atomgraph.kernels import KernelWarning
from atomgraph.ops.piecewise import derivative_nodes, evaluate_pieces, fit_pieces, locate_pieces

MIN_CHECKED_DISTANCE = 0.5  # Å; errors at smaller distances are ignored
DERIVATIVE_FLOOR = 0.02  # smallest divisor of relative errors, as a fraction of the largest derivative
PIECES = {torch.float32: (97, 5), torch.float64: (153, 7)}  # initial number of pieces and degree of the tables
MAX_PIECES = 4097  # maximum number of pieces of a table
_ALIGNMENT = 1e-7  # maximum distance of a knot from the end of a piece, in pieces
PAIRS_PER_BATCH = 32  # pairs of elements in one evaluation of the network
#: Maximum size of the tables of a layer. If they need more memory, the tables that were used least recently are deleted.
MAX_CACHED_BYTES = 2**29
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-10}  # maximum relative error of the derivative of a weight
Pair = tuple[int, int]  # rows of two elements in the model's table: element of the centre, element of the neighbour


@dataclass(frozen=True, eq=False)
class RadialFunctions:
    r"""Functions of the distance, :math:`w_p(r) = h_p(r) W`, for pairs p of elements.

    h are the outputs of the last hidden layer of a network, W is the matrix of the last layer.
    Only h is tabulated and differentiated, for all pairs together, because it has few columns. In flat axes, the column of a
    value is pair · n_values + value, and the column of a hidden output is pair · n_hidden + output.

    Attributes:
        hidden: The function h, from distances (n,), Å, to (n, n_pairs · n_hidden).
        last: The matrix W of the last layer, (n_hidden, n_values).
    """

    hidden: Callable[[Tensor], Tensor]
    last: Tensor

    def __call__(self, r: Tensor) -> Tensor:
        """Return w at distances r, (n,), Å: (n, n_pairs · n_values)."""
        return self.apply_last(self.hidden(r)).flatten(1)

    def apply_last(self, h: Tensor) -> Tensor:
        """Return h W for all pairs, from h: (..., n_pairs · n_hidden) to (..., n_pairs, n_values)."""
        return h.unflatten(-1, (-1, len(self.last))) @ self.last

    def pair_values(self, k: int, h: Tensor) -> Tensor:
        """Return h W for the k-th pair, from h: (..., n_pairs · n_hidden) to (..., n_values)."""
        return h.unflatten(-1, (-1, len(self.last)))[..., k, :] @ self.last


@dataclass(frozen=True)
class Grid:
    r"""Pieces of the interval from 0 to the cutoff, in which the coordinate :math:`t(r) = 2n\, r / (r + r_c)` grows by 1.

    The first piece is a quarter as long as the last one. See ``ops.piecewise.locate_pieces``.

    Attributes:
        cutoff: Cutoff radius :math:`r_c`, Å.
        n_pieces: Number of pieces n.
        degree: Degree of the polynomials in t.
        knots: Distances at which a higher derivative of the functions jumps, Å. The number of pieces is chosen so that these
            distances are ends of pieces, if a number up to ``MAX_PIECES`` has this property.
    """

    cutoff: float
    n_pieces: int
    degree: int
    knots: tuple[float, ...] = ()

    def distance(self, t: Tensor) -> Tensor:
        """Return the distance with the coordinate t, Å."""
        return self.cutoff * t / (2 * self.n_pieces - t)

    def locate(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return, for distances r in Å, the piece, the position s in the piece (from −1/2 to 1/2), and ds/dr, 1/Å."""
        return locate_pieces(r, self.cutoff, self.n_pieces)

    def refine(self, factor: float) -> Grid:
        """Return the grid with ``factor`` times as many pieces, rounded up, at most ``MAX_PIECES``.

        The number of pieces is odd, so that consecutive tables do not compete for the same cache lines of the processor.
        """
        n_pieces = factor * self.n_pieces
        n_pieces = MAX_PIECES if not n_pieces < MAX_PIECES else 8 * math.ceil(n_pieces / 8) + 1
        return replace(self, n_pieces=n_pieces).align()

    def align(self) -> Grid:
        """Return a grid with at least as many pieces, at whose ends the knots are; the same grid if there is none.

        Odd numbers of pieces are tried first, see ``refine``.
        """
        if not self.knots:
            return self
        odd_first = (
            range(self.n_pieces | 1, MAX_PIECES + 1, 2),
            range(self.n_pieces + self.n_pieces % 2, MAX_PIECES + 1, 2),
        )
        numbers = (n for part in odd_first for n in part)
        return next((grid for n in numbers if (grid := replace(self, n_pieces=n)).has_knots_at_ends), self)

    @property
    def has_knots_at_ends(self) -> bool:
        """Whether all knots are ends of pieces, up to rounding errors."""
        ends = [2 * self.n_pieces * r / (r + self.cutoff) for r in self.knots]
        return all(abs(t - round(t)) < _ALIGNMENT for t in ends)


def evaluate_with_derivative(function: Callable[[Tensor], Tensor], r: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return the values of a function and their derivatives at distances r.

    :math:`g_n = \sum_k u_{nk}\, \partial f_{nk} / \partial r_n` is linear in u, so the gradient of its sum with respect to u is
    df/dr. Forward-mode differentiation would need one evaluation less, but torch needs 0.17 s to load it.

    Args:
        function: Function of distances (n,) with values (n, n_values).
        r: Distances, Å, (n,).

    Returns:
        Values, (n, n_values), and their derivatives with respect to r, (n, n_values).
    """
    with torch.no_grad():
        function(r[:1])  # parts create their cached constants here, outside autograd
    with torch.enable_grad():
        r = r.detach().requires_grad_()
        value = function(r)
        u = torch.ones_like(value, requires_grad=True)
        (vjp,) = torch.autograd.grad(value, r, u, create_graph=True)
        (grad,) = torch.autograd.grad(vjp.sum(), u)
    return value.detach(), grad


def fit_polynomials(function: Callable[[Tensor], Tensor], grid: Grid) -> Tensor:
    """Return the coefficients of powers of s in each piece, (n_pieces, degree + 1, n_values) float64."""
    t = (torch.arange(grid.n_pieces) + 0.5)[:, None] + derivative_nodes(grid.degree)
    r = grid.distance(t)
    value, grad = (values.unflatten(0, r.shape) for values in evaluate_with_derivative(function, r.flatten()))
    return fit_pieces(grad / grid.locate(r)[2][:, :, None], value[:, grid.degree // 2])


def derivative_error(function: RadialFunctions, table: Tensor, grid: Grid) -> float:
    """Return the largest relative error of a derivative; errors of values are much smaller.

    The error is computed at both ends of every piece, where it is largest, for distances above ``MIN_CHECKED_DISTANCE``. For
    each pair, it is divided by the largest derivative at this or a larger distance, so that steep weights at short distances
    do not hide errors at larger distances. This divisor is at least ``DERIVATIVE_FLOOR`` times the largest derivative.

    Args:
        function: The exact functions.
        table: Polynomials of ``function.hidden``, as ``fit_polynomials`` returns them.
        grid: Grid of the table.
    """
    ends = torch.arange(1, grid.n_pieces + 1, dtype=torch.float64)  # ends of pieces, as coordinates t
    ends = ends[grid.distance(ends) > min(MIN_CHECKED_DISTANCE, 0.2 * grid.cutoff)]
    r = grid.distance(ends)
    exact, ds_dr = evaluate_with_derivative(function.hidden, r)[1], grid.locate(r)[2][:, None]
    scale = function.apply_last(exact).abs().amax(dim=2)  # (n_ends, n_pairs)
    scale = torch.maximum(scale.flip(0).cummax(dim=0).values.flip(0), DERIVATIVE_FLOOR * scale.amax(dim=0)).clamp(
        min=1e-300
    )
    largest_error = 0.0
    for piece, s in ((ends.long() - 1, 0.5), (ends.long(), -0.5)):
        valid = piece < grid.n_pieces
        df_ds = evaluate_pieces(table, piece[valid], torch.full((int(valid.sum()),), s, dtype=torch.float64))[1]
        error = function.apply_last(df_ds * ds_dr[valid] - exact[valid]).abs().amax(dim=2) / scale[valid]
        largest_error = max(largest_error, float(error.nan_to_num(nan=math.inf).max()))
    return largest_error


def fit_to_tolerance(function: RadialFunctions, grid: Grid, tolerance: float) -> tuple[Tensor, Grid, float]:
    """Fit polynomials to ``function.hidden``, and refine the grid until the error is at most the tolerance.

    Args:
        function: The exact functions.
        grid: The initial grid.
        tolerance: Maximum relative error of a derivative.

    Returns:
        The table of ``fit_polynomials``, its grid, and its error. The error is above the tolerance if ``MAX_PIECES`` pieces are
        too few.
    """
    while True:
        table = fit_polynomials(function.hidden, grid)
        error = derivative_error(function, table, grid)
        if error <= tolerance or grid.n_pieces >= MAX_PIECES:
            return table, grid, error
        grid = grid.refine(1.1 * min(error / tolerance, 1e4) ** (1.0 / grid.degree))


class SplineTables(NamedTuple):
    """Tables of a sequence of pairs of elements, as ``PairTables`` stores them, and their common grid."""

    tables: list[Tensor]
    grid: Grid


class PairTables:
    """Tables of pairs of elements, created on first use. All tables have the finest grid that one of the pairs needs.

    One KernelWarning is given if ``MAX_PIECES`` pieces are too few for the tolerance.

    Args:
        make_functions: Function that returns the exact functions of pairs of elements.
        grid: The initial grid.
        tolerance: Maximum relative error of derivatives.
        convert_layout: Function from the table of a pair, (n_pieces, degree + 1, n_values), to the stored table.

    Attributes:
        grid: The current grid.
        error: Largest relative error of a derivative; 0 before the first table.
    """

    def __init__(
        self,
        make_functions: Callable[[Sequence[Pair]], RadialFunctions],
        grid: Grid,
        tolerance: float,
        convert_layout: Callable[[Tensor], Tensor],
    ):
        self.grid, self.error = grid, 0.0
        self._make_functions, self._tolerance, self._convert_layout = make_functions, tolerance, convert_layout
        self._tables_by_pair: dict[Pair, Tensor] = {}  # in the order of the last use
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """Size of all stored tables, bytes."""
        return sum(table.nbytes for table in self._tables_by_pair.values())

    def get_tables(self, pairs: Sequence[Pair]) -> SplineTables:
        """Return the tables of pairs. They are not updated if later pairs need a finer grid, which replaces stored tables."""
        with self._lock:
            requested = list(dict.fromkeys(pairs))
            if list(self._tables_by_pair)[-len(requested) :] != requested:
                self._create(requested)
            return SplineTables([self._tables_by_pair[pair] for pair in pairs], self.grid)

    def _create(self, pairs: list[Pair]) -> None:
        while batch := [pair for pair in pairs if pair not in self._tables_by_pair][:PAIRS_PER_BATCH]:
            functions = self._make_functions(batch)
            table, grid, error = fit_to_tolerance(functions, self.grid, self._tolerance)
            if grid != self.grid:
                self.grid, self._tables_by_pair = grid, {}  # a finer grid replaces all tables
            self._warn(error)
            self._tables_by_pair |= {
                pair: self._convert_layout(functions.pair_values(k, table)) for k, pair in enumerate(batch)
            }
        self._tables_by_pair |= {pair: self._tables_by_pair.pop(pair) for pair in pairs}
        unused_pairs = [pair for pair in self._tables_by_pair if pair not in pairs]
        while unused_pairs and self.n_bytes > MAX_CACHED_BYTES:
            del self._tables_by_pair[unused_pairs.pop(0)]

    def _warn(self, error: float) -> None:
        if error > self._tolerance >= self.error:
            warnings.warn(
                f"{MAX_PIECES} polynomials are too few to tabulate the radial weights: derivatives have a relative error of "
                f"{error:.0e}, more than {self._tolerance:.0e}",
                KernelWarning,
                stacklevel=2,
            )
        self.error = max(self.error, error)
