"""QR of a sparse design matrix: consecutive rows with few non-zero columns are first reduced to a smaller factor."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from atomgraph.fitting.solvers.streaming_qr import StreamingQR
from atomgraph.fitting.solvers.triangular import TriangularFactor

MAX_SHARE = 0.7  # largest share of non-zero columns for which a separate factor is faster


class BlockQR(StreamingQR):
    r"""``StreamingQR`` with less work for groups of consecutive rows that are zero in the same columns.

    A row group with w non-zero columns of n has a separate factor. Adding a row to this factor costs :math:`w^2` instead of
    :math:`n^2`. At the end of the group, the w rows of the factor and the buffered rows are added to the factor of all rows.
    A group ends before the first call of ``absorb`` with a row that has another non-zero column.

    Example: rows of structures with two of four elements are non-zero in half of the columns. A fit of many such structures,
    sorted by composition, is almost four times as fast.

    Memory: that of one more ``StreamingQR``, with w unknowns. The start of a group depends on the division of the rows into
    calls, and so do the last bits of the factor.
    """

    method = 2  # identifies this class in saved states
    _group: StreamingQR | None = None
    _group_columns: Tensor  # indices of the group's non-zero columns, then of the targets

    def _add_rows(self, rows: Tensor) -> None:
        n = self.n_unknowns
        if self._group is not None and bool((rows[:, self._zero_columns()] != 0).any()):
            self._end_group()
        if self._group is None:
            columns = torch.nonzero((rows[:, :n] != 0).any(dim=0))[:, 0]
            if not 0 < len(columns) <= MAX_SHARE * n:
                super()._add_rows(rows)
                return
            self._start_group(columns)
        if self._group is not None:
            self._group._add_rows(rows[:, self._group_columns])

    @torch.no_grad()
    def triangular_factor(self) -> TriangularFactor:
        """Return the factor of all rows up to now. More rows can be added afterwards."""
        self._end_group()
        return super().triangular_factor()

    def state(self) -> dict[str, Tensor]:
        """Return the state as tensors; keys with ``run.`` are the state of the row group."""
        if self._group is None:
            return super().state()
        group = {f"run.{name}": value for name, value in self._group.state().items()}
        return super().state() | group | {"columns": self._group_columns.clone()}

    @classmethod
    def from_state(cls, state: dict[str, Tensor], device: torch.device | str | None = None) -> Self:
        """Return an accumulator with a state that ``state`` returned."""
        accumulator = super().from_state(state, device)
        if "columns" in state:
            group = {name.removeprefix("run."): value for name, value in state.items() if name.startswith("run.")}
            accumulator._group_columns = state["columns"].to(accumulator._buffer.device)
            accumulator._group = StreamingQR.from_state(group, device)
        return accumulator

    def _start_group(self, columns: Tensor) -> None:
        targets = torch.arange(self.n_unknowns, self._buffer.shape[1], device=columns.device)
        self._group_columns = torch.cat([columns, targets])
        self._group = StreamingQR(len(columns), self.n_targets, device=self._buffer.device)

    def _end_group(self) -> None:
        """Add the rows of the group's factor and of its buffer to the factor of all rows."""
        if self._group is None:
            return
        group, self._group = self._group, None
        group_rows = torch.cat([group._matrix, group._buffer[: group._filled]])
        group_rows = group_rows[(group_rows != 0).any(dim=1)]
        rows = group_rows.new_zeros(len(group_rows), self._buffer.shape[1])
        rows[:, self._group_columns] = group_rows
        super()._add_rows(rows)
        self._squares = self._squares + group._squares

    def _zero_columns(self) -> Tensor:
        """Return the indices of the columns that are zero in the group, (n_zero_columns,)."""
        mask = torch.ones(self.n_unknowns, dtype=torch.bool, device=self._group_columns.device)
        mask[self._group_columns[: -self.n_targets]] = False
        return torch.nonzero(mask)[:, 0]
