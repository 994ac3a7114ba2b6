"""A run in closed form: one pass over the structures, one linear problem."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import ase
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from atomgraph.config.base_run import NewPotentialRun
from atomgraph.config.closed_form_schema import LeastSquares, Sigmas, SparseGP
from atomgraph.config.ending import judge, metrics_of, write_down
from atomgraph.config.folder import TABLE, RunFolder
from atomgraph.config.resumption import check_blocks
from atomgraph.config.schema import Config
from atomgraph.data.checks.duplicates import find_duplicates
from atomgraph.data.frame_names import name_of
from atomgraph.errors import DataError
from atomgraph.fitting import (
    EnergyWeight,
    LinearProblem,
    LinearWeights,
    Noise,
    Progress,
    Selection,
    Sigma,
    Solution,
    accumulate,
    cancellation_of,
    place_sparse_points,
    solve_least_squares,
    solve_sparse_gp,
)
from atomgraph.fitting.streaming import SAVE_EVERY
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.progress import duration, terminal_progress
from atomgraph.training.csv_table import write_table
from atomgraph.training.device import device_of
from atomgraph.training.randomness import seeded

BLOCK = "block.safetensors"
CONTRADICTION = 0.02  # eV/atom between two labels of one structure


class ClosedFormRun(NewPotentialRun):
    """``fit.kind: least_squares`` and ``sparse_gp``."""

    def __init__(self, config: Config, fit: LeastSquares | SparseGP, folder: RunFolder, **words: bool):
        super().__init__(config, folder, **words)
        self.fit = fit

    def _n_fitted(self, potential: Potential) -> int | None:
        return 0 if isinstance(self.fit, SparseGP) else LinearWeights(potential.model).n

    def check_going_on(self) -> None:
        check_blocks(self.folder, BLOCK, SAVE_EVERY)

    def carry_out(self) -> tuple[Potential, dict[str, Any]]:
        began = time.perf_counter()
        device = device_of(self.fit.accelerator, 1)
        with seeded(self.config.seed):
            dataset = self._gather()
            self.console.print(dataset.census, crop=False)
            potential, graphs = self._prepare(dataset)
            self._open(dataset)
            try:
                solution = solve(
                    potential,
                    graphs["train"],
                    dataset.parts["train"],
                    self.fit,
                    device,
                    self.console,
                    seed=self.config.seed,
                    checkpoint=self.folder.checkpoints / BLOCK,
                    resume=self.going_on,
                    table=self.folder.path / TABLE,
                )
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"whole blocks are saved; go on with: atomgraph train --resume {self.folder.path}"
                ) from None
            seconds = time.perf_counter() - began
            self._say(f"fitted in {duration(seconds)}; {in_words(solution)}")
            potential.eval().cpu()
            self._judge_precision(potential, solution, graphs["train"], dataset.parts["train"])
            comparisons = judge(potential, dataset, device)
            metrics = metrics_of(comparisons, solution.facts | {"seconds": round(seconds, 2)})
            how = (
                "fitted in closed form" if isinstance(self.fit, LeastSquares) else "fitted as a sparse Gaussian process"
            )
            write_down(potential, self.config, self.folder, comparisons, metrics, self.console, device, how)
            return potential, metrics

    def _judge_precision(
        self, potential: Potential, solution: Solution, graphs: Sequence[AtomicGraph], frames: Sequence[ase.Atoms]
    ) -> None:
        """How far terms cancel, and in which dtypes the potential may compute: said, and written into its metadata."""
        cancellation = cancellation_of(potential, solution.fit.weights[:, 0].cpu(), graphs, frames)
        potential.metadata["precision"] = solution.facts["precision"] = cancellation.to_json()
        self._say(str(cancellation))


def solve(
    potential: Potential,
    graphs: Sequence[AtomicGraph],
    frames: Sequence[ase.Atoms],
    fit: LeastSquares | SparseGP,
    device: torch.device,
    console: Console,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    resume: bool = False,
    table: Path | None = None,
) -> Solution:
    """Solve for the weights of a potential as the configuration says; the potential is on ``device`` then.

    graphs, frames: the training part, in one order.  checkpoint, resume: as ``fitting.accumulate`` takes them.
    table: a file that gets a row for every block.
    """
    sigma = _sigma(fit.sigma, fit)
    if fit.contradictions == "refuse":
        refuse_contradictions(frames)
    weights = None
    if fit.energy_weight is not None:
        weights = EnergyWeight(**fit.energy_weight.model_dump()).of(_cohesive(potential.cpu(), graphs))
    potential.to(device).eval()
    if isinstance(fit, SparseGP):
        selection = Selection(fit.points.method, seed, fit.points.environments)
        for line in place_sparse_points(potential, graphs, selection):
            console.print(line, markup=False, soft_wrap=True)
    types = [str(atoms.info.get("config_type", "default")) for atoms in frames]
    by_type = {name: _sigma(one, fit) for name, one in fit.sigma_by_type.items()}
    if strange := set(by_type) - set(types):
        raise DataError(f"fit.sigma_by_type names {', '.join(sorted(strange))}, which no training structure is of")
    problem = LinearProblem(potential, Noise(sigma, by_type, types, weights))
    with watched_blocks(console, len(graphs), table) as watch:
        reduced = accumulate(
            problem,
            graphs,
            method=fit.method,
            edge_budget=fit.block,
            checkpoint=checkpoint,
            resume=resume,
            on_block=watch,
        )
    if isinstance(fit, SparseGP):
        return solve_sparse_gp(problem.unknowns, reduced, jitter=fit.jitter)
    return solve_least_squares(
        problem.unknowns,
        reduced,
        solver=fit.solver,
        prior=fit.prior,
        strength=fit.strength,
        power=fit.power,
        scaled=fit.scaled,
        significance=fit.significance,
    )


def refuse_contradictions(frames: Sequence[ase.Atoms]) -> None:
    """DataError for two frames that are one structure and have energies per atom that cannot both be right."""
    for pair in find_duplicates(frames):
        one, other = frames[pair.first], frames[pair.second]
        if one.calc is None or other.calc is None or not {"energy"} <= set(one.calc.results) & set(other.calc.results):
            continue
        apart = one.get_potential_energy() / len(one) - other.get_potential_energy() / len(other)
        if abs(apart) > CONTRADICTION:
            raise DataError(
                f"{name_of(one, pair.first)} and {name_of(other, pair.second)} are one structure, but their energies differ by "
                f"{abs(apart):.3g} eV/atom; take the wrong one out, or say fit.contradictions: keep"
            )


def in_words(solution: Solution) -> str:
    """How well the data determine the weights, in a line."""
    facts = solution.facts
    effective = f"{facts['effective_parameters']:.0f} of them rather than the prior"
    words = (
        f"{facts['rows']} rows determine {facts['rank']} of {facts['unknowns']} weights ({effective}), "
        f"{_condition(facts['condition_number'])}, weighted residuals {facts['rms_of_weighted_residuals']:.2f}"
    )
    return words + (f", {facts['kept']} kept" if "kept" in facts else "")


def _condition(number: float) -> str:
    if isfinite(number):
        return f"condition number {number:.1e}"
    return "the data alone do not determine all weights (condition number infinite)"


def _sigma(sigma: Sigmas, fit: LeastSquares | SparseGP) -> Sigma:
    return Sigma(**sigma.model_dump(), grows=fit.grows)


def _cohesive(potential: Potential, graphs: Sequence[AtomicGraph]) -> torch.Tensor:
    """(n_structures,) eV/atom above free atoms; zero where there is no label."""
    e0 = potential.model.baseline.e0[0].cpu()
    table = potential.model.element_table.cpu()
    found = [
        (graph.energy[0] - e0[table(graph.atomic_numbers)].sum()) / graph.n_atoms
        if bool(graph.energy_mask[0])
        else None
        for graph in graphs
    ]
    return torch.tensor([0.0 if value is None else float(value) for value in found], dtype=torch.float64)


class watched_blocks:
    """A bar with the time left on a terminal, and a table of blocks."""

    def __init__(self, console: Console, total: int, table: Path | None):
        self.console, self.total, self.table = console, total, table
        self.rows: list[dict[str, Any]] = []
        self.bar = terminal_progress(
            TextColumn("fitting"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            shown=not console.quiet,
        )
        self.written = 0.0

    def __enter__(self) -> Callable[[Progress], None]:
        self.bar.start()
        self.task = self.bar.add_task("fitting", total=self.total)
        return self.on_block

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        if self.rows:
            self._write()

    def on_block(self, progress: Progress) -> None:
        self.bar.update(self.task, completed=progress.done)
        self.rows.append(
            {
                "block": progress.block,
                "structures": progress.done,
                "rows": progress.rows,
                "seconds": f"{progress.seconds:.2f}",
            }
        )
        if time.perf_counter() - self.written > 1.0:
            self._write()

    def _write(self) -> None:
        if self.table is not None:
            write_table(self.table, self.rows)
        self.written = time.perf_counter()
