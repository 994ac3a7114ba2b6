"""All structures of a fit, block after block, into one triangular factor; a stopped fit goes on at its last block."""

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
from atomgraph.fitting.solvers.block_qr import GatheredQR
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.streaming_qr import Streamed, StreamedNormal
from atomgraph.fitting.solvers.triangular import Reduced
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import old_names_of

METHODS: dict[str, type[Streamed]] = {"qr": GatheredQR, "normal": StreamedNormal}
VERSION = 2  # of saved blocks; since then they carry a checksum
SAVE_EVERY = 20.0  # seconds from one saved block to the next


@dataclass(frozen=True)
class Progress:
    """How far a pass is: blocks and structures absorbed, structures in all, rows, seconds since the pass began."""

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
) -> Reduced:
    """The triangular factor of all rows of the structures.

    Args:
        method: ``qr``, or ``normal`` for normal equations, which are faster and have half the digits.
        edge_budget: Edges in a block.
        checkpoint: A file in which the factor so far is kept, and from which ``resume`` goes on.
        on_block: Called after every block.

    Raises:
        FittingError: For a checkpoint of another problem.
    """
    device = problem.potential.device
    factor = METHODS[method](problem.unknowns.n, device=device)
    done = block = 0
    if resume and checkpoint is not None and checkpoint.is_file():
        factor, done, block = _read(checkpoint, METHODS[method], problem.unknowns.n, len(graphs), device)
    began, saved = time.perf_counter(), time.perf_counter()
    for batch in budget_batches(graphs[done:], edge_budget):
        try:
            factor.absorb(*problem.of(batch.to(device), done))
        except FittingError as error:
            named = getattr(batch, "source", None)
            where = f" ({', '.join(named[:3])})" if isinstance(named, list) else ""
            raise FittingError(f"structures {done} to {done + batch.n_graphs - 1}{where}: {error}") from error
        done, block = done + batch.n_graphs, block + 1
        now = time.perf_counter()
        if checkpoint is not None and (now - saved > SAVE_EVERY or done == len(graphs)):
            _write(checkpoint, factor, done, block, len(graphs))
            saved = now
        if on_block is not None:
            on_block(Progress(block, done, len(graphs), factor.n_rows, now - began))
    return factor.reduced()


def _write(path: Path, factor: Streamed, done: int, block: int, total: int) -> None:
    state = factor.state() | {"place": torch.tensor([done, block, total, VERSION])}
    header = {"format": "block of a fit", "version": VERSION, checksums.KEY: checksums.BLANK}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in state.items()}

    def filled(scratch: Path) -> None:
        save_file(tensors, scratch, metadata={"atomgraph": json.dumps(header)})
        checksums.seal(scratch)

    write_atomic(path, filled)


def _read(
    path: Path, kind: type[Streamed], n_unknowns: int, total: int, device: torch.device
) -> tuple[Streamed, int, int]:
    """A block; those of version 1, whose place has three numbers, carry no checksum."""
    try:
        state = load_file(path)
        done, block, of, *version = state.pop("place").tolist()
        with path.open("rb") as file:
            if version and not checksums.is_intact(file):
                raise ValueError("its content does not fit its checksum")
        fresh = kind(n_unknowns, device=device).state()["sizes"].tolist()
        method, result, n_targets, n_rows, _ = state["sizes"].tolist()
        if (method, result) == (fresh[0], n_unknowns) and (n_targets != fresh[2] or not 0 < n_rows <= 16 * fresh[3]):
            raise ValueError(f"it announces {n_rows} rows and {n_targets} targets")
        if result != n_unknowns or of != total or not 0 <= done <= total:
            raise FittingError(
                f"{path} is of a fit of {result} unknowns to {of} structures, but this one has {n_unknowns} and {total}; "
                "start the fit again"
            )
        factor = kind.from_state(state, device)
    except FittingError:
        raise
    except Exception as error:  # a state of any kind is given any tensors here
        raise FittingError(f"{path} is no block of a fit, or damaged ({error}); start the fit again") from None
    return factor, done, block


__getattr__ = old_names_of(__name__)
