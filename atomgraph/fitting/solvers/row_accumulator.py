"""Base class of solvers that add the rows of a linear problem block by block, in bounded memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.memory_check import check_memory
from atomgraph.fitting.solvers.triangular import TriangularFactor
from atomgraph.old_names import OldAttribute


class RowAccumulator(ABC):
    """Checks and collects rows in a buffer, and adds a full buffer to a matrix of fixed size.

    The buffer has a fixed number of rows. Memory and result, to the last bit, are therefore independent of the division of
    the rows into calls.

    Args:
        n_unknowns: Number of weights, n.
        n_targets: Number of targets, k.
        block_rows: Number of rows of the buffer; if None, n + k, but at least 256.
        device: Device of the tensors; the CPU if None.

    Raises:
        FittingError: If a number is below one, or the memory is too small.
    """

    method: ClassVar[int]  # integer that identifies the subclass in saved states

    def __init__(
        self,
        n_unknowns: int,
        n_targets: int = 1,
        *,
        block_rows: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        n_columns = n_unknowns + n_targets
        block_rows = max(n_columns, 256) if block_rows is None else block_rows
        if n_unknowns < 1 or n_targets < 1 or block_rows < 1:
            raise FittingError(
                "a linear problem has at least one unknown, one target and one row per block, "
                f"but has {n_unknowns}, {n_targets} and {block_rows}"
            )
        # the matrix, its copy during an addition, and the buffer
        n_bytes = 8 * (2 * n_unknowns + block_rows) * n_columns
        check_memory(n_unknowns, n_bytes, torch.device("cpu" if device is None else device))
        self.n_unknowns, self.n_targets, self.n_rows = n_unknowns, n_targets, 0
        # QR: [R, Qᵀy] and the residual squares; normal equations: [XᵀX, Xᵀy] and yᵀy
        self._matrix = torch.zeros(n_unknowns, n_columns, dtype=torch.float64, device=device)
        self._squares = torch.zeros(n_targets, dtype=torch.float64, device=device)
        self._buffer = torch.zeros(block_rows, n_columns, dtype=torch.float64, device=device)
        self._filled = 0  # number of rows in the buffer

    @abstractmethod
    def _add_block(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the matrix (n, n + k) and squares (k,) after adding rows, (n_rows, n + k)."""

    @abstractmethod
    def _finish(self, matrix: Tensor, squares: Tensor) -> TriangularFactor:
        """Return the triangular factor for a matrix (n, n + k) and squares (k,)."""

    @torch.no_grad()
    def absorb(self, X: Tensor, y: Tensor, weight: Tensor | None = None) -> None:
        """Add rows and their targets.

        Args:
            X: Rows, (n_rows, n).
            y: Targets, (n_rows,) or (n_rows, k).
            weight: Factor on each row, 1/σ (not 1/σ²), (n_rows,); 1 if None. Rows of weight zero are skipped and
                not counted.

        Raises:
            FittingError: If shapes do not fit, a weight is negative, or a number is not finite.
        """
        y = y[:, None] if y.dim() == 1 else y
        if X.dim() != 2 or X.shape[1] != self.n_unknowns or y.shape != (len(X), self.n_targets):
            raise FittingError(
                f"rows should have the shape (n_rows, {self.n_unknowns}) and targets (n_rows, {self.n_targets}), "
                f"but have {tuple(X.shape)} and {tuple(y.shape)}"
            )
        rows = torch.cat([X.to(self._buffer), y.to(self._buffer)], dim=1)
        if weight is not None:
            if weight.shape != (len(X),) or bool((weight < 0).any()):
                raise FittingError(f"each of {len(X)} rows needs one weight of at least 0")
            weight = weight.to(rows)
            rows = (rows * weight[:, None])[weight != 0]
        is_bad = ~torch.isfinite(rows).all(dim=1)
        if bool(is_bad.any()):
            raise FittingError(
                f"{int(is_bad.sum())} of {len(rows)} rows have numbers that are not finite, first row "
                f"{int(is_bad.nonzero()[0])} of this block; check the structure and labels of this row"
            )
        self._add_rows(rows)
        self.n_rows += len(rows)

    def _add_rows(self, rows: Tensor) -> None:
        """Add checked rows, (n_rows, n + k), to the buffer."""
        while len(rows):
            n_free = len(self._buffer) - self._filled
            part, rows = rows[:n_free], rows[n_free:]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            if self._filled == len(self._buffer):
                self._matrix, self._squares = self._add_block(self._buffer)
                self._filled = 0

    @torch.no_grad()
    def merge(self, part: TriangularFactor) -> None:
        """Add the triangular factor of further rows of the same problem.

        Raises:
            FittingError: If the numbers of unknowns or targets differ.
        """
        if (part.n_unknowns, part.n_targets) != (self.n_unknowns, self.n_targets):
            raise FittingError(
                f"a problem of {self.n_unknowns} unknowns and {self.n_targets} targets cannot include one of "
                f"{part.n_unknowns} and {part.n_targets}"
            )
        self._add_rows(torch.cat([part.R, part.Qty], dim=1).to(self._buffer))
        self._squares = self._squares + part.residual_square.to(self._squares)
        self.n_rows += part.n_rows

    @torch.no_grad()
    def triangular_factor(self) -> TriangularFactor:
        """Return the factor of all rows up to now. The accumulator is unchanged, and more rows can be added.

        Raises:
            FittingError: If there are no rows.
        """
        if self.n_rows == 0:
            raise FittingError("no row was added, so there is nothing to fit; add data to the fit")
        if self._filled == 0:
            return self._finish(self._matrix, self._squares)
        return self._finish(*self._add_block(self._buffer[: self._filled]))

    reduced = OldAttribute("triangular_factor")

    def state(self) -> dict[str, Tensor]:
        """Return the state as tensors. An accumulator with this state continues with equal results, to the last bit.

        The keys are ``sizes``, ``factor`` (the matrix of the accumulator), ``square``, and ``waiting`` (rows in the buffer).
        """
        sizes = [self.method, self.n_unknowns, self.n_targets, len(self._buffer), self.n_rows]
        return {
            "sizes": torch.tensor(sizes, dtype=torch.int64),
            "factor": self._matrix.clone(),
            "square": self._squares.clone(),
            "waiting": self._buffer[: self._filled].clone(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Tensor], device: torch.device | str | None = None) -> Self:
        """Return an accumulator with a state that ``state`` returned.

        Raises:
            FittingError: If the state is of another class, or a tensor is missing.
        """
        missing = {"sizes", "factor", "square", "waiting"} - set(state)
        if missing:
            raise FittingError(f"this is not a state of {cls.__name__}: {', '.join(sorted(missing))} missing")
        method, n_unknowns, n_targets, block_rows, n_rows = state["sizes"].tolist()
        if method != cls.method:
            raise FittingError(
                f"this state was not written by {cls.__name__}; resume with the method of the first start"
            )
        accumulator = cls(n_unknowns, n_targets, block_rows=block_rows, device=device)
        accumulator._matrix = state["factor"].to(accumulator._buffer, copy=True)
        accumulator._squares = state["square"].to(accumulator._buffer, copy=True)
        accumulator._filled = len(state["waiting"])
        accumulator._buffer[: accumulator._filled] = state["waiting"].to(accumulator._buffer)
        accumulator.n_rows = n_rows
        return accumulator
