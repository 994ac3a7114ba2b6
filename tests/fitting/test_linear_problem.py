"""The linear problem of labelled structures: weights, targets, streaming, solutions."""

from random import Random

import pytest
import torch
from helpers.training_data import frames

from atomgraph import Potential, models
from atomgraph.data import build_graphs, collate
from atomgraph.fitting import (
    EnergyWeight,
    FittingError,
    LinearProblem,
    Noise,
    Sigma,
    SparsePointSelection,
    accumulate,
    choose_sparse_points,
    solve_least_squares,
    solve_sparse_gp,
    streaming,
)
from atomgraph.fitting.solvers.block_qr import BlockQR
from atomgraph.nn.repulsion.zbl import ZBL

CUTOFF = 4.0


def ace(**keywords):
    model = models.ACE(["Ar"], CUTOFF, n_max=(4, 2), l_max=(0, 2), parameters=[(1.0, 1.0)], **keywords)
    return Potential(model).double().eval()


def gap(n_points=6):
    model = models.GAP(["Ar"], CUTOFF, n_points=n_points, n_max=3, l_max=2, pairs={"n_points": 4})
    return Potential(model).double().eval()


def labelled_by(potential, n=10):
    """Graphs whose labels a potential gives."""
    graphs = build_graphs(frames(n), potential.cutoff)
    for graph in graphs:
        result = potential(graph)
        graph.energy, graph.forces = result["energy"], result["forces"]
        graph.energy_mask[:], graph.forces_mask[:] = True, True
        graph.stress, graph.stress_mask = result["stress"].nan_to_num(), result["stress"].isfinite().all(2).all(1)
    return graphs


def randomised(potential):
    unknowns = LinearProblem(potential, Noise()).unknowns
    unknowns.assign(torch.linspace(-1.0, 1.3, unknowns.n, dtype=torch.float64).sin())
    return potential


def test_least_squares_recovers_planted_weights():
    """In predictions: functions of an expansion may be combinations of one another on few structures."""
    truth = randomised(ace(baseline=models.Baseline(["Ar"], repulsion=ZBL(["Ar"]))))
    truth.model.baseline.set_e0({"Ar": -2.0})
    graphs = labelled_by(truth)
    potential = ace(baseline=models.Baseline(["Ar"], repulsion=ZBL(["Ar"])))
    potential.model.baseline.set_e0({"Ar": -2.0})
    problem = LinearProblem(potential, Noise())
    solution = solve_least_squares(problem.unknowns, accumulate(problem, graphs), solver="ridge", strength=1e-9)
    assert solution.facts["rms_of_weighted_residuals"] < 1e-6
    for graph in graphs:
        for key, value in truth(graph).items():
            torch.testing.assert_close(potential(graph)[key], value, rtol=1e-6, atol=1e-7, equal_nan=True)


@pytest.mark.parametrize("method", ["greedy", "cur", "farthest", "random"])
def test_sparse_gp_recovers_planted_process(method):
    truth = gap()
    graphs = build_graphs(frames(10), CUTOFF)
    choose_sparse_points(truth, graphs, SparsePointSelection(method))
    graphs = labelled_by(randomised(truth))
    potential = gap()
    choose_sparse_points(potential, graphs, SparsePointSelection(method))
    problem = LinearProblem(potential, Noise(Sigma(1e-5, 1e-4, 1e-4, "sqrt")))
    solve_sparse_gp(problem.unknowns, accumulate(problem, graphs))
    for graph in graphs:
        torch.testing.assert_close(potential(graph)["forces"], truth(graph)["forces"], rtol=0, atol=2e-4)


def test_sparse_points_are_environments_of_the_structures():
    potential = gap()
    graphs = build_graphs(frames(8), CUTOFF)
    choose_sparse_points(potential, graphs, SparsePointSelection("farthest"))
    every = torch.cat([potential.model.branches[0].features(g, potential.model.edges(g))[0] for g in graphs])
    points = potential.model.branches[0].readouts[0].points[0]
    assert float(torch.cdist(points, every).min(dim=1).values.max()) < 1e-12
    assert len(torch.unique(points.round(decimals=8), dim=0)) == len(points)


def test_result_is_independent_of_blocks_and_of_interruption(tmp_path, monkeypatch):
    potential, graphs = ace(), labelled_by(randomised(ace()))
    whole = accumulate(LinearProblem(potential, Noise()), graphs, edge_budget=10**6)
    small = accumulate(LinearProblem(potential, Noise()), graphs, edge_budget=30)
    torch.testing.assert_close(small.R, whole.R, rtol=1e-9, atol=1e-9)
    monkeypatch.setattr("atomgraph.fitting.streaming.SAVE_EVERY", 0.0)
    file = tmp_path / "block.safetensors"

    def stop(progress):
        if progress.block == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        accumulate(LinearProblem(potential, Noise()), graphs, edge_budget=30, checkpoint=file, on_block=stop)
    seen = []
    resumed = accumulate(
        LinearProblem(potential, Noise()), graphs, edge_budget=30, checkpoint=file, resume=True, on_block=seen.append
    )
    assert torch.equal(resumed.R, small.R) and seen[0].block == 3
    with pytest.raises(
        FittingError, match=r"is a checkpoint of a fit of .* unknowns to 10 structures, but this fit has"
    ):
        accumulate(LinearProblem(potential, Noise()), graphs[:5], checkpoint=file, resume=True)
    file.write_bytes(b"nothing")
    with pytest.raises(FittingError, match="is not a checkpoint of a fit"):
        accumulate(LinearProblem(potential, Noise()), graphs, checkpoint=file, resume=True)


