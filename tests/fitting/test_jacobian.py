"""The Jacobian of each family by central differences: energies, forces and virials with respect to weights and E0."""

import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from atomgraph import Potential
from atomgraph.fitting import FittingError, Noise, Sigma, gauss_newton
from atomgraph.fitting import jacobian as jacobian_module
from atomgraph.fitting.jacobian import ResidualJacobian
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models import ACE, GCN, MACE, SNAP, BehlerParrinello

MODELS = {
    "GCN": lambda: GCN(["H", "O"], 3.0, channels=4, n_layers=2, n_radial=3, readout_hidden=[4]),
    "BehlerParrinello": lambda: BehlerParrinello(["H", "O"], 3.0, readout_hidden=[4]),
    "ACE": lambda: ACE(["H", "O"], 3.0, n_max=[3, 2], l_max=[0, 1]),
    "SNAP": lambda: SNAP(["H", "O"], 3.0, twojmax=2),
    "MACE": lambda: MACE(["H", "O"], 3.0, hidden_irreps="3x0e+3x1o", l_max=2, order=2, radial={"n_radial": 3}),
}


def labelled(atoms, seed):
    """Labels that no model knows."""
    built = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=built, dtype=torch.float64).numpy()  # noqa: E731
    stress = {"stress": draw(6)} if atoms.pbc.any() else {}
    atoms.calc = SinglePointCalculator(atoms, energy=float(draw(1)[0]), forces=draw(len(atoms), 3), **stress)
    return atoms


def structures(potential):
    ice = bulk("O", "sc", a=2.4) * (2, 1, 1)
    ice.symbols[1] = "H"
    ice.rattle(0.1, seed=1)
    graphs = [
        AtomicGraph.from_ase(labelled(atoms, i), potential.cutoff) for i, atoms in enumerate([molecule("H2O"), ice])
    ]
    for graph in graphs:
        graph.head = torch.zeros_like(graph.head)
    return graphs


def potential_of(kind):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Potential(MODELS[kind]()).double()


@pytest.mark.parametrize("kind", MODELS)
def test_jacobian_matches_differences_of_residuals(kind, monkeypatch):
    monkeypatch.setattr(jacobian_module, "MAX_ROWS_PER_PASS", 5)  # several sweeps, and rows left for the last
    potential = potential_of(kind)
    graphs = structures(potential)
    jacobian = ResidualJacobian(potential, Noise(Sigma()), "default")
    assert jacobian.n == sum(p.numel() for p in potential.model.parameters()) + 2
    place, h = jacobian.parameters, 1e-5
    for number, graph in enumerate(graphs):
        gradients, residuals = jacobian.rows(graph, number)
        assert (
            gradients.shape
            == (jacobian.n_rows([graph]), jacobian.n)
            == (1 + 3 * graph.n_atoms + 6 * number, jacobian.n)
        )
        torch.testing.assert_close(jacobian.residuals(graph, number), residuals)
        direction = torch.randn(jacobian.n, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
        there = []
        for sign in (1, -1):
            jacobian.set_parameters(place + sign * h * direction)
            there.append(jacobian.residuals(graph, number))
        jacobian.set_parameters(place)
        along = (there[1] - there[0]) / (2 * h)
        torch.testing.assert_close(along, gradients @ direction, rtol=1e-6, atol=1e-6 * float(along.abs().max()))
    assert torch.equal(jacobian.parameters, place)


def test_a_linear_model_is_solved_in_one_step():
    """Its residuals are linear, so a step with hardly any damping ends where no change of the weights is an improvement."""
    potential = potential_of("SNAP")
    waters = [labelled(molecule("H2O"), seed) for seed in range(40)]
    for seed, atoms in enumerate(waters):
        labels = atoms.calc.results
        atoms.rattle(0.1, seed=seed)
        atoms.calc = SinglePointCalculator(atoms, **labels)
    graphs = [AtomicGraph.from_ase(atoms, potential.cutoff) for atoms in waters]
    for graph in graphs:
        graph.head = torch.zeros_like(graph.head)
    jacobian = ResidualJacobian(potential, Noise(), "default")

    def gradient():
        rows = [jacobian.rows(graph, 0) for graph in graphs]
        return sum(gradients.T @ residuals for gradients, residuals in rows)

    before = gradient()
    fit_result = gauss_newton(potential, graphs, Noise(), head="default", steps=1, damping=1e-13)
    assert fit_result.best == 1
    assert float(gradient().abs().max()) < 1e-6 * float(before.abs().max())


def test_weights_of_the_best_step_in_validation_are_kept():
    potential = potential_of("GCN")
    graphs = structures(potential)
    steps = []
    before = ResidualJacobian(potential, Noise(), "default").parameters
    fit_result = gauss_newton(
        potential, graphs[:1], Noise(), head="default", valid=graphs[1:], steps=6, on_step=steps.append
    )
    assert steps == fit_result.steps
    train = [step.train for step in steps]
    assert train == sorted(train, reverse=True)
    jacobian = ResidualJacobian(potential, Noise(), "default")
    result = float(jacobian.residuals(graphs[1], 0).square().mean())
    if fit_result.best:
        assert result == pytest.approx(min(step.valid for step in steps))
    else:
        assert torch.equal(jacobian.parameters, before) and result <= min(step.valid for step in steps)


def test_fits_without_weights_memory_or_float64_are_refused():
    potential = potential_of("GCN")
    graphs = structures(potential)
    with pytest.raises(FittingError, match=r"17 energies .* take fewer structures"):
        gauss_newton(potential, graphs, Noise(Sigma(virial=None)), head="default", memory=1e-9)
    with pytest.raises(FittingError, match="float64"):
        gauss_newton(potential.float(), graphs, Noise(), head="default")
    potential.double().requires_grad_(False)
    with pytest.raises(FittingError, match="no weights to train"):
        gauss_newton(potential, graphs, Noise(), head="default")
