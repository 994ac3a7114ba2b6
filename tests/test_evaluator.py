"""Evaluators: a potential, its lazily compiled form and a committee are evaluated in the same way."""

import numpy as np
import pytest
import torch
from helpers import tiny_structures as tiny

from atomgraph import Calculator, Potential
from atomgraph.compiled import LazyCompiled
from atomgraph.errors import ConfigError
from atomgraph.evaluator import Evaluator, UncertaintyEstimator, iter_predict_graphs
from atomgraph.graph import AtomicGraph
from atomgraph.old_names import OldNameWarning


class Committee:
    """The mean of several potentials."""

    def __init__(self, members):
        self.members = members
        first = members[0]
        self.elements, self.cutoff, self.device = first.elements, first.cutoff, first.device
        self.heads, self.head = first.heads, first.head

    def evaluate(self, graph, *, forces=True, stress=True):
        results = [member.evaluate(graph, forces=forces, stress=stress) for member in self.members]
        return {name: torch.stack([result[name] for result in results]).mean(dim=0) for name in results[0]}


class TenthPerAtom(torch.nn.Module):
    """A standard deviation of 0.1 eV for each atom; it is a module, as a committee of models would be."""

    def __init__(self):
        super().__init__()
        self.deviation = torch.nn.Parameter(torch.tensor(0.1, dtype=torch.float64))

    def energy_uncertainty(self, graph):
        return self.deviation.detach() * torch.bincount(graph.graph_of_atom, minlength=graph.n_graphs)


@pytest.fixture
def potential():
    return tiny.potential()


def graphs(potential):
    return [AtomicGraph.from_ase(atoms, potential.cutoff) for atoms in tiny.structures()]


def test_potentials_and_committees_are_evaluators(potential):
    for evaluator in (potential, LazyCompiled(potential), Committee([potential, potential])):
        assert isinstance(evaluator, Evaluator)
    assert not isinstance(potential.model, Evaluator)


def test_a_committee_is_evaluated_in_batches_as_a_potential_is(potential):
    results = iter_predict_graphs(Committee([potential, potential]), graphs(potential), edge_budget=100)
    for result, expected in zip(results, potential.predict(tiny.structures()), strict=True):
        assert result["energy"] == pytest.approx(expected["energy"], rel=1e-12)
        np.testing.assert_allclose(result["forces"], expected["forces"], atol=1e-12)


def test_a_committee_is_a_calculator(potential):
    atoms = tiny.structures()[0].copy()
    atoms.calc = Calculator(Committee([potential, potential]))
    expected = potential.predict([atoms])[0]
    assert atoms.get_potential_energy() == pytest.approx(expected["energy"], rel=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), expected["forces"], atol=1e-12)


@pytest.mark.parametrize("option", [{"dtype": "float32"}, {"device": "cpu"}, {"compile": True}], ids=str)
def test_options_of_potentials_are_refused_for_other_evaluators(potential, option):
    with pytest.raises(ConfigError, match=f"{next(iter(option))}.*Committee"):
        Calculator(Committee([potential]), **option)


def test_compiled_potentials_are_evaluators_and_no_potentials(potential):
    compiled = LazyCompiled(potential)
    assert isinstance(compiled, Evaluator)
    assert not isinstance(compiled, Potential)
    assert compiled.potential is potential


def test_a_potential_without_estimator_has_no_uncertainty(potential):
    assert potential.uncertainty is None
    assert "uncertainty" not in potential.predict(tiny.structures())[0]
    assert "uncertainty" not in Calculator(potential).implemented_properties


def test_an_estimator_that_is_set_adds_uncertainties_and_no_weights(potential):
    weights = list(potential.state_dict())
    potential.uncertainty = TenthPerAtom()
    assert isinstance(potential.uncertainty, UncertaintyEstimator)
    assert list(potential.state_dict()) == weights
    for evaluator in (potential, LazyCompiled(potential)):
        for atoms, result in zip(tiny.structures(), evaluator.predict(tiny.structures()), strict=True):
            assert result["uncertainty"] == pytest.approx(0.1 * len(atoms))
    potential.uncertainty = None
    assert "uncertainty" not in potential.predict(tiny.structures())[0]


def test_old_names_of_methods_work_with_a_warning(potential):
    structures = tiny.structures()
    with pytest.warns(OldNameWarning, match="iter_predict"):
        assert len(list(potential.predictions(structures))) == len(structures)
    with pytest.warns(OldNameWarning, match="iter_predict_graphs"):
        assert len(list(potential.predictions_of(graphs(potential)))) == len(structures)
    with pytest.warns(OldNameWarning, match="evaluate"):
        assert torch.equal(
            potential.evaluated(graphs(potential)[0])["energy"], potential.evaluate(graphs(potential)[0])["energy"]
        )
