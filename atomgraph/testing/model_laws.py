"""Tests to inherit for models: physical laws, derivatives of training, isolated atoms, and saving."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from atomgraph.analysis.laws import LAWS
from atomgraph.analysis.laws.context import NOT_TRIED, LawContext
from atomgraph.analysis.laws.locality import isolated_atoms_have_e0
from atomgraph.editing import pin_isolated
from atomgraph.loading import load
from atomgraph.models.call_with_weights import call_with_weights
from atomgraph.nn.part import build, to_spec
from atomgraph.old_names import warn_old_name
from atomgraph.potential import Potential
from atomgraph.testing.graphs import crystal, generator, make_graph, molecule, sample_structures
from atomgraph.testing.measures import construct, randomise


def with_exact_e0(potential):
    """Return a potential whose isolated atoms have exactly the energy E0, with the same chosen head."""
    exact = pin_isolated(potential)
    exact.head = potential.head
    return exact


class ModelLaws:
    """Tests of an energy model. Inherit from this class and define ``model``."""

    def model(self):
        """Return a new ``EnergyModel`` for the elements ``ELEMENTS``."""
        raise NotImplementedError

    @pytest.fixture
    def potential(self):
        return self.prepare()

    def prepare(self):
        """Return a calibrated potential in float64 with random parameters and random E0; the last head is chosen."""
        model = randomise(construct(self.model)).double()
        with torch.no_grad():
            model.baseline.e0 += torch.randn(model.baseline.e0.shape, generator=generator(2), dtype=torch.float64)
        model.calibrate([make_graph(crystal(), model.cutoff), make_graph(molecule(), model.cutoff)])
        potential = Potential(model).eval()
        potential.head = potential.heads[-1]
        return potential

    def ready(self):
        """``prepare`` under its old name."""
        warn_old_name("ready", "prepare")
        return self.prepare()

    @pytest.mark.parametrize("test", LAWS, ids=lambda test: test.__name__)
    def test_law(self, potential, test):
        law = test(LawContext(potential))
        assert law.passed, law

    def test_forces_are_neither_tiny_nor_huge(self, potential):
        """Tolerances of the laws are absolute, so they are useful only for forces of about 1 eV/Å."""
        largest = [np.abs(result["forces"]).max() for result in potential.predict(list(sample_structures().values()))]
        assert min(largest) > 1e-5 and max(largest) < 1e3, largest

    def test_first_and_second_derivatives_match_finite_differences(self, potential):
        """Derivatives with respect to positions and parameters are needed for a loss of forces."""
        model, graph = potential.model, make_graph(molecule(n_atoms=3, seed=6), potential.cutoff)
        graph.head = torch.tensor([len(potential.heads) - 1])
        direction = {  # in the space of the parameters
            name: torch.randn(p.shape, generator=generator(8), dtype=torch.float64)
            for name, p in model.named_parameters()
        }

        def energy(pos, scale):
            displaced = graph.shallow_copy()
            displaced.pos = pos
            parameters = {name: p + scale * direction[name] for name, p in model.named_parameters()}
            return call_with_weights(model, parameters, (displaced,)).sum()

        inputs = (graph.pos.clone().requires_grad_(True), torch.zeros((), dtype=torch.float64, requires_grad=True))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            assert torch.autograd.gradcheck(energy, inputs, atol=1e-5, rtol=1e-4)
            assert torch.autograd.gradgradcheck(energy, inputs, atol=1e-5, rtol=1e-4)

    def test_isolated_atoms_have_exactly_e0_for_all_weights(self, potential, tmp_path):
        potential = with_exact_e0(potential)
        with torch.no_grad():
            for name, weight in potential.model.named_parameters():
                weight += 0.2 * torch.randn(weight.shape, generator=generator(len(name)), dtype=weight.dtype)
        potential.save(tmp_path / "model.safetensors")
        loaded = load(tmp_path / "model.safetensors", head=potential.head)
        single_precision = deepcopy(potential).to(torch.float32)
        for candidate in (potential, loaded, single_precision):
            law = isolated_atoms_have_e0(LawContext(candidate))
            assert law.passed and law.detail != NOT_TRIED, law

    def test_exact_e0_of_isolated_atoms_changes_no_prediction(self, potential):
        structures = list(sample_structures().values())
        results, exact_results = potential.predict(structures), with_exact_e0(potential).predict(structures)
        for result, exact_result in zip(results, exact_results, strict=True):
            assert exact_result["energy"] == pytest.approx(result["energy"], abs=1e-9)
            assert np.array_equal(exact_result["forces"], result["forces"])

    def test_training_differentiates_the_energy_of_isolated_atoms(self, potential):
        """Derivatives with respect to the weights match central differences, in training mode."""
        potential = with_exact_e0(potential).train()
        graph = make_graph(molecule(n_atoms=3, seed=6), potential.cutoff)
        graph.head = torch.tensor([len(potential.heads) - 1])
        weights = list(potential.model.parameters())
        steps = [torch.randn(w.shape, generator=generator(k), dtype=torch.float64) for k, w in enumerate(weights)]
        energy = potential(graph, forces=False, stress=False)["energy"].sum()
        gradients = torch.autograd.grad(energy, weights, materialize_grads=True, allow_unused=True)
        directional_derivative = sum(float((g * s).sum()) for g, s in zip(gradients, steps, strict=True))

        def energy_at(step_size):
            with torch.no_grad():
                for weight, step in zip(weights, steps, strict=True):
                    weight += step_size * step
                value = float(potential(graph, forces=False, stress=False)["energy"].sum())
                for weight, step in zip(weights, steps, strict=True):
                    weight -= step_size * step
            return value

        numeric = (energy_at(1e-5) - energy_at(-1e-5)) / 2e-5
        assert directional_derivative == pytest.approx(numeric, rel=1e-5, abs=1e-6)

    def test_model_from_its_spec_gives_equal_results(self, potential):
        copy = Potential(construct(lambda: build(to_spec(potential.model)))).double().eval()
        copy.load_state_dict(potential.state_dict())
        copy.head = potential.head
        (copy_result,), (result,) = copy.predict([crystal()]), potential.predict([crystal()])
        assert all(np.array_equal(copy_result[name], result[name]) for name in result)
