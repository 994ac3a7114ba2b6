"""You will learn how fast the atomic cluster expansion converges with body order and number of functions, for copper."""

from pathlib import Path

import numpy as np
import torch

from atomgraph import Potential
from atomgraph.analysis.report.plots import line_plot
from atomgraph.data import build_graphs, collate, least_squares_e0, read
from atomgraph.fitting import LinearProblem, Noise, Sigma, accumulate
from atomgraph.fitting.design_matrix import design_matrix
from atomgraph.fitting.solvers.evidence import evidence
from atomgraph.models import ACE

DATA = Path(__file__).parent / "data" / "mlearn_Cu"
FOLDER = Path("runs/example_07")
N_MAX, L_MAX = (12, 5, 3, 2), (0, 4, 3, 2)  # for functions of one, two, three and four neighbours
FRACTIONS = (0.15, 0.3, 0.6, 1.0)  # of the largest degree in n and l


def main(step: int = 5) -> None:
    """Read the data once for the largest expansion, and fit smaller expansions with subsets of its columns.

    Args:
        step: Every step-th training structure is used.
    """
    train, test = read([f"{DATA / 'train.xyz.gz'}@::{step}"]), read([DATA / "test.xyz.gz"])
    potential = Potential(ACE(["Cu"], cutoff=5.5, n_max=N_MAX, l_max=L_MAX, parameters=[(1.0, 1.0)])).double()
    train_graphs, test_graphs = (build_graphs(frames, potential.cutoff) for frames in (train, test))
    potential.model.baseline.set_e0(least_squares_e0(train_graphs).value)
    problem = LinearProblem(
        potential, Noise(Sigma(energy=0.001, forces=0.05, virial=None, energy_error_scaling="sqrt"))
    )
    linear_system = accumulate(problem, train_graphs)
    batch = collate(test_graphs)
    rows = design_matrix(problem.unknowns, batch, forces=False, stress=False).energy
    n_atoms = torch.bincount(batch.batch)
    e0 = float(potential.model.baseline.e0[0, 0])
    target = batch.energy - e0 * n_atoms

    degrees = potential.model.branches[0].featurizer.degrees()[0]  # Σn, Σl and factors of each function
    n_factors, mean_degree = degrees[:, 2], (degrees[:, 0] + degrees[:, 1]) / degrees[:, 2]
    max_degree = torch.tensor([float(mean_degree[n_factors == k].max()) for k in range(1, len(N_MAX) + 1)])
    curves = {}
    print(
        f"{len(train)} structures of copper, mean absolute error of energies of {len(test)} test structures, meV/atom"
    )
    for order in range(1, len(N_MAX) + 1):
        sizes, errors = [], []
        for fraction in FRACTIONS:
            degree_limit = 1 + fraction * (max_degree[n_factors - 1] - 1)
            columns = torch.nonzero((n_factors <= order) & (mean_degree <= degree_limit))[:, 0]
            subsystem = linear_system.select_columns(columns)
            column_rms = torch.linalg.vector_norm(subsystem.R, dim=0) / subsystem.n_rows**0.5
            weights = evidence(subsystem, torch.where(column_rms > 0, column_rms, 1.0)).weights
            residuals = (rows[:, columns] @ weights)[:, 0] - target
            sizes.append(len(columns))
            errors.append(1000 * float((residuals.abs() / n_atoms).mean()))
        curves[f"body order {order + 1}"] = (sizes, errors)
        summary = ", ".join(f"{error:.2f} with {size}" for size, error in zip(sizes, errors, strict=True))
        print(f"  body order {order + 1}: {summary} functions")
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure = line_plot(curves, xlabel="functions", ylabel="error of the energy (meV/atom)", log=True, points=True)
    figure.savefig(FOLDER / "order.png", dpi=200)
    smallest_error = min(np.concatenate([errors for _, errors in curves.values()]))
    print(f"Smallest error: {smallest_error:.2f} meV/atom; plot: {FOLDER / 'order.png'}")


if __name__ == "__main__":
    main()
