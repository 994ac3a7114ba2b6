"""The laws of whole models: those of ``atomgraph verify``, and what training and saving ask for."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from atomgraph.analysis.laws import LAWS
from atomgraph.analysis.laws.context import NOT_TRIED, LawContext
from atomgraph.analysis.laws.locality import isolated_atoms_have_e0
from atomgraph.editing import pin_isolated
from atomgraph.loading import load
from atomgraph.nn.part import build, to_spec
from atomgraph.potential import Potential
from atomgraph.testing.graphs import crystal, generator, graph_of, molecule, sample_structures
from atomgraph.testing.measures import constructed, generic


def pinned(potential):
    """The same potential and head with isolated atoms at exactly E0."""
    head, potential = potential.head, pin_isolated(potential)
    potential.head = head
    return potential


class ModelLaws:
    """Inherit and give ``model()``, an EnergyModel of ``ELEMENTS``."""

    def model(self):
        raise NotImplementedError

    @pytest.fixture
    def potential(self):
        return self.ready()

    def ready(self):
        """The model's potential in float64, away from where it starts, with energies of atoms, calibrated."""
        model = generic(constructed(self.model)).double()
        with torch.no_grad():
            model.baseline.e0 += torch.randn(model.baseline.e0.shape, generator=generator(2), dtype=torch.float64)
        model.calibrate([graph_of(crystal(), model.cutoff), graph_of(molecule(), model.cutoff)])
        potential = Potential(model).eval()
        potential.head = potential.heads[-1]
        return potential

    @pytest.mark.parametrize("first", LAWS, ids=lambda first: first.__name__)
    def test_law(self, potential, first):
        law = first(LawContext(potential))
        assert law.passed, law

    def test_forces_have_a_size_that_the_bars_mean_something_for(self, potential):
        """Bars are absolute: forces of a model under the laws are neither nothing nor thousands of eV/Å."""
        largest = [np.abs(result["forces"]).max() for result in potential.predict(list(sample_structures().values()))]
        assert min(largest) > 1e-5 and max(largest) < 1e3, largest

    def test_training_derivatives_are_derivatives_twice_over(self, potential):
        """Gradients with respect to positions and parameters together, so forces may stand in a loss."""
        model, graph = potential.model, graph_of(molecule(n_atoms=3, seed=6), potential.cutoff)
        graph.head = torch.tensor([len(potential.heads) - 1])
        step = {
            name: torch.randn(p.shape, generator=generator(8), dtype=torch.float64)
            for name, p in model.named_parameters()
        }

        def energy(pos, along):
            moved = graph.shallow_copy()
            moved.pos = pos
            parameters = {name: p + along * step[name] for name, p in model.named_parameters()}
            return torch.func.functional_call(model, parameters, (moved,)).sum()

        inputs = (graph.pos.clone().requires_grad_(True), torch.zeros((), dtype=torch.float64, requires_grad=True))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            assert torch.autograd.gradcheck(energy, inputs, atol=1e-5, rtol=1e-4)
            assert torch.autograd.gradgradcheck(energy, inputs, atol=1e-5, rtol=1e-4)

    def test_isolated_atoms_keep_exactly_e0_whatever_the_weights_become(self, potential, tmp_path):
        potential = pinned(potential)
        with torch.no_grad():
            for name, weight in potential.model.named_parameters():
                weight += 0.2 * torch.randn(weight.shape, generator=generator(len(name)), dtype=weight.dtype)
        potential.save(tmp_path / "model.safetensors")
        loaded = load(tmp_path / "model.safetensors", head=potential.head)
        single = deepcopy(potential).to(torch.float32)
        for each in (potential, loaded, single):
            law = isolated_atoms_have_e0(LawContext(each))
            assert law.passed and law.detail != NOT_TRIED, law

    def test_pinning_isolated_atoms_changes_no_prediction(self, potential):
        structures = list(sample_structures().values())
        before, after = potential.predict(structures), pinned(potential).predict(structures)
        for old, new in zip(before, after, strict=True):
            assert new["energy"] == pytest.approx(old["energy"], abs=1e-9)
            assert np.array_equal(new["forces"], old["forces"])

    def test_training_differentiates_the_energy_of_isolated_atoms(self, potential):
        """The derivative with respect to the weights against central differences, in training mode."""
        potential = pinned(potential).train()
        graph = graph_of(molecule(n_atoms=3, seed=6), potential.cutoff)
        graph.head = torch.tensor([len(potential.heads) - 1])
        weights = list(potential.model.parameters())
        steps = [torch.randn(w.shape, generator=generator(k), dtype=torch.float64) for k, w in enumerate(weights)]
        energy = potential(graph, forces=False, stress=False)["energy"].sum()
        gradients = torch.autograd.grad(energy, weights, materialize_grads=True, allow_unused=True)
        along = sum(float((g * s).sum()) for g, s in zip(gradients, steps, strict=True))

        def moved(length):
            with torch.no_grad():
                for weight, step in zip(weights, steps, strict=True):
                    weight += length * step
                value = float(potential(graph, forces=False, stress=False)["energy"].sum())
                for weight, step in zip(weights, steps, strict=True):
                    weight -= length * step
            return value

        numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
        assert along == pytest.approx(numeric, rel=1e-5, abs=1e-6)

    def test_written_and_built_again_gives_the_same_numbers(self, potential):
        again = Potential(constructed(lambda: build(to_spec(potential.model)))).double().eval()
        again.load_state_dict(potential.state_dict())
        again.head = potential.head
        for first, second in zip(again.predict([crystal()]), potential.predict([crystal()]), strict=True):
            assert all(np.array_equal(first[name], second[name]) for name in second)
