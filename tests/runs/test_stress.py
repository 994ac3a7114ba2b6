"""Stress is fitted by default where it is labelled, and its term is left out where it is not."""

import csv
import re

import ase.io
import numpy as np
import pytest
from helpers.run_configs import tiny
from helpers.training_data import frames

import atomgraph
from atomgraph.errors import DataError


def data(folder, *, stress):
    structures = frames(12, 0)
    for number, atoms in enumerate(structures):
        atoms.calc.results.pop("stress", None)
        if stress:
            atoms.calc.results["stress"] = 1e-3 * np.arange(6) * (1 + number)
    path = folder / f"stress-{stress}.xyz"
    ase.io.write(path, structures, format="extxyz")
    return str(path)


def run(folder, *, stress, terms=None):
    config = tiny(folder, data={"train": data(folder, stress=stress), "valid": 0.25, "test": None})
    if terms is not None:
        config["fit"]["terms"] = terms
    potential, _ = atomgraph.train(config)
    with (folder / "run" / "metrics.csv").open() as file:
        return potential, next(csv.DictReader(file))


def test_stress_is_fitted_by_default_where_it_is_labelled(tmp_path, capsys):
    _, row = run(tmp_path, stress=True)
    assert any("stress" in name for name in row)
    assert re.search(r"stress in \d+ of 9 training structures: fitted with weight 100", capsys.readouterr().out)


def test_data_without_stress_train_as_before(tmp_path, capsys):
    _, row = run(tmp_path, stress=False)
    assert not any("stress" in name for name in row)
    assert "stress" not in capsys.readouterr().out.split("epoch 1/")[0].split("GCN for")[1]


def test_explicit_term_without_label_is_an_error(tmp_path):
    with pytest.raises(DataError, match="stress"):
        run(tmp_path, stress=False, terms=[{"property": "energy"}, {"property": "stress", "weight": 1.0}])


def test_terms_without_stress_are_shown_in_the_census(tmp_path, capsys):
    run(tmp_path, stress=True, terms=[{"property": "energy"}, {"property": "forces"}])
    assert "present, not fitted: add {property: stress, weight: ...} to fit.terms" in capsys.readouterr().out


def test_a_resumed_run_keeps_the_terms_that_its_data_have(tmp_path):
    run(tmp_path, stress=False)
    _, metrics = atomgraph.runs.resume(tmp_path / "run", ["fit.max_epochs=3"], quiet=True)
    assert "forces" in metrics["valid"]["all"]
