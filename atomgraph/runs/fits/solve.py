"""Sets up and solves the linear problem of a fit in closed form, with the settings of the section ``fit``."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import ase
import torch
from rich.console import Console

from atomgraph.config.closed_form_schema import LeastSquares, SigmaSection, SparseGP
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

MAX_ENERGY_DIFFERENCE = 0.02  # eV/atom, between labels of duplicate structures


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
    """Solve for the weights of a potential; afterwards the potential is on ``device``.

    Args:
        potential: The potential, in float64.
        graphs: Graphs of the training part.
        frames: Frames of the training part, in the order of the graphs.
        fit: The section ``fit``.
        device: Device of the fit.
        console: Console for progress.
        seed: Seed for the selection of sparse points.
        checkpoint: File of the saved block, see ``fitting.accumulate``; None: no block is saved.
        resume: Whether to start from the saved block.
        table: CSV file with a row per block; None: no file.

    Raises:
        DataError: If labels of duplicate structures differ, or ``fit.sigma_by_type`` has an unknown configuration type.
    """
    sigma = _sigma(fit.sigma, fit)
    if fit.contradictions == "refuse":
        check_contradictions(frames)
    structure_weights = None
    if fit.energy_weight is not None:
        structure_weights = EnergyWeight(**fit.energy_weight.model_dump()).compute(
            _cohesive_energies(potential.cpu(), graphs)
        )
    potential.to(device).eval()
    if isinstance(fit, SparseGP):
        selection = SparsePointSelection(fit.points.method, seed, fit.points.environments)
        for line in choose_sparse_points(potential, graphs, selection):
            console.print(line, markup=False, soft_wrap=True)
    problem = LinearProblem(potential, _noise(fit, frames, sigma, structure_weights))
    with BlockProgress(console, len(graphs), table) as on_block:
        factor = accumulate(
            problem,
            graphs,
            method=fit.method,
            edge_budget=fit.block,
            checkpoint=checkpoint,
            resume=resume,
            on_block=on_block,
        )
    return _solve_factor(fit, problem, factor)


def _solve_factor(fit: LeastSquares | SparseGP, problem: LinearProblem, factor: TriangularFactor) -> ClosedFormResult:
    """Solve the linear problem with its triangular factor."""
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
    fit: LeastSquares | SparseGP, frames: Sequence[ase.Atoms], sigma: Sigma, structure_weights: torch.Tensor | None
) -> Noise:
    """Return expected errors by configuration type; DataError for a type that no training structure has."""
    types = [str(atoms.info.get("config_type", "default")) for atoms in frames]
    sigma_by_type = {name: _sigma(section, fit) for name, section in fit.sigma_by_type.items()}
    if unknown := set(sigma_by_type) - set(types):
        raise DataError(
            f"fit.sigma_by_type has the configuration type {', '.join(sorted(unknown))}, which no training structure has"
        )
    return Noise(sigma, sigma_by_type, types, structure_weights)


def check_contradictions(frames: Sequence[ase.Atoms]) -> None:
    """Raise DataError for duplicate structures with different energies per atom."""
    for pair in find_duplicates(frames):
        first, second = frames[pair.first], frames[pair.second]
        if (
            first.calc is None
            or second.calc is None
            or not {"energy"} <= set(first.calc.results) & set(second.calc.results)
        ):
            continue
        difference = first.get_potential_energy() / len(first) - second.get_potential_energy() / len(second)
        if abs(difference) > MAX_ENERGY_DIFFERENCE:
            raise DataError(
                f"{frame_name(first, pair.first)} and {frame_name(second, pair.second)} are equal structures, but their "
                f"energies differ by {abs(difference):.3g} eV/atom; remove the structure with the wrong label, or "
                f"keep both with fit.contradictions: keep"
            )


def describe_solution(solution: ClosedFormResult) -> str:
    """Return a line of text about the rank and the condition number of the linear problem."""
    facts = solution.facts
    effective = f"{facts['effective_parameters']:.0f} of them by the data rather than the prior"
    line = (
        f"{facts['rows']} rows determine {facts['rank']} of {facts['unknowns']} weights ({effective}), "
        f"{_condition(facts['condition_number'])}, weighted residuals {facts['rms_of_weighted_residuals']:.2f}"
    )
    return line + (f", {facts['kept']} kept" if "kept" in facts else "")


def _condition(number: float) -> str:
    """Return a description of the condition number."""
    if isfinite(number):
        return f"condition number {number:.1e}"
    return "the data alone do not determine all weights (condition number infinite)"


def _sigma(sigma: SigmaSection, fit: LeastSquares | SparseGP) -> Sigma:
    """Return the expected errors of a section."""
    return Sigma(**sigma.model_dump(), energy_error_scaling=fit.energy_error_scaling)


def _cohesive_energies(potential: Potential, graphs: Sequence[AtomicGraph]) -> torch.Tensor:
    """Return energies minus E0, eV/atom, (n_structures,), float64; zero for structures without label."""
    e0 = potential.model.baseline.e0[0].cpu()
    table = potential.model.element_table.cpu()
    energies = [
        (graph.energy[0] - e0[table(graph.atomic_numbers)].sum()) / graph.n_atoms
        if bool(graph.energy_mask[0])
        else None
        for graph in graphs
    ]
    return torch.tensor([0.0 if value is None else float(value) for value in energies], dtype=torch.float64)
