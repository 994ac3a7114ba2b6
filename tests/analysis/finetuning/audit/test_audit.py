"""The audit finds planted errors, and no errors in correct data or with soft models."""

import json

import numpy as np
import pytest
import torch
from helpers import foundation_models as foundation
from helpers import tiny_structures as tiny

from atomgraph import models
from atomgraph.analysis.finetuning.audit import LabelledPredictions, audit, check_names
from atomgraph.analysis.report.page import html_page
from atomgraph.data import build_graphs
from atomgraph.data.checks.findings import NOTE, WARNING, WRONG
from atomgraph.errors import ConfigError, DataError, GraphError
from atomgraph.potential import Potential
from atomgraph.training.randomness import use_seed
from atomgraph.units import ENERGY, FORCE, PRESSURE

ELEMENTS = ("H", "O", "Si")
TRUTH = tiny.potential(ELEMENTS)
START = foundation.starting(TRUTH)


@pytest.fixture(scope="module")
def target():
    return foundation.labelled(foundation.crystals(), TRUTH)


def severities(result):
    return {finding.check: finding.severity for finding in result.findings}


def test_good_data_pass(target):
    result = audit(START, target)
    assert not [f for f in result.findings if f.severity in (WRONG, WARNING)]
    assert min(agreement.min_abs_correlation for agreement in result.agreements.values()) > 0.99
    result.raise_errors()


@pytest.mark.parametrize("name", foundation.FAULTS)
def test_planted_faults_are_named_and_stop_the_run(target, name):
    result = audit(START, foundation.changed(target, **foundation.FAULTS[name]))
    assert severities(result)[name] == WRONG
    others = {check for check, severity in severities(result).items() if severity == WRONG} - {name}
    assert others <= {"stress"}  # the data checks' name for the same
    with pytest.raises(DataError, match=rf"audit: {name}: .*audit\.ignore: \[{name}"):
        result.raise_errors()
    result.raise_errors([name, "stress"])


@pytest.mark.parametrize("unit", ["Hartree", "Ry", "kJ/mol", "meV"])
def test_each_unit_of_energy_is_recognised(target, unit):
    result = audit(START, foundation.changed(target, energy=lambda e, atoms: e / ENERGY[unit]))
    (finding,) = (f for f in result.findings if f.check == "energy unit")
    assert finding.advice == f"set data.units.energy: {unit}"


@pytest.mark.parametrize("unit", ["Hartree/Bohr", "Ry/Bohr", "kcal/mol/Å"])
def test_each_unit_of_forces_is_recognised(target, unit):
    result = audit(START, foundation.changed(target, forces=lambda f: f / FORCE[unit]))
    (finding,) = (f for f in result.findings if f.check == "forces unit")
    assert (finding.severity, finding.advice) == (WRONG, f"set data.units.forces: {unit}")


def test_all_errors_of_a_file_are_found(target):
    def in_kilocalories(e, atoms):
        return e / ENERGY["kcal/mol"]

    stress = {"stress": lambda s: -s / PRESSURE["kbar"]}  # as VASP writes it
    bad = foundation.changed(target, energy=in_kilocalories, forces=lambda f: f / ENERGY["kcal/mol"], **stress)
    assert {"energy unit", "forces unit", "stress unit", "stress sign"} <= severities(audit(START, bad)).keys()


def test_energies_per_atom_are_named():
    water = foundation.labelled(foundation.waters(), TRUTH)
    result = audit(START, foundation.changed(water, energy=lambda e, atoms: e / len(atoms)))
    (finding,) = (f for f in result.findings if f.check == "energy unit")
    assert "eV per atom" in finding.message and "multiply the energies" in finding.advice


@pytest.mark.parametrize("quantity", ["energy", "forces", "stress"])
def test_labels_a_million_times_too_large_stop_the_run(target, quantity):
    change = {
        "energy": {"energy": lambda e, atoms: 1e6 * e},
        "forces": {"forces": lambda f: 1e6 * f},
        "stress": {"stress": lambda s: 1e7 * s},
    }[quantity]
    assert severities(audit(START, foundation.changed(target, **change)))["magnitude"] == WRONG


def test_a_single_impossible_structure_is_named_and_does_not_change_other_findings(target):
    bad = [*foundation.changed(target[:1], forces=lambda f: 1e6 * f), *target[1:]]
    result = audit(START, bad)
    assert [f.check for f in result.findings if f.severity == WRONG] == ["magnitude"]
    assert "frame 0" in result.findings[0].message and result.agreements["forces"].min_abs_correlation > 0.8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["tiny", "GCN", "BehlerParrinello"])
def test_a_model_of_random_weights_raises_no_false_alarm(target, kind, seed):
    with use_seed(seed):
        untrained = tiny.potential(ELEMENTS, seed=100 + seed) if kind == "tiny" else _random(kind)
    result = audit(untrained, target)
    assert WRONG not in severities(result).values()
    assert set(severities(result)) <= {"start", "e0", "magnitude", "forces sign", "energy sign", "stress sign"}


def _random(kind):
    return Potential(getattr(models, kind)(list(ELEMENTS), cutoff=3.5)).eval()


