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
N_MAX, L_MAX = (12, 5, 3, 2), (0, 4, 3, 2)  # of functions of one, two, three, four neighbours
SHARES = (0.15, 0.3, 0.6, 1.0)  # how far functions go in n and l, smallest first


def main(every: int = 5) -> None:
    """One pass over the data for the largest expansion; each smaller one is a choice of its columns."""
    train, test = read([f"{DATA / 'train.xyz.gz'}@::{every}"]), read([DATA / "test.xyz.gz"])
    potential = Potential(ACE(["Cu"], cutoff=5.5, n_max=N_MAX, l_max=L_MAX, parameters=[(1.0, 1.0)])).double()
    graphs, unseen = (build_graphs(frames, potential.cutoff) for frames in (train, test))
    potential.model.baseline.set_e0(least_squares_e0(graphs).value)
    problem = LinearProblem(
        potential, Noise(Sigma(energy=0.001, forces=0.05, virial=None, energy_error_scaling="sqrt"))
    )
    reduced = accumulate(problem, graphs)
    batch = collate(unseen)
    rows = design_matrix(problem.unknowns, batch, forces=False, stress=False).energy
    n_atoms = torch.bincount(batch.batch)
    e0 = float(potential.model.baseline.e0[0, 0])
    target = batch.energy - e0 * n_atoms

    degrees = potential.model.branches[0].featurizer.degrees()[0]  # Σn, Σl and factors of each function
    rank, rough = degrees[:, 2], (degrees[:, 0] + degrees[:, 1]) / degrees[:, 2]
    curves = {}
    print(f"{len(train)} structures of copper, energies of {len(test)} others: mean absolute error, meV/atom")
    for order in range(1, len(N_MAX) + 1):
        sizes, errors = [], []
        for share in SHARES:
            highest = torch.tensor([float(rough[rank == k].max()) for k in range(1, len(N_MAX) + 1)])
            kept = torch.nonzero((rank <= order) & (rough <= 1 + share * (highest[rank - 1] - 1)))[:, 0]
            part = reduced.select_columns(kept)
            size = torch.linalg.vector_norm(part.R, dim=0) / part.n_rows**0.5
            weights = evidence(part, torch.where(size > 0, size, 1.0)).weights
            off = (rows[:, kept] @ weights)[:, 0] - target
            sizes.append(len(kept))
            errors.append(1000 * float((off.abs() / n_atoms).mean()))
        curves[f"body order {order + 1}"] = (sizes, errors)
        told = ", ".join(f"{error:.2f} with {size}" for size, error in zip(sizes, errors, strict=True))
        print(f"  body order {order + 1}: {told} functions")
    FOLDER.mkdir(parents=True, exist_ok=True)
    drawing = line_plot(curves, xlabel="functions", ylabel="error of the energy (meV/atom)", log=True, points=True)
    drawing.savefig(FOLDER / "order.png", dpi=200)
    best = min(np.concatenate([errors for _, errors in curves.values()]))
    print(f"The best of them: {best:.2f} meV/atom; the plot: {FOLDER / 'order.png'}")


if __name__ == "__main__":
    main()
