"""The report card contains gains, losses, and settings without effect."""

import json
from copy import deepcopy

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk
from helpers import foundation_models as foundation
from helpers import tiny_structures as tiny
from helpers.morse import morse_potential

from atomgraph.analysis.finetuning.report_card import CheckedSettings, report_card
from atomgraph.analysis.finetuning.report_card.copy_with_head import copy_with_head
from atomgraph.analysis.finetuning.report_card.crystal_curves import choose_crystal, compute_crystal_curves
from atomgraph.analysis.finetuning.report_card.dimers import DimerCurve, dimer_curves
from atomgraph.analysis.finetuning.report_card.isolated_atoms import compare_isolated_atoms
from atomgraph.analysis.finetuning.report_card.remarks import outcome_remarks, settings_remarks, weight_remarks
from atomgraph.analysis.finetuning.report_card.retention import measure_retention
from atomgraph.analysis.finetuning.report_card.weight_change import weight_changes
from atomgraph.analysis.report.page import html_page

ELEMENTS = ("H", "O", "Si")
TRUTH = tiny.potential(ELEMENTS)
START = foundation.starting(TRUTH, off=0.2)
TUNED = foundation.starting(TRUTH, off=0.02)


@pytest.fixture(scope="module")
def target():
    return foundation.labelled(foundation.crystals(6), TRUTH)


@pytest.fixture(scope="module")
def card(target):
    probe = foundation.labelled(foundation.waters(4), START)
    return report_card(START, TUNED, {"test": target}, head="default", probe=probe, probe_name="waters", steps=10)


def test_target_errors_are_those_of_the_labels(card, target):
    forces = [
        np.abs(p["forces"] - atoms.calc.results["forces"])
        for atoms, p in zip(target, START.predict(target), strict=True)
    ]
    record = card.to_json()["target"]["test"]
    assert record["before"]["all"]["forces"]["mae"] == pytest.approx(np.concatenate(forces).mean())
    assert record["ratio"]["forces"] < 0.3
    assert set(record["after"]["config_types"]) == {"oxide", "silicon"}


def test_a_probe_labelled_by_the_starting_model_has_no_error_before(card):
    record = card.to_json()["retention"]
    assert record["before"]["all"]["forces"]["mae"] < 1e-12 < record["after"]["all"]["forces"]["mae"]
    assert record["by_itself"]["forces"] == pytest.approx(record["after"]["all"]["forces"]["mae"])


def test_another_e0_does_not_change_retention():
    moved_e0 = deepcopy(START)
    moved_e0.model.baseline.e0 -= 7.0
    with_source_e0 = copy_with_head(moved_e0, "default", START.model.baseline.e0_of("default"))
    assert measure_retention(START, with_source_e0, foundation.waters(3), "waters").prediction_change == {
        "energy": 0.0,
        "forces": 0.0,
    }


def test_the_card_gives_a_page_a_table_and_json(card):
    assert "Report card" in html_page("a", [card.section()])
    assert any("dimers" in row[0] for row in card.table().rows)
    json.dumps(card.to_json(), allow_nan=False)


def test_dimers_run_over_all_pairs_from_a_third_of_an_angstrom_to_the_cutoff():
    curves = dimer_curves(START, TUNED, ELEMENTS)
    assert [c.pair for c in curves] == [("H", "H"), ("H", "O"), ("H", "Si"), ("O", "O"), ("O", "Si"), ("Si", "Si")]
    assert (curves[0].distance[0], curves[0].distance[-1]) == (0.3, START.cutoff)
    assert all(abs(c.before[-1]) < 1e-12 for c in curves)  # beyond the cutoff atoms are free
    two = START.predict([ase.Atoms("HO", [[0, 0, 0], [0, 0, 0.3]]), ase.Atoms("H"), ase.Atoms("O")], stress=False)
    assert curves[1].before[0] == pytest.approx(two[0]["energy"] - two[1]["energy"] - two[2]["energy"])


