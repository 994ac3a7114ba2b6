"""From one mapping to a trained potential in its folder, and what is refused before anything is written."""

import csv
import errno
import importlib.util
import json
import os
import random
import shutil

import ase.io
import numpy as np
import pytest
import torch
import yaml
from helpers.run_configs import data_file, tiny
from helpers.training_data import frames

import atomgraph
from atomgraph.errors import AtomgraphError, ConfigError, DataError, FormatError, TrainingError
from atomgraph.runs import resume
from atomgraph.training.checkpoints import LAST, read_checkpoint


def weights(potential):
    return torch.cat([p.detach().flatten() for p in potential.parameters()])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = tiny(folder, baseline={"repulsion": "zbl"})
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    potential, metrics = atomgraph.train(config)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]  # noqa: NPY002
    assert torch.equal(state[0], after[0])
    assert state[1] == after[1]
    assert (state[2] == after[2]).all()
    return folder, config, potential, metrics


def test_run_folder_has_all_files(run):
    folder, _, potential, metrics = run
    held = {p.name for p in (folder / "run").iterdir()}
    assert held == {"model.safetensors", "config.yaml", "metrics.csv", "metrics.json", "split.json", "checkpoints"}
    rows = list(csv.DictReader((folder / "run/metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train_loss", "valid_energy_mae (meV/atom)", "valid_forces_rmse (eV/Å)"} <= rows[0].keys()
    assert json.loads((folder / "run/metrics.json").read_text()) == metrics
    assert metrics["test"]["units"]["forces"] == "eV/Å"
    assert potential.metadata["e0_origin"].startswith("least squares")


def test_saved_potential_equals_the_returned_one(run):
    folder, _, potential, metrics = run
    loaded = atomgraph.load(folder / "run/model.safetensors")
    atoms = frames(2, seed=5)
    for first, second in zip(loaded.predict(atoms), potential.predict(atoms), strict=True):
        np.testing.assert_array_equal(first["forces"], second["forces"])
    test = ase.io.read(data_file(folder, 4, seed=9), ":")
    error = np.concatenate(
        [(p["forces"] - a.get_forces()).ravel() for p, a in zip(potential.predict(test), test, strict=True)]
    )
    assert metrics["test"]["all"]["forces"]["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-9)


def test_the_resolved_configuration_repeats_the_run_from_anywhere(run, monkeypatch, tmp_path):
    folder, _, potential, _ = run
    config = yaml.safe_load((folder / "run/config.yaml").read_text())
    assert config["model"]["elements"] == ["Ar"]
    monkeypatch.chdir(tmp_path)
    config["output"]["folder"] = "again"
    torch.rand(7)
    again, _ = atomgraph.train(config, quiet=True)
    assert torch.equal(weights(again), weights(potential))


def test_constants_come_from_the_training_part_only(run):
    folder, config, potential, _ = run
    split = json.loads((folder / "run/split.json").read_text())
    everything = ase.io.read(config["data"]["train"], ":")
    train = [everything[i] for i in split["train"]]
    rms = np.sqrt(np.mean(np.concatenate([a.get_forces().ravel() for a in train]) ** 2))
    assert float(potential.model.baseline.scale[0]) == pytest.approx(rms, rel=1e-9)
    assert len(train) == 9
    assert not set(split["train"]) & set(split["valid"])


def test_run_folder_is_overwritten_only_on_request(run):
    folder, config, _, _ = run
    before = (folder / "run/model.safetensors").read_bytes()
    with pytest.raises(
        ConfigError, match=r"exists already; choose another output.folder, resume the run with .*--resume"
    ):
        atomgraph.train(config)
    (folder / "run/thesis.tex").write_text("ten years of work")
    with pytest.raises(ConfigError, match=r"cannot be replaced.*thesis.tex"):
        atomgraph.train(config, overwrite=True)
    (folder / "run/thesis.tex").unlink()
    assert (folder / "run/model.safetensors").read_bytes() == before


def test_full_disk_leaves_no_folder(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    config = tiny(tmp_path, data={"cache": False})
    with monkeypatch.context() as patch, pytest.raises(FormatError, match=r"cannot write .*: No space left on device"):
        patch.setattr(os, "fsync", full)
        atomgraph.train(config, quiet=True)
    assert not (tmp_path / "run").exists()


def test_ctrl_c_during_evaluation_keeps_the_run_resumable(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with (
        monkeypatch.context() as patch,
        pytest.raises(KeyboardInterrupt, match="resume with: atomgraph train --resume"),
    ):
        patch.setattr("atomgraph.runs.run.evaluate", interrupt)
        atomgraph.train(tiny(tmp_path), quiet=True)
    kept = atomgraph.load(tmp_path / "run")
    finished, metrics = resume(tmp_path / "run", quiet=True)
    assert torch.equal(weights(kept), weights(finished)) and metrics["training"]["epochs"] == 2


def test_values_that_are_no_configuration_are_refused():
    with pytest.raises(ConfigError, match="a configuration should be a mapping or a YAML file, but is None"):
        atomgraph.train(None)


def test_a_finished_run_can_be_given_more_epochs(run, tmp_path):
    folder, config, _, _ = run
    config = config | {"output": {"folder": str(tmp_path / "long"), "report": False}}
    config["fit"] = config["fit"] | {"max_epochs": 3}
    straight, _ = atomgraph.train(config, quiet=True)
    shutil.copytree(folder / "run", tmp_path / "run")
    resumed, metrics = resume(tmp_path / "run", ["fit.max_epochs=3"], quiet=True)
    assert torch.equal(weights(resumed), weights(straight))
    assert metrics["training"]["epochs"] == 3
    with pytest.raises(ConfigError, match=r"can change only keys of fit, not model\.channels"):
        resume(folder / "run", ["model.channels=3"])
    with pytest.raises(ConfigError, match=r"fit\.optimizer\.kind: a resumed run keeps its optimiser"):
        resume(folder / "run", ["fit.optimizer.kind=SGD"])


def test_resumed_run_takes_a_new_learning_rate(run, tmp_path):
    folder, _, _, _ = run
    shutil.copytree(folder / "run", tmp_path / "run")
    last = tmp_path / "run/checkpoints/last.ckpt"
    before = read_checkpoint(last)["state_dict"]
    resume(tmp_path / "run", ["fit.max_epochs=3", "fit.optimizer.lr=1e-14"], quiet=True)
    after = read_checkpoint(last)
    assert after["epoch"] == 2
    for name, value in before.items():
        torch.testing.assert_close(after["state_dict"][name], value, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"data": {"train": "nowhere.xyz"}}, DataError, "no file nowhere.xyz"),
        ({"data": {"valid": 12}}, DataError, "nothing is left to train on"),
        (
            {"fit": {"terms": [{"property": "stress"}]}, "data": {"train": "molecules.xyz"}},
            DataError,
            "stress should be fitted with weight 1",
        ),
        ({"baseline": {"e0": {"Kr": 1.0}}}, AtomgraphError, "E0 is missing for Ar"),
        ({"baseline": {"scale": -2.0}}, ConfigError, "baseline.scale should be .*more than 0, but is -2"),
        ({"model": {"elements": ["Kr"]}}, ConfigError, "model.elements lacks Ar"),
        ({"fit": {"precision": "32-bit"}}, ConfigError, "fit: "),
        ({"fit": {"accelerator": "gpus"}}, ConfigError, "fit: "),
    ],
)
def test_impossible_runs_are_refused_and_write_nothing(tmp_path, monkeypatch, changes, error, said):
    monkeypatch.chdir(tmp_path)
    ase.io.write("molecules.xyz", [a for a in frames(16) if not a.pbc.any()], format="extxyz")
    with pytest.raises(error, match=said):
        atomgraph.train(tiny(tmp_path, **changes), quiet=True)
    assert not (tmp_path / "run").exists()


def test_unknown_elements_in_the_test_part_are_refused(tmp_path):
    krypton = frames(1)[0]
    krypton.symbols[0] = "Kr"
    ase.io.write(tmp_path / "strange.xyz", krypton, format="extxyz")
    with pytest.raises(DataError, match=r"data.test contains the elements Kr, which no training structure contains"):
        atomgraph.train(tiny(tmp_path, data={"test": str(tmp_path / "strange.xyz")}), quiet=True)


def test_infinite_loss_stops_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    from atomgraph.training.task import PotentialTask

    config = tiny(tmp_path, fit={"max_epochs": 4})
    whole = PotentialTask.loss

    def breaks(self, graph, epoch, window_counts, n_batches=1):
        loss = whole(self, graph, epoch, window_counts, n_batches)
        return loss * float("nan") if epoch == 2 else loss

    monkeypatch.setattr(PotentialTask, "loss", breaks)
    with pytest.raises(
        TrainingError, match=r"became nan in epoch 3, batch 1, with the structures .*argon-0.xyz#\d+ \(crystal\)"
    ):
        atomgraph.train(config, quiet=True)
    kept = read_checkpoint(tmp_path / "run/checkpoints" / LAST)
    assert kept["epoch"] == 1
    assert all(value.isfinite().all() for value in kept["state_dict"].values())


def test_patience_stops_a_run_without_improvement(tmp_path):
    fit = {"max_epochs": 50, "patience": 2, "optimizer": {"lr": 1e-30}, "ema": None}
    _, metrics = atomgraph.train(tiny(tmp_path, fit=fit), quiet=True)
    assert (metrics["training"]["epochs"], metrics["training"]["best_epoch"]) == (3, 1)
    _, again = resume(tmp_path / "run", quiet=True)  # killed after its last epoch, say: it is not trained on
    assert again["training"] == metrics["training"]


def test_loggers_that_are_not_installed_are_refused_with_what_installs_them(tmp_path):
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed")
    with pytest.raises(ConfigError, match=r"wandb is not installed; run pip install 'atomgraph\[wandb\]'"):
        atomgraph.train(tiny(tmp_path, output={"loggers": ["wandb"]}), quiet=True)


def test_monitored_error_without_labels_is_refused(tmp_path):
    frames_without = ase.io.read(data_file(tmp_path, 4, seed=9), ":")
    for atoms in frames_without:
        atoms.calc.results.pop("forces")
    ase.io.write(tmp_path / "valid.xyz", frames_without, format="extxyz")
    config = tiny(tmp_path, data={"valid": str(tmp_path / "valid.xyz")}, fit={"monitor": "forces_mae"})
    with pytest.raises(DataError, match=r"no validation structure has a label for forces"):
        atomgraph.train(config, quiet=True)
    assert not (tmp_path / "run").exists()


def test_configuration_of_a_run_folder_imports_no_module(tmp_path, monkeypatch, capsys):
    from atomgraph.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "strange_parts.py").write_text(
        "from pathlib import Path\nPath('executed').touch()\nfrom atomgraph.models import GCN\nclass Mine(GCN):\n    pass\n"
    )
    folder = tmp_path / "run"
    folder.mkdir()
    config = tiny(tmp_path)
    config["model"]["kind"] = "strange_parts.Mine"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", "--resume", str(folder)]) == 2
    assert "--import strange_parts" in capsys.readouterr().err and not (tmp_path / "executed").exists()
    shutil.rmtree(folder)
    atomgraph.train(config, quiet=True)  # one's own configuration is code, and may
    assert (tmp_path / "executed").exists()
    assert (
        main(["train", "--resume", str(folder), "fit.max_epochs=3", "--import", "strange_parts"]) == 1
    )  # three epochs: no better than nothing


@pytest.mark.parametrize(
    "ramp, said",
    [
        ({"from_epoch": 100}, "starts to change at epoch 100, but the run has 2 epochs; the weight stays 1"),
        ({"n_epochs": 5}, "changes until its end at"),
    ],
)
def test_ramp_beyond_the_last_epoch_gives_a_warning(tmp_path, capsys, ramp, said):
    weight = {"start": 1.0, "end": 50.0} | ramp
    terms = [{"property": "energy", "weight": weight}, {"property": "forces"}]
    atomgraph.train(tiny(tmp_path, fit={"terms": terms}))
    assert f"warning: fit.terms: the weight of energy {said}" in capsys.readouterr().out