def test_a_model_without_correlation_is_found():
    random = np.random.default_rng(0)
    noise = [
        foundation.with_labels(atoms, -10 + random.standard_normal(), random.standard_normal((3, 3)))
        for atoms in foundation.waters()
    ]
    assert severities(audit(START, noise))["start"] == WARNING


def test_a_softer_model_is_no_error(target):
    soft = foundation.changed(target, forces=lambda f: 1.4 * f, stress=lambda s: 1.3 * s)
    assert WRONG not in severities(audit(START, soft)).values()


@pytest.mark.parametrize("name", foundation.FAULTS)
def test_planted_errors_are_found_with_a_soft_model(target, name):
    hard = foundation.changed(target, energy=lambda e, atoms: 2 * e, forces=lambda f: 2 * f, stress=lambda s: 2 * s)
    assert severities(audit(START, foundation.changed(hard, **foundation.FAULTS[name])))[name] == WRONG


@pytest.mark.parametrize("name", foundation.WRONG_E0)
def test_a_wrong_e0_is_found_stops_a_run_that_keeps_it_and_is_corrected_by_the_shift(target, name):
    plant, named = foundation.WRONG_E0[name]
    more = plant(START.model.baseline.e0_of("default"))
    bad = foundation.changed(target, energy=lambda e, atoms: e + foundation.sums(atoms, more))
    (finding,) = (f for f in audit(START, bad, estimates_e0=False).findings if f.check == "e0")
    assert finding.severity == WRONG and named in finding.message
    shifted = audit(START, bad, estimates_e0=True)
    assert shifted.shift.by_element == pytest.approx({s: more[s] for s in ("O", "Si")}, abs=0.1)
    assert WRONG not in severities(shifted).values()
    corrected = audit(START, bad, e0_change=shifted.shift.by_element, estimates_e0=False)
    assert "e0" not in severities(corrected)


def test_a_doubled_e0_and_labels_without_e0_have_different_messages(target):
    e0 = TRUTH.model.baseline.e0_of("default")
    without = foundation.changed(target, energy=lambda e, atoms: e - foundation.sums(atoms, e0))
    doubled = foundation.changed(target, energy=lambda e, atoms: e + foundation.sums(atoms, e0))
    result = [audit(TRUTH, target, e0_change=e0), audit(TRUTH, without), audit(TRUTH, doubled, e0_change=e0)]
    messages = ["; ".join(finding.message for finding in case.findings if finding.check == "e0") for case in result]
    assert "twice as large in the model as in the labels" in messages[0] and "the labels have none" in messages[1]
    assert messages[2] == ""


def test_one_composition_has_rank_one_with_a_warning_if_others_are_evaluated():
    water = foundation.labelled(foundation.waters(), TRUTH)
    alone, beside = audit(START, water), audit(START, water, other_sets={"test": foundation.crystals(2)})
    assert alone.shift.rank == beside.shift.rank == 1
    assert (severities(alone)["rank"], severities(beside)["rank"]) == (NOTE, WARNING)
    (finding,) = (f for f in beside.findings if f.check == "rank")
    assert "H and O only together as H2O" in finding.message and "O4Si4" in finding.message


def test_a_head_that_fits_better_is_named(target):
    two = tiny.potential(ELEMENTS, heads=("old", "new"))
    with torch.no_grad():
        two.model.branches[0].readouts[0].weight[:, 1] = TRUTH.model.branches[0].readouts[0].weight[:, 0]
        two.model.branches[0].readouts[0].weight[:, 0] *= 0.4
    assert severities(audit(two, target, head="old"))["head"] == WARNING
    assert "head" not in severities(audit(two, target, head="new"))
    assert two.head is None  # as it was


def test_unknown_elements_are_named_before_any_comparison(target):
    with pytest.raises(GraphError, match="unknown elements O"):
        audit(tiny.potential(("H", "Si")), target)


def test_a_shifted_e0_moves_the_evidence_as_it_moves_the_model(target):
    moved = foundation.starting(TRUTH)
    moved.model.baseline.set_e0({"H": -3.0, "O": -4.5, "Si": -5.25})
    change = {"O": -0.5, "Si": -0.25}
    predictions, expected = (
        LabelledPredictions.from_potential(START, target).with_e0_shift(change),
        LabelledPredictions.from_potential(moved, target),
    )
    np.testing.assert_allclose(predictions.energies[1], expected.energies[1], atol=1e-10)


def test_given_graphs_give_the_same_predictions(target):
    graphs = build_graphs(target, START.cutoff)
    predictions, expected = (
        LabelledPredictions.from_potential(START, target, graphs=graphs),
        LabelledPredictions.from_potential(START, target),
    )
    np.testing.assert_allclose(predictions.energies[1], expected.energies[1], rtol=1e-13)
    assert predictions.agreements.keys() == expected.agreements.keys()


def test_names_that_no_finding_has_are_refused():
    with pytest.raises(ConfigError, match="did you mean energy unit"):
        check_names(["energy_unit"])


def test_it_shows_itself_as_text_page_and_json(target):
    result = audit(START, foundation.changed(target, stress=lambda s: -s))
    assert "audit: wrong: stress sign" in result.describe()
    assert "stress sign" in html_page("a", [result.section()])
    json.dumps(result.to_json(), allow_nan=False)
