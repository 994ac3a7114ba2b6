"""The linear problem of a fit in closed form: set up as the section ``fit`` says, and solved."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import ase
import torch
from rich.console import Console

from atomgraph.config.closed_form_schema import LeastSquares, Sigmas, SparseGP
from atomgraph.data.checks.duplicates import find_duplicates
from atomgraph.data.frame_names import frame_name
from atomgraph.errors import DataError
from atomgraph.fitting import (
    ClosedFormResult,
    EnergyWeight,
    LinearProblem,
    Noise,
    Sigma,
    SparsePointSelection,
    accumulate,
    choose_sparse_points,
    solve_least_squares,
    solve_sparse_gp,
)
from atomgraph.fitting.solvers.triangular import TriangularFactor
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.runs.fits.block_progress import BlockProgress

CONTRADICTION = 0.02  # eV/atom between two labels of one structure


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
) -> ClosedFormResult:
    """Solve for the weights of a potential as the configuration says; afterwards it is on ``device``.

    Args:
        potential: The potential, in float64.
        graphs: Graphs of the training part.
        frames: Its frames, in the same order.
        fit: The section ``fit``.
        device: Where to solve.
        console: For progress.
        seed: Of the choice of sparse points.
        checkpoint: File of the saved block, see ``fitting.accumulate``.
        resume: Whether to start from the saved block.
        table: File for a row for every block.

    Raises:
        DataError: For contradictory labels, or unknown configuration types in ``fit.sigma_by_type``.
    """
    sigma = _sigma(fit.sigma, fit)
    if fit.contradictions == "refuse":
        refuse_contradictions(frames)
    weights = None
    if fit.energy_weight is not None:
        weights = EnergyWeight(**fit.energy_weight.model_dump()).compute(_cohesive(potential.cpu(), graphs))
    potential.to(device).eval()
    if isinstance(fit, SparseGP):
        selection = SparsePointSelection(fit.points.method, seed, fit.points.environments)
        for line in choose_sparse_points(potential, graphs, selection):
            console.print(line, markup=False, soft_wrap=True)
    problem = LinearProblem(potential, _noise(fit, frames, sigma, weights))
    with BlockProgress(console, len(graphs), table) as watch:
        factor = accumulate(
            problem,
            graphs,
            method=fit.method,
            edge_budget=fit.block,
            checkpoint=checkpoint,
            resume=resume,
            on_block=watch,
        )
    return _solution(fit, problem, factor)


def _solution(fit: LeastSquares | SparseGP, problem: LinearProblem, factor: TriangularFactor) -> ClosedFormResult:
    if isinstance(fit, SparseGP):
        return solve_sparse_gp(problem.unknowns, factor, jitter=fit.jitter)
    return solve_least_squares(
        problem.unknowns,
        factor,
        solver=fit.solver,
        prior=fit.prior,
        strength=fit.strength,
        power=fit.power,
        scale_columns=fit.scale_columns,
        significance=fit.significance,
    )


def _noise(
    fit: LeastSquares | SparseGP, frames: Sequence[ase.Atoms], sigma: Sigma, weights: torch.Tensor | None
) -> Noise:
    """Expected errors by configuration type; DataError for a type that no training structure has."""
    types = [str(atoms.info.get("config_type", "default")) for atoms in frames]
    by_type = {name: _sigma(section, fit) for name, section in fit.sigma_by_type.items()}
    if unknown := set(by_type) - set(types):
        raise DataError(f"fit.sigma_by_type names {', '.join(sorted(unknown))}, which no training structure is of")
    return Noise(sigma, by_type, types, weights)


def refuse_contradictions(frames: Sequence[ase.Atoms]) -> None:
    """DataError for duplicate structures with different energies per atom."""
    for pair in find_duplicates(frames):
        first, second = frames[pair.first], frames[pair.second]
        if (
            first.calc is None
            or second.calc is None
            or not {"energy"} <= set(first.calc.results) & set(second.calc.results)
        ):
            continue
        apart = first.get_potential_energy() / len(first) - second.get_potential_energy() / len(second)
        if abs(apart) > CONTRADICTION:
            raise DataError(
                f"{frame_name(first, pair.first)} and {frame_name(second, pair.second)} are one structure, but their energies "
                f"differ by {abs(apart):.3g} eV/atom; take the wrong one out, or say fit.contradictions: keep"
            )


def describe_solution(solution: ClosedFormResult) -> str:
    """A line about how well the data determine the weights."""
    facts = solution.facts
    effective = f"{facts['effective_parameters']:.0f} of them rather than the prior"
    line = (
        f"{facts['rows']} rows determine {facts['rank']} of {facts['unknowns']} weights ({effective}), "
        f"{_condition(facts['condition_number'])}, weighted residuals {facts['rms_of_weighted_residuals']:.2f}"
    )
    return line + (f", {facts['kept']} kept" if "kept" in facts else "")


def _condition(number: float) -> str:
    if isfinite(number):
        return f"condition number {number:.1e}"
    return "the data alone do not determine all weights (condition number infinite)"


def _sigma(sigma: Sigmas, fit: LeastSquares | SparseGP) -> Sigma:
    return Sigma(**sigma.model_dump(), energy_error_scaling=fit.energy_error_scaling)


def _cohesive(potential: Potential, graphs: Sequence[AtomicGraph]) -> torch.Tensor:
    """(n_structures,) eV/atom above free atoms; zero where there is no label."""
    e0 = potential.model.baseline.e0[0].cpu()
    table = potential.model.element_table.cpu()
    energies = [
        (graph.energy[0] - e0[table(graph.atomic_numbers)].sum()) / graph.n_atoms
        if bool(graph.energy_mask[0])
        else None
        for graph in graphs
    ]
    return torch.tensor([0.0 if value is None else float(value) for value in energies], dtype=torch.float64)
