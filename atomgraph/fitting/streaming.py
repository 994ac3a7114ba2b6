"""Triangular factor of all structures of a fit, computed block by block; a stopped fit can be resumed from a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from atomgraph import checksums
from atomgraph.atomic_write import write_atomic
from atomgraph.data import budget_batches
from atomgraph.fitting.linear_problem import LinearProblem
from atomgraph.fitting.solvers.block_qr import BlockQR
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.normal_equations import NormalEquations
from atomgraph.fitting.solvers.row_accumulator import RowAccumulator
from atomgraph.fitting.solvers.triangular import TriangularFactor
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import old_names_of

METHODS: dict[str, type[RowAccumulator]] = {"qr": BlockQR, "normal": NormalEquations}
VERSION = 2  # version of checkpoint files; version 1 has no checksum
SAVE_EVERY = 20.0  # time between two checkpoints, s


@dataclass(frozen=True)
class Progress:
    """Progress of a fit.

    Attributes:
        block: Number of finished blocks.
        done: Number of finished structures.
        total: Number of all structures.
        rows: Number of rows in the factor.
        seconds: Time since the start, s.
    """

    block: int
    done: int
    total: int
    rows: int
    seconds: float


def accumulate(
    problem: LinearProblem,
    graphs: Sequence[AtomicGraph],
    *,
    method: str = "qr",
    edge_budget: int = 4000,
    checkpoint: Path | None = None,
    resume: bool = False,
    on_block: Callable[[Progress], None] | None = None,
) -> TriangularFactor:
    """Compute the triangular factor of all rows of the structures.

    Args:
        problem: Linear problem.
        graphs: Training structures.
        method: ``qr``, or ``normal`` for normal equations, which are faster and have half of the accurate digits.
        edge_budget: Largest number of edges in a block.
        checkpoint: File for the unfinished factor; None for no file.
        resume: Continue from the checkpoint, if the file exists.
        on_block: Function called after every block; None for no call.

    Raises:
        FittingError: If the checkpoint is damaged or belongs to another fit, or a row is not finite.
    """
    device = problem.potential.device
    accumulator = METHODS[method](problem.unknowns.n, device=device)
    n_done = n_blocks = 0
    if resume and checkpoint is not None and checkpoint.is_file():
        accumulator, n_done, n_blocks = _read(checkpoint, METHODS[method], problem.unknowns.n, len(graphs), device)
    start_time, save_time = time.perf_counter(), time.perf_counter()
    for batch in budget_batches(graphs[n_done:], edge_budget):
        try:
            accumulator.absorb(*problem.build_rows(batch.to(device), n_done))
        except FittingError as error:
            names = getattr(batch, "source", None)
            where = f" ({', '.join(names[:3])})" if isinstance(names, list) else ""
            raise FittingError(f"structures {n_done} to {n_done + batch.n_graphs - 1}{where}: {error}") from error
        n_done, n_blocks = n_done + batch.n_graphs, n_blocks + 1
        time_now = time.perf_counter()
        if checkpoint is not None and (time_now - save_time > SAVE_EVERY or n_done == len(graphs)):
            _write(checkpoint, accumulator, n_done, n_blocks, len(graphs))
            save_time = time_now
        if on_block is not None:
            on_block(Progress(n_blocks, n_done, len(graphs), accumulator.n_rows, time_now - start_time))
    return accumulator.triangular_factor()


def _write(path: Path, accumulator: RowAccumulator, n_done: int, n_blocks: int, n_graphs: int) -> None:
    """Write a checkpoint; ``place`` contains the finished structures, finished blocks, all structures, and the version."""
    state = accumulator.state() | {"place": torch.tensor([n_done, n_blocks, n_graphs, VERSION])}
    header = {"format": "block of a fit", "version": VERSION, checksums.KEY: checksums.BLANK}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in state.items()}

    def write_content(scratch: Path) -> None:
        save_file(tensors, scratch, metadata={"atomgraph": json.dumps(header)})
        checksums.seal(scratch)

    write_atomic(path, write_content)


def _read(
    path: Path, kind: type[RowAccumulator], n_unknowns: int, n_graphs: int, device: torch.device
) -> tuple[RowAccumulator, int, int]:
    """Read a checkpoint. In version 1, ``place`` has no version number, and there is no checksum.

    Returns:
        Accumulator, number of finished structures, number of finished blocks.
    """
    try:
        state = load_file(path)
        n_done, n_blocks, saved_graphs, *version = state.pop("place").tolist()
        with path.open("rb") as file:
            if version and not checksums.is_intact(file):
                raise ValueError("the content does not fit the checksum")
        default_sizes = kind(n_unknowns, device=device).state()["sizes"].tolist()
        default_method, _, default_targets, default_block_rows, _ = default_sizes
        method, saved_unknowns, n_targets, block_rows, _ = state["sizes"].tolist()
        is_same_problem = (method, saved_unknowns) == (default_method, n_unknowns)
        # the limit of 16 prevents that a damaged file allocates too much memory
        if is_same_problem and (n_targets != default_targets or not 0 < block_rows <= 16 * default_block_rows):
            raise ValueError(f"the block has {block_rows} rows and {n_targets} targets")
        if saved_unknowns != n_unknowns or saved_graphs != n_graphs or not 0 <= n_done <= n_graphs:
            raise FittingError(
                f"{path} is a checkpoint of a fit of {saved_unknowns} unknowns to {saved_graphs} structures, but this fit has "
                f"{n_unknowns} and {n_graphs}; start the fit again"
            )
        accumulator = kind.from_state(state, device)
    except FittingError:
        raise
    except Exception as error:  # a damaged file can cause any error
        raise FittingError(
            f"{path} is not a checkpoint of a fit, or is damaged ({error}); start the fit again"
        ) from None
    return accumulator, n_done, n_blocks


__getattr__ = old_names_of(__name__)
