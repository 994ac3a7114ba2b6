"""Uncertainty of energies: as large as errors are, larger far from the data, the same from the file."""

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

import atomgraph
from atomgraph import AtomicGraph, Calculator, Potential
from atomgraph.featurizers import RadialDensity
from atomgraph.fitting import LinearProblem, Noise, Sigma, accumulate, add_uncertainty, solve_least_squares
from atomgraph.models import Branch, EnergyModel
from atomgraph.readouts import Linear, MultiHeadMLP

NOISE = 0.02  # eV of each energy label


def linear():
    density = RadialDensity(["Si", "O"], 4.0, n_radial=6)
    readout = Linear(density.irreps_out)
    return Potential(EnergyModel(["Si", "O"], Branch(4.0, density, [], [readout]))).to(torch.float64).eval()


def frames(n, seed, amplitude=0.15):
    random, result = np.random.default_rng(seed), []
    for number in range(n):
        atoms = bulk("SiO", "zincblende", a=4.6) * (1, 1, 1 + number % 2)
        atoms.positions += amplitude * random.standard_normal((len(atoms), 3))
        result.append(atoms)
    return result


def labelled(structures, truth, seed):
    random, graphs = np.random.default_rng(seed), []
    for atoms, result in zip(structures, truth.predict(structures), strict=True):
        energy = result["energy"] + NOISE * random.standard_normal()
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        graphs.append(AtomicGraph.from_ase(atoms, 4.0))
    return graphs


@pytest.fixture(scope="module")
def fitted():
    truth, potential = linear(), linear()
    train, valid = (labelled(frames(n, seed), truth, seed) for n, seed in ((60, 1), (200, 2)))
    problem = LinearProblem(
        potential, Noise(Sigma(energy=NOISE, forces=None, virial=None, energy_error_scaling="sqrt")), keep_weights=True
    )
    solution = solve_least_squares(problem.unknowns, accumulate(problem, train), solver="ridge", strength=1e-6)
    facts = add_uncertainty(potential, solution.solution, valid)
    return truth, potential, facts


def test_uncertainty_equals_size_of_errors_of_new_structures(fitted):
    truth, potential, facts = fitted
    new = frames(200, 3)
    known, result = truth.predict(new), potential.predict(new)
    z = np.array([(a["energy"] - b["energy"]) / b["uncertainty"] for a, b in zip(known, result, strict=True)])
    assert facts["calibrated_on"] == 200
    uncalibrated = np.sqrt((z**2).mean()) * facts["calibration"]  # the factor holds the noise of labels, too
    assert uncalibrated == pytest.approx(1.0, abs=0.4)


def test_calibration_makes_held_out_errors_of_unit_size(fitted):
    truth, potential, _ = fitted
    again = labelled(frames(200, 2), truth, 2)
    errors = [(float(g.energy[0]), potential.evaluate(g, forces=False, stress=False)) for g in again]
    z = np.array([(label - float(result["energy"])) / float(result["uncertainty"]) for label, result in errors])
    assert np.sqrt((z**2).mean()) == pytest.approx(1.0, rel=1e-9)


def test_uncertainty_increases_with_distance_from_the_data(fitted):
    _, potential, _ = fitted
    near = np.mean([result["uncertainty"] for result in potential.predict(frames(10, 4))])
    far = np.mean([result["uncertainty"] for result in potential.predict(frames(10, 4, amplitude=0.6))])
    assert far > 2 * near


def test_file_and_calculator_have_uncertainty(fitted, tmp_path):
    _, potential, _ = fitted
    potential.save(tmp_path / "sure.safetensors")
    again = atomgraph.load(tmp_path / "sure.safetensors")
    atoms = frames(1, 5)[0]
    expected = potential.predict([atoms])[0]["uncertainty"]
    assert again.predict([atoms])[0]["uncertainty"] == expected > 0
    atoms.calc = Calculator(again)
    assert atoms.calc.get_property("uncertainty", atoms) == pytest.approx(expected, rel=1e-12)


def test_unfitted_potentials_have_no_uncertainty():
    atoms = frames(1, 5)[0]
    assert "uncertainty" not in linear().predict([atoms])[0]
    assert "uncertainty" not in Calculator(linear()).implemented_properties


def test_keep_weights_adds_the_correction_to_current_weights():
    """A readout whose last layer is solved for keeps its hidden one; a target that fits already changes nothing."""
    density = RadialDensity(["Si", "O"], 4.0, n_radial=6)
    branch = Branch(4.0, density, [], [MultiHeadMLP(density.irreps_out, readout_hidden=3)])
    potential = Potential(EnergyModel(["Si", "O"], branch)).to(torch.float64).eval()
    graphs = labelled(frames(30, 1), potential, 1)
    for graph, result in zip(graphs, potential.predict(frames(30, 1)), strict=True):
        graph.energy[0] = result["energy"]
    before = {name: value.clone() for name, value in potential.state_dict().items()}
    problem = LinearProblem(potential, Noise(Sigma(energy=NOISE, forces=None, virial=None)), keep_weights=True)
    reduced = accumulate(problem, graphs)
    problem.unknowns.assign(torch.zeros(problem.unknowns.n, dtype=torch.float64))
    torch.testing.assert_close(potential.state_dict(), before, rtol=0, atol=0)
    assert float(reduced.target_square) < 1e-16
    problem.unknowns.assign(torch.ones(problem.unknowns.n, dtype=torch.float64))
    readout = potential.model.branches[0].readouts[0]
    torch.testing.assert_close(readout.last, before["model.branches.0.readouts.0.last"] + 1.0)
    torch.testing.assert_close(readout.first, before["model.branches.0.readouts.0.first"], rtol=0, atol=0)
