"""atomgraph train as a user types it: exit codes, one line of error, Ctrl-C and going on."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from helpers.run_configs import tiny

import atomgraph
from atomgraph.cli import main


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "argon.yaml"
    path.write_text(yaml.safe_dump(tiny(tmp_path)))
    return path


def test_a_mistyped_key_ends_in_one_line_and_exit_code_two(config, capsys):
    assert main(["train", str(config), "model.chanels=3"]) == 2
    assert capsys.readouterr().err == "error: model.chanels: unknown key; did you mean channels?\n"
    assert main(["train", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err.startswith("error: no file nowhere.yaml")
    assert main(["train"]) == 2
    assert "needs one CONFIG.yaml" in capsys.readouterr().err
    assert main(["train", "--resume", str(config.parent)]) == 2
    assert "is not a run folder of atomgraph" in capsys.readouterr().err


def test_output_has_no_empty_lines_and_errors_have_units(config, capfd):
    assert main(["train", str(config), "fit.max_epochs=1"]) == 1  # one epoch: no better than nothing, which it says
    said = capfd.readouterr()
    assert said.err == ""
    for arguments in ("16 frames", "GCN for Ar", "largest batch", "epoch 1/1", "meV/atom", "structures/s"):
        assert arguments in said.out
    for chatter in ("GPU available", "Tip", "num_workers", "`Trainer.fit`", "Warning"):
        assert chatter not in said.out


def test_warning_is_one_line_and_printed_once(config, capfd):
    assert main(["train", str(config), "fit.max_epochs=1", "data.edge_budget=1"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == len(set(lines)) and all(line.startswith("warning: ") for line in lines)
    assert "exceed the budget" in lines[0]


def test_a_weight_for_a_configuration_type_that_no_frame_has_is_refused(config, capfd, tmp_path):
    assert main(["train", str(config), "data.weights={Bulk: 2.0}"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("error: ") and "the configuration type 'Bulk', which no frame has" in said
    assert not (tmp_path / "run").exists()


def test_ctrl_c_says_how_to_resume(config, tmp_path):
    arguments = [sys.executable, "-m", "atomgraph", "train", str(config), "fit.max_epochs=400"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    table = tmp_path / "run/metrics.csv"
    deadline = time.monotonic() + 1800
    while not table.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=1800)
    assert process.returncode == 130, (out, err)
    folder = tmp_path / "run"
    assert err == f"interrupted: all finished epochs are saved; resume with: atomgraph train --resume {folder}\n"
    done = len(table.read_text().splitlines()) - 1
    assert atomgraph.load(folder / "model.safetensors").elements == ["Ar"]
    assert main(["train", "--resume", str(folder), f"fit.max_epochs={done + 2}"]) in (
        0,
        1,
    )  # as many epochs as Ctrl-C left it
    straight = tiny(tmp_path, fit={"max_epochs": done + 2}, output={"folder": str(tmp_path / "straight")})
    potential, _ = atomgraph.train(straight, quiet=True)
    resumed = atomgraph.load(folder / "model.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), potential.parameters(), strict=True))
