"""E0 for new labels: what each policy adds, and that planted faults of the starting model's E0 are repaired."""

import ase
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from helpers import foundation_models as foundation
from helpers import tiny_structures as tiny

from atomgraph.analysis.finetuning.audit import LabelledPredictions
from atomgraph.errors import ConfigError, DataError
from atomgraph.fitting.e0 import compute_e0_change

TRUTH = tiny.potential(("H", "O", "Si"))
E0 = dict(zip(TRUTH.elements, TRUTH.model.baseline.e0[0].tolist(), strict=True))


@pytest.fixture(scope="module")
def target():
    return foundation.labelled(foundation.crystals(), TRUTH)


def start_with(e0):
    model = foundation.starting(TRUTH)
    model.model.baseline.set_e0(e0)
    return model


def errors(potential, frames):
    label, predicted = LabelledPredictions.from_potential(potential, frames).energies
    sizes = np.array([len(atoms) for atoms in frames])
    return float(np.sqrt((((label - predicted) / sizes) ** 2).mean()))


WRONG_E0 = {
    "one element off by 1 eV": E0 | {"O": E0["O"] + 1.0},
    "doubled": {symbol: 2 * value for symbol, value in E0.items()},
    "from another code": {"H": -13.6, "O": -2041.0, "Si": -7880.0},
}


@pytest.mark.parametrize("name", WRONG_E0)
def test_estimate_recovers_planted_shifts(target, name):
    start = start_with(WRONG_E0[name])
    evidence = LabelledPredictions.from_potential(start, target)
    before = errors(start, target)
    change = compute_e0_change(start, evidence, "default", "estimate")
    change.apply(start)
    assert before > 0.2 and errors(start, target) == pytest.approx(change.shift.rms_after, rel=1e-6)
    assert change.shift.rms_after < 0.02
    result = dict(zip(start.elements, start.model.baseline.e0[0].tolist(), strict=True))
    assert result["O"] == pytest.approx(E0["O"], abs=0.1) and result["Si"] == pytest.approx(E0["Si"], abs=0.1)
    assert result["H"] == WRONG_E0[name]["H"]  # no structure holds it
    assert start.metadata["e0_shift"]["default"]["n_structures"] == len(target)


def test_estimate_for_one_composition_has_minimum_norm():
    water = foundation.labelled(foundation.waters(), TRUTH)
    start = start_with({symbol: 2 * value for symbol, value in E0.items()})
    change = compute_e0_change(start, LabelledPredictions.from_potential(start, water), "default", "estimate")
    assert change.by_element["H"] == pytest.approx(2 * change.by_element["O"])
    change.apply(start)
    assert errors(start, water) == pytest.approx(change.shift.rms_after, rel=1e-6)


def test_only_the_chosen_head_changes(target):
    two = tiny.potential(("H", "O", "Si"), heads=("old", "new"))
    before = two.model.baseline.e0.clone()
    compute_e0_change(two, LabelledPredictions.from_potential(two, target, "new"), "new", "estimate").apply(two)
    assert (two.model.baseline.e0[0] == before[0]).all() and not (two.model.baseline.e0[1] == before[1]).all()


def test_predictions_of_isolated_atoms_equal_their_labels(target):
    start = foundation.starting(TRUTH)
    atoms = [_atom("O", -20.0), _atom("Si", -30.0)]
    change = compute_e0_change(
        start, LabelledPredictions.from_potential(start, [*target, *atoms]), "default", "isolated"
    )
    change.apply(start)
    assert [result["energy"] for result in start.predict(atoms)] == pytest.approx([-20.0, -30.0])
    with pytest.raises(DataError, match="no isolated atom with an energy for Si"):
        compute_e0_change(start, LabelledPredictions.from_potential(start, [*target, atoms[0]]), "default", "isolated")
    with pytest.raises(DataError, match=r"isolated O atoms differ by 0\.5"):
        compute_e0_change(
            start,
            LabelledPredictions.from_potential(start, [*target, *atoms, _atom("O", -20.5)]),
            "default",
            "isolated",
        )


def test_energies_by_element_become_e0(target):
    start = foundation.starting(TRUTH)
    evidence = LabelledPredictions.from_potential(start, target)
    compute_e0_change(start, evidence, "default", {"O": -8.0, "Si": -9.0}).apply(start)
    assert start.model.baseline.e0[0].tolist() == pytest.approx([E0["H"], -8.0, -9.0])
    with pytest.raises(ConfigError, match="e0 lacks Si"):
        compute_e0_change(start, evidence, "default", {"O": -8.0})
    with pytest.raises(ConfigError, match="e0 names Au"):
        compute_e0_change(start, evidence, "default", {"O": -8.0, "Si": -9.0, "Au": -1.0})


def test_foundation_keeps_e0_and_unknown_policies_are_refused(target):
    start = foundation.starting(TRUTH)
    evidence = LabelledPredictions.from_potential(start, target)
    assert compute_e0_change(start, evidence, "default", "foundation").by_element == {}
    with pytest.raises(ConfigError, match="but is 'average'"):
        compute_e0_change(start, evidence, "default", "average")


def _atom(symbol, energy):
    atoms = ase.Atoms(symbol)
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    return atoms