def test_rows_without_label_or_sigma_are_skipped():
    potential, graphs = ace(), build_graphs(frames(4), CUTOFF)  # the fourth is a molecule: no stress
    n_atoms = sum(graph.n_atoms for graph in graphs)
    batch = collate(graphs)
    rows = {
        name: len(LinearProblem(potential, Noise(sigma)).build_rows(batch, 0)[1])
        for name, sigma in {
            "all": Sigma(),
            "no virial": Sigma(virial=None),
            "energies": Sigma(forces=None, virial=None),
        }.items()
    }
    assert rows == {"all": 4 + 3 * n_atoms + 18, "no virial": 4 + 3 * n_atoms, "energies": 4}


def test_row_weights_are_one_over_sigma_by_type_and_number_of_atoms():
    graphs = build_graphs(frames(3), CUTOFF)  # of 1, 2, 3 atoms
    batch = collate(graphs)
    batch.weight = torch.tensor([1.0, 4.0, 1.0], dtype=torch.float64)
    noise = Noise(Sigma(0.1, 0.5, 0.2), {"special": Sigma(0.01, None, 0.2, "sqrt")}, ["x", "x", "special"])
    energy, forces, virial = noise.weights(batch, 0)
    torch.testing.assert_close(energy, torch.tensor([10.0, 10.0, 100.0 / 3**0.5], dtype=torch.float64))
    torch.testing.assert_close(forces, torch.tensor([2.0, 4.0, 4.0, 0.0, 0.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(virial, torch.tensor([5.0, 5.0, 5.0 / 3**0.5], dtype=torch.float64))


def test_energy_weight_formula_and_its_floor():
    cohesive = torch.tensor([-4.0, -3.0, -1.0], dtype=torch.float64)
    weights = EnergyWeight(delta=0.5, omega=2.0).compute(cohesive)
    torch.testing.assert_close(weights, 2.0 / (cohesive + 6.0) ** 2)
    assert float(EnergyWeight(delta=0.5).compute(cohesive).mean()) == pytest.approx(1.0)
    vanishing = EnergyWeight(delta=0.0, omega=1.0, floor=0.1).compute(cohesive)
    assert vanishing.tolist() == pytest.approx([100.0, 1.0, 1.0 / 9.0])
    unbound = EnergyWeight(delta=0.5, omega=1.0, floor=0.1).compute(-cohesive)
    assert bool(torch.isfinite(unbound).all()) and float(unbound.max()) == pytest.approx(100.0)
    with pytest.raises(FittingError, match="an energy weight needs"):
        EnergyWeight(delta=-0.1)


def test_invalid_sigmas_are_refused():
    for wrong in ({"energy": 0.0}, {"forces": -1.0}, {"energy": None, "forces": None, "virial": None}):
        with pytest.raises(FittingError, match="sigma"):
            Sigma(**wrong)


def test_models_with_several_heads_are_refused():
    two = models.GCN(["Ar"], CUTOFF, baseline=models.Baseline(["Ar"], heads=["a", "b"]))
    with pytest.raises(FittingError, match="a closed-form fit has one head, but this model has a, b"):
        LinearProblem(Potential(two), Noise())


def test_ard_removes_weights_and_smoothness_prior_reduces_rough_ones():
    potential, graphs = ace(), build_graphs(frames(12), CUTOFF)
    problem = LinearProblem(potential, Noise())
    reduced = accumulate(problem, graphs)
    every = solve_least_squares(problem.unknowns, reduced, solver="evidence")
    few = solve_least_squares(problem.unknowns, reduced, solver="ard")
    assert few.facts["kept"] < problem.unknowns.n and int((few.solution.weights != 0).sum()) == few.facts["kept"]
    setting = {"solver": "ridge", "strength": 1e-2, "scale_columns": False}
    smooth = solve_least_squares(problem.unknowns, reduced, prior="smoothness", power=3.0, **setting)
    flat = solve_least_squares(problem.unknowns, reduced, **setting)
    rough = potential.model.branches[0].featurizer.degrees()[0].double().norm(dim=1)
    share = [float((rough * s.solution.weights[:, 0]).norm() / s.solution.weights.norm()) for s in (smooth, flat)]
    assert share[0] < share[1] and every.facts["effective_parameters"] <= problem.unknowns.n


def test_flipped_bit_in_checkpoint_is_detected(tmp_path):
    file = tmp_path / "block.safetensors"
    factor = BlockQR(3)
    factor.absorb(torch.arange(12.0, dtype=torch.float64).reshape(4, 3) ** 2, torch.ones(4, dtype=torch.float64))
    streaming._write(file, factor, 2, 1, 5)
    assert streaming._read(file, BlockQR, 3, 5, torch.device("cpu"))[1:] == (2, 1)
    good, random = file.read_bytes(), Random(0)
    for _ in range(100):
        damaged = bytearray(good)
        damaged[random.randrange(len(good))] ^= 1 << random.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(FittingError, match="start the fit again"):
            streaming._read(file, BlockQR, 3, 5, torch.device("cpu"))