def test_many_pairs_are_predicted_in_batches_without_forces(monkeypatch):
    seen = []
    original = type(START).iter_predict
    monkeypatch.setattr(
        type(START),
        "iter_predict",
        lambda self, frames, **o: seen.append((len(frames), o)) or original(self, frames, **o),
    )
    whole = dimer_curves(START, START, ELEMENTS)
    monkeypatch.setattr("atomgraph.analysis.finetuning.report_card.dimers.PAIRS_PER_BATCH", 2)
    parts = dimer_curves(START, START, ELEMENTS)
    assert max(n for n, _ in seen[4:]) == 2 * len(whole[0].distance)
    assert all(options == {"forces": False, "stress": False} for _, options in seen)
    for first, second in zip(whole, parts, strict=True):
        np.testing.assert_allclose(first.before, second.before, atol=1e-12)


def test_a_hole_in_the_core_gives_a_remark():
    r = np.linspace(0.3, 5.0, 60)
    wall, hole = 20 * np.exp(-2 * r), 20 * np.exp(-2 * r) - 40 * np.exp(-((r - 0.3) ** 2) / 0.05)
    curve = DimerCurve(("Si", "Si"), r, wall, hole)
    assert curve.has_hole == (False, True) and DimerCurve(("Si", "Si"), r, wall, wall).has_hole == (False, False)
    assert any("Si–Si falls into the core" in remark for remark in outcome_remarks({}, None, [curve], {}))


def test_changes_of_isolated_atoms_are_split_into_e0_and_weights():
    second = deepcopy(START)
    second.model.baseline.e0 += torch.tensor([[0.5, -0.25, 0.0]], dtype=torch.float64)
    second.head = "default"
    result = {a.element: (a.by_e0, a.by_weights) for a in compare_isolated_atoms(START, second, ELEMENTS)}
    assert result == {"H": (0.5, 0.0), "O": (-0.25, 0.0), "Si": (0.0, 0.0)}


def test_a_crystal_has_its_equation_of_state():
    morse = morse_potential()
    copper = foundation.labelled([bulk("Cu", a=3.7), bulk("Cu", a=3.6)], morse)
    chosen = choose_crystal(copper)
    assert chosen is copper[1 if copper[1].calc.results["energy"] < copper[0].calc.results["energy"] else 0]
    result = compute_crystal_curves(morse, morse, chosen)
    assert result.failures == {} and result.before.bulk_modulus == pytest.approx(result.after.bulk_modulus)
    assert 10 < result.before.bulk_modulus < 1000
    assert choose_crystal(foundation.labelled(foundation.waters(2), TRUTH)) is None


def test_norms_of_change_are_per_group():
    after = deepcopy(START)
    with torch.no_grad():
        after.model.branches[0].readouts[0].weight *= 1.1
    changes = {change.name: change for change in weight_changes(START, after)}
    assert changes["readout"].relative == pytest.approx(0.1) and changes["embedding"].changed == 0


def test_settings_without_effect_give_remarks():
    after = deepcopy(START)
    with torch.no_grad():
        after.model.branches[0].readouts[0].weight *= 1.1
    changes = weight_changes(START, after)
    assert weight_remarks(changes, CheckedSettings(frozen=["embedding"])) == []
    assert "embedding was to be trained, but none" in weight_remarks(changes, CheckedSettings())[0]
    assert (
        "readout is frozen, but 4 of its 4"
        in weight_remarks(changes, CheckedSettings(frozen=["readout", "embedding"]))[0]
    )
    assert (
        "lr_factors.embedding changed nothing"
        in weight_remarks(changes, CheckedSettings(frozen=["embedding"], lr_factors={"embedding": 2.0}))[0]
    )
    assert "no weight changed" in weight_remarks(weight_changes(START, START), CheckedSettings())[0]
    (average,) = settings_remarks(CheckedSettings(ema=0.99999, n_steps=2000), None)
    assert "still contain the initial weights" in average
    assert settings_remarks(CheckedSettings(ema=0.99, n_steps=2000), None) == []
    assert "e0: estimate changed nothing" in settings_remarks(CheckedSettings(max_e0_shift=0.0), None)[0]
    same = measure_retention(START, START, foundation.waters(2), "waters")
    assert "replay changed nothing" in settings_remarks(CheckedSettings(replay_head="source"), same)[0]


def test_a_run_without_a_probe_gives_a_remark():
    (remark,) = outcome_remarks({}, None, [], {})
    assert "forgetting is not measured" in remark
