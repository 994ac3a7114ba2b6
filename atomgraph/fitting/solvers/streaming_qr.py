"""Rows of a linear problem, absorbed block after block in bounded memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.memory_check import require_memory
from atomgraph.fitting.solvers.triangular import Reduced, triangularise


class Streamed(ABC):
    """What both ways of absorbing rows share: checks, a buffer of rows, counts and a state.

    Rows gather in a buffer of ``block_rows`` (n + k of them, at least 256, unless given) and are folded into the factor
    when it is full; so neither the memory nor the last bit of the result depends on how the rows were cut into blocks.
    """

    method: ClassVar[int]

    def __init__(
        self,
        n_unknowns: int,
        n_targets: int = 1,
        *,
        block_rows: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        width = n_unknowns + n_targets
        block_rows = max(width, 256) if block_rows is None else block_rows
        if n_unknowns < 1 or n_targets < 1 or block_rows < 1:
            raise FittingError(
                "a linear problem has at least one unknown, one target and one row a block, "
                f"but {n_unknowns}, {n_targets} and {block_rows} were asked for"
            )
        n_bytes = (
            8 * (2 * n_unknowns + block_rows) * width
        )  # the factor, its copy while rows are folded in, and the rows
        require_memory(n_unknowns, n_bytes, torch.device("cpu" if device is None else device))
        self.n_unknowns, self.n_targets, self.n_rows = n_unknowns, n_targets, 0
        self._factor = torch.zeros(n_unknowns, width, dtype=torch.float64, device=device)
        self._square = torch.zeros(n_targets, dtype=torch.float64, device=device)
        self._buffer = torch.zeros(block_rows, width, dtype=torch.float64, device=device)
        self._filled = 0

    @abstractmethod
    def _fold(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Factor (n, n + k) and squares (k,) once ``rows`` (·, n + k) are in them too."""

    @abstractmethod
    def _finish(self, factor: Tensor, square: Tensor) -> Reduced:
        """The reduced problem of a factor and squares."""

    @torch.no_grad()
    def absorb(self, X: Tensor, y: Tensor, weight: Tensor | None = None) -> None:
        """Take rows X (rows, n) and targets y (rows,) or (rows, k), each row times its weight (rows,) if given.

        The weight is 1/σ of the row, not its square; rows of weight zero are left out and not counted.

        Raises:
            FittingError: For shapes that do not fit, negative weights and numbers that are not finite.
        """
        y = y[:, None] if y.dim() == 1 else y
        if X.dim() != 2 or X.shape[1] != self.n_unknowns or y.shape != (len(X), self.n_targets):
            raise FittingError(
                f"rows of shape (rows, {self.n_unknowns}) and targets (rows, {self.n_targets}) are wanted, "
                f"but came as {tuple(X.shape)} and {tuple(y.shape)}"
            )
        rows = torch.cat([X.to(self._buffer), y.to(self._buffer)], dim=1)
        if weight is not None:
            if weight.shape != (len(X),) or bool((weight < 0).any()):
                raise FittingError(f"one weight, not negative, is wanted for each of {len(X)} rows")
            weight = weight.to(rows)
            rows = (rows * weight[:, None])[weight != 0]
        bad = ~torch.isfinite(rows).all(dim=1)
        if bool(bad.any()):
            raise FittingError(
                f"{int(bad.sum())} of {len(rows)} rows hold numbers that are not finite, first row {int(bad.nonzero()[0])} "
                "of this block; look at the structure and label behind it"
            )
        self._take(rows)
        self.n_rows += len(rows)

    def _take(self, rows: Tensor) -> None:
        while len(rows):
            n_free = len(self._buffer) - self._filled
            part, rows = rows[:n_free], rows[n_free:]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            if self._filled == len(self._buffer):
                self._factor, self._square = self._fold(self._buffer)
                self._filled = 0

    @torch.no_grad()
    def merge(self, part: Reduced) -> None:
        """Add the reduced form of other rows of the same problem."""
        if (part.n_unknowns, part.n_targets) != (self.n_unknowns, self.n_targets):
            raise FittingError(
                f"a problem of {self.n_unknowns} unknowns and {self.n_targets} targets cannot take one of "
                f"{part.n_unknowns} and {part.n_targets}"
            )
        self._take(torch.cat([part.R, part.Qty], dim=1).to(self._buffer))
        self._square = self._square + part.residual_square.to(self._square)
        self.n_rows += part.n_rows

    @torch.no_grad()
    def reduced(self) -> Reduced:
        """The problem as it stands. The stream is unchanged and can absorb more."""
        if self.n_rows == 0:
            raise FittingError("no row has been absorbed, so there is nothing to fit; give the fit some data")
        if self._filled == 0:
            return self._finish(self._factor, self._square)
        return self._finish(*self._fold(self._buffer[: self._filled]))

    def state(self) -> dict[str, Tensor]:
        """Everything as tensors; a stream made from it goes on to the last bit as this one would have."""
        sizes = [self.method, self.n_unknowns, self.n_targets, len(self._buffer), self.n_rows]
        return {
            "sizes": torch.tensor(sizes, dtype=torch.int64),
            "factor": self._factor.clone(),
            "square": self._square.clone(),
            "waiting": self._buffer[: self._filled].clone(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Tensor], device: torch.device | str | None = None) -> Self:
        """The stream whose ``state`` this was.

        Raises:
            FittingError: For a state of another kind or with parts missing.
        """
        missing = {"sizes", "factor", "square", "waiting"} - set(state)
        if missing:
            raise FittingError(f"this is no state of {cls.__name__}: {', '.join(sorted(missing))} missing")
        method, n_unknowns, n_targets, block_rows, n_rows = state["sizes"].tolist()
        if method != cls.method:
            raise FittingError(
                f"this state was not written by {cls.__name__}; resume with the method it was begun with"
            )
        stream = cls(n_unknowns, n_targets, block_rows=block_rows, device=device)
        stream._factor = state["factor"].to(stream._buffer, copy=True)
        stream._square = state["square"].to(stream._buffer, copy=True)
        stream._filled = len(state["waiting"])
        stream._buffer[: stream._filled] = state["waiting"].to(stream._buffer)
        stream.n_rows = n_rows
        return stream


