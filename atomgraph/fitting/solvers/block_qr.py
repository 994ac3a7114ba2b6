"""Rows that concern few of the unknowns, such as those of one element's atoms, reduced among themselves first."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from atomgraph.fitting.solvers.streaming_qr import StreamedQR
from atomgraph.fitting.solvers.triangular import Reduced

FEW = 0.7  # of the unknowns; above, there is nothing to gain


class GatheredQR(StreamedQR):
    r"""``StreamedQR`` for rows that come in runs with zeros in the same columns: the same factor for less work.

    A run that concerns w of the n unknowns gets a factor of its own, in which a row costs :math:`w^2` instead of :math:`n^2`;
    of the whole run at most w rows, and those that wait in its buffer, go on into the factor of all. Structures of two
    elements among four concern half of the unknowns, so a fit of many, type after type, is almost four times as fast.
    A run ends where a row concerns another column; runs of few rows cost what they did before.
    Memory: that of a ``StreamedQR`` of w unknowns more. Where runs begin depends on how rows are cut into calls, and with it
    the last bits of the factor.
    """

    method = 2
    _run: StreamedQR | None = None
    _columns: Tensor  # which columns of a row the run has, targets included

    def _take(self, rows: Tensor) -> None:
        n = self.n_unknowns
        if self._run is not None and bool((rows[:, self._others()] != 0).any()):
            self._end_run()
        if self._run is None:
            used = torch.nonzero((rows[:, :n] != 0).any(dim=0))[:, 0]
            if not 0 < len(used) <= FEW * n:
                super()._take(rows)
                return
            self._begin_run(used)
        if self._run is not None:
            self._run._take(rows[:, self._columns])

    @torch.no_grad()
    def reduced(self) -> Reduced:
        """The problem as it stands. The stream can absorb more."""
        self._end_run()
        return super().reduced()

    def state(self) -> dict[str, Tensor]:
        of_run = {} if self._run is None else {f"run.{name}": value for name, value in self._run.state().items()}
        return super().state() | of_run | ({"columns": self._columns.clone()} if of_run else {})

    @classmethod
    def from_state(cls, state: dict[str, Tensor], device: torch.device | str | None = None) -> Self:
        stream = super().from_state(state, device)
        if "columns" in state:
            of_run = {name.removeprefix("run."): value for name, value in state.items() if name.startswith("run.")}
            stream._columns = state["columns"].to(stream._buffer.device)
            stream._run = StreamedQR.from_state(of_run, device)
        return stream

    def _begin_run(self, used: Tensor) -> None:
        targets = torch.arange(self.n_unknowns, self._buffer.shape[1], device=used.device)
        self._columns = torch.cat([used, targets])
        self._run = StreamedQR(len(used), self.n_targets, device=self._buffer.device)

    def _end_run(self) -> None:
        """Hand the run's rows on."""
        if self._run is None:
            return
        run, self._run = self._run, None
        rows = torch.cat([run._factor, run._buffer[: run._filled]])
        rows = rows[(rows != 0).any(dim=1)]
        whole = rows.new_zeros(len(rows), self._buffer.shape[1])
        whole[:, self._columns] = rows
        super()._take(whole)
        self._square = self._square + run._square

    def _others(self) -> Tensor:
        mask = torch.ones(self.n_unknowns, dtype=torch.bool, device=self._columns.device)
        mask[self._columns[: -self.n_targets]] = False
        return torch.nonzero(mask)[:, 0]
