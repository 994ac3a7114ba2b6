"""A run of fine-tuning is audited before it and reported after it."""

import csv
import json
import re

import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from helpers import foundation_models as foundation
from helpers import tiny_structures as tiny
from helpers.finetune_configs import source, tune
from helpers.run_configs import data_file
from helpers.training_data import frames

import atomgraph
from atomgraph.cli import main
from atomgraph.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    frames_made = tmp_path_factory.mktemp("audit")
    source(frames_made)
    return frames_made


def relabelled(folder, name, *, energy=lambda e, atoms: e, forces=lambda f: f, n=24):
    """What the starting potential says of new structures, with the labels changed."""
    start, frames_made = atomgraph.load(source(folder)), frames(n, seed=7)
    for atoms, findings in zip(frames_made, start.predict(frames_made), strict=True):
        labels = {"energy": energy(findings["energy"], atoms), "forces": forces(findings["forces"])}
        atoms.calc = SinglePointCalculator(atoms, **labels)
    ase.io.write(folder / f"{name}.xyz", frames_made, format="extxyz")
    return str(folder / f"{name}.xyz")


@pytest.fixture(scope="module")
def run(folder):
    card = {"probe": data_file(folder, 6, seed=11), "steps": 5}
    output = {"folder": str(folder / "run"), "report": True}
    return atomgraph.finetune(tune(folder, "run", card=card, output=output), quiet=True)[0]


def test_a_run_ends_with_its_report_card(folder, run):
    record = json.loads((folder / "run" / "card.json").read_text())
    assert record["retention"]["structures"] == 6 and record["target"]["valid"]["ratio"]["forces"] > 0
    assert [curve["pair"] for curve in record["dimers"]] == [["Ar", "Ar"]]
    assert {change["group"] for change in record["weights"]} >= {"embedding", "readout"}
    page = (folder / "run" / "report.html").read_text()
    assert "Report card" in page and "Audit before training" in page
    assert run.metadata["audit"]["head"] == "default" and "e0_shift" in run.metadata


@pytest.mark.parametrize("name", foundation.WRONG_E0)
def test_wrong_e0_is_found_and_estimated(tmp_path, name):
    truth = tiny.potential(("H", "O", "Si"))
    start = foundation.starting(truth)
    start.save(tmp_path / "start.safetensors")
    plant, named = foundation.WRONG_E0[name]
    more = plant(start.model.baseline.e0_of("default"))
    frames = foundation.changed(
        foundation.labelled(foundation.crystals(20), truth), energy=lambda e, atoms: e + foundation.sums(atoms, more)
    )
    ase.io.write(tmp_path / "train.xyz", frames[:12], format="extxyz")
    ase.io.write(tmp_path / "valid.xyz", frames[12:], format="extxyz")
    config = {
        "start": {"model": str(tmp_path / "start.safetensors")},
        "data": {"train": str(tmp_path / "train.xyz"), "valid": str(tmp_path / "valid.xyz"), "cache": False},
        "fit": {"max_epochs": 1, "accelerator": "cpu", "ema": 0, "schedule": []},
        "card": {"steps": 0},
        "output": {"folder": str(tmp_path / "run"), "report": False},
    }
    with pytest.raises(DataError, match=f"audit: e0: .*{re.escape(named)}.*[Ss]et e0: estimate"):
        atomgraph.finetune(config | {"e0": "foundation"}, quiet=True)
    potential, _ = atomgraph.finetune(config, quiet=True)
    residual = potential.metadata["audit"]["e0_shift"]["residual"]
    with (tmp_path / "run" / "metrics.csv").open() as file:
        (first,) = csv.DictReader(file)
    assert 0 < float(first["valid_energy_rmse (meV/atom)"]) < 2 * 1e3 * residual


def test_wrong_labels_end_in_one_line_and_can_be_ignored(folder, capsys):
    data = relabelled(folder, "gradients", forces=lambda f: 1e6 * f)
    config = tune(folder, "absurd", data={"train": data}, e0="foundation")
    path = folder / "absurd.yaml"
    path.write_text(json.dumps(config))
    assert main(["finetune", str(path)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert "audit: magnitude" in line and "audit.ignore: [magnitude]" in line
    assert not (folder / "absurd").exists()
    assert (
        main(["finetune", str(path), "audit.ignore=[magnitude]", "fit.max_epochs=1"]) == 1
    )  # trained, and no better than zero


def test_unknown_findings_and_probes_are_refused_before_training(folder):
    with pytest.raises(ConfigError, match=r"audit\.ignore: no finding is called 'sgin'"):
        atomgraph.finetune(tune(folder, "bad", audit={"ignore": ["sgin"]}), quiet=True)
    ase.io.write(folder / "gold.xyz", ase.Atoms("Au2", [[0, 0, 0], [0, 0, 2.5]]), format="extxyz")
    with pytest.raises(DataError, match=r"card\.probe contains the elements Au"):
        atomgraph.finetune(tune(folder, "bad", card={"probe": str(folder / "gold.xyz")}), quiet=True)
    assert not (folder / "bad").exists()


def test_an_unlabelled_probe_is_compared_with_the_starting_model(folder):
    bare = [atoms.copy() for atoms in frames(4, seed=2)]
    ase.io.write(folder / "bare.xyz", bare, format="extxyz")
    card = {"probe": str(folder / "bare.xyz"), "steps": 0}
    potential, _ = atomgraph.finetune(tune(folder, "unlabelled", card=card), quiet=True)
    record = json.loads((folder / "unlabelled" / "card.json").read_text())["retention"]
    start = atomgraph.load(source(folder))
    both = [np.concatenate([findings["forces"].ravel() for findings in p.predict(bare)]) for p in (start, potential)]
    assert record["by_itself"]["forces"] == pytest.approx(np.abs(both[0] - both[1]).mean())
    assert "before" not in record