class StreamedQR(Streamed):
    r"""The triangular factor of all rows so far, by QR of the old factor with the new rows below it.

    .. math:: \begin{pmatrix} R & Q^Ty \\ X_b & y_b \end{pmatrix} = Q'\begin{pmatrix} R' & Q'^Ty \\ 0 & e \end{pmatrix}

    Memory: (n + block_rows)(n + k) numbers, twice.

    34, A206 (2012).

    Source: Golub and Van Loan, Matrix Computations, § 6.5; Demmel, Grigori, Hoemmen and Langou, SIAM J. Sci. Comput.
    """

    method = 0

    def _fold(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        factor, lost = triangularise(torch.cat([self._factor, rows]), self.n_unknowns)
        return factor, self._square + lost

    def _finish(self, factor: Tensor, square: Tensor) -> Reduced:
        n = self.n_unknowns
        return Reduced(factor[:, :n].clone(), factor[:, n:].clone(), square.clone(), self.n_rows)


class StreamedNormal(Streamed):
    r"""The normal equations :math:`X^TX,\ X^Ty,\ y^Ty`: faster than QR, and half the digits.

    Their square root is taken in the end, of the column-scaled matrix; singular values of X below about 10⁻⁸ of the largest
    are lost and count as zero. Same interface as StreamedQR.
    """

    method = 1

    def _fold(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        X, y = rows[:, : self.n_unknowns], rows[:, self.n_unknowns :]
        return self._factor + X.T @ rows, self._square + y.square().sum(0)

    def _finish(self, factor: Tensor, square: Tensor) -> Reduced:
        n = self.n_unknowns
        gram, projection = factor[:, :n], factor[:, n:]
        scale = gram.diagonal().clamp_min(0).sqrt()
        scale = torch.where(scale > 0, scale, 1.0)
        values, vectors = torch.linalg.eigh(gram / torch.outer(scale, scale))
        kept = values > n * torch.finfo(values.dtype).eps * values[-1]
        root = torch.where(kept, values, 0.0).sqrt()
        inverse = torch.where(kept, 1.0 / torch.where(kept, root, 1.0), 0.0)
        R = root[:, None] * vectors.T * scale
        Qty = inverse[:, None] * (vectors.T @ (projection / scale[:, None]))
        factor, _ = triangularise(torch.cat([R, Qty], dim=1), n)
        residual = (square - Qty.square().sum(0)).clamp_min(0)
        return Reduced(factor[:, :n].clone(), factor[:, n:].clone(), residual, self.n_rows)
