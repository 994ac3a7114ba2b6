"""The laws of whole models: those of ``atomgraph verify``, and what training and saving ask for."""

import numpy as np
import pytest
import torch
from measures import generic, made
from structures import crystal, generator, graph_of, molecule, specimens

from atomgraph.analysis.laws import LAWS
from atomgraph.analysis.laws.trial import Trial
from atomgraph.nn.part import build, specification
from atomgraph.potential import Potential


class ModelLaws:
    """Inherit and give ``model()``, an EnergyModel of ``ELEMENTS``."""

    def model(self):
        raise NotImplementedError

    @pytest.fixture
    def potential(self):
        return self.ready()

    def ready(self):
        """The model's potential in float64, away from where it starts, with energies of atoms, calibrated."""
        model = generic(made(self.model)).double()
        with torch.no_grad():
            model.baseline.e0 += torch.randn(model.baseline.e0.shape, generator=generator(2), dtype=torch.float64)
        model.calibrate([graph_of(crystal(), model.cutoff), graph_of(molecule(), model.cutoff)])
        potential = Potential(model).eval()
        potential.head = potential.heads[-1]
        return potential

    @pytest.mark.parametrize("one", LAWS, ids=lambda one: one.__name__)
    def test_law(self, potential, one):
        law = one(Trial(potential))
        assert law.passed, law

    def test_forces_have_a_size_that_the_bars_mean_something_for(self, potential):
        """Bars are absolute: forces of a model under the laws are neither nothing nor thousands of eV/Å."""
        largest = [np.abs(result["forces"]).max() for result in potential.predict(list(specimens().values()))]
        assert min(largest) > 1e-5 and max(largest) < 1e3, largest

    def test_training_derivatives_are_derivatives_twice_over(self, potential):
        """Slopes with respect to positions and parameters together, so forces may stand in a loss."""
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

    def test_written_and_built_again_gives_the_same_numbers(self, potential):
        again = Potential(made(lambda: build(specification(potential.model)))).double().eval()
        again.load_state_dict(potential.state_dict())
        again.head = potential.head
        for one, other in zip(again.predict([crystal()]), potential.predict([crystal()]), strict=True):
            assert all(np.array_equal(one[name], other[name]) for name in other)
