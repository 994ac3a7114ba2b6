"""A run whose checkpoint is gone does not begin again without a word."""

import pytest
from helpers.finetune_configs import tune
from helpers.run_configs import tiny

import atomgraph
from atomgraph.errors import ConfigError
from atomgraph.runs import resume

ACE = {"kind": "ACE", "elements": "auto", "cutoff": 4.0, "n_max": [4, 2], "l_max": [0, 1], "parameters": [[1.0, 1.0]]}


def test_resuming_without_the_last_epoch_once_began_at_epoch_1(tmp_path):
    atomgraph.train(tiny(tmp_path), quiet=True)
    run = tmp_path / "run"
    table = (run / "metrics.csv").read_text()
    (run / "checkpoints/last.ckpt").unlink()
    with pytest.raises(
        ConfigError, match=r"last\.ckpt is missing, .*2 rows.*copy .*best\.ckpt to last\.ckpt.*--overwrite"
    ):
        resume(run, quiet=True)
    (run / "checkpoints/best.ckpt").rename(run / "checkpoints/last.ckpt")
    resume(run, quiet=True)
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match=r"2 rows, model\.safetensors exists\); start the run again \(--overwrite"):
        resume(run, quiet=True)
    assert (run / "metrics.csv").read_text().splitlines()[0] == table.splitlines()[0]


def test_run_stopped_before_its_first_epoch_starts_again(tmp_path):
    atomgraph.train(tiny(tmp_path), quiet=True)
    run = tmp_path / "run"
    for path in (*(run / "checkpoints").iterdir(), run / "metrics.csv", run / "model.safetensors"):
        path.unlink()
    _, metrics = resume(run, quiet=True)
    assert metrics["training"]["epochs"] == 2


def test_resuming_without_the_last_block_once_fitted_from_the_first_structure(tmp_path):
    config = tiny(tmp_path) | {"model": ACE, "fit": {"kind": "least_squares", "accelerator": "cpu"}}
    config["data"].pop("edge_budget")
    atomgraph.train(config, quiet=True)
    run = tmp_path / "run"
    (run / "checkpoints/block.safetensors").unlink()
    with pytest.raises(
        ConfigError, match=r"block\.safetensors is missing, but the fit has made progress .*--overwrite"
    ):
        resume(run, quiet=True)
    (run / "model.safetensors").unlink()
    (run / "metrics.csv").write_text("block,structures,rows,seconds\n1,4,20,0.5\n")  # stopped before a block was saved
    resume(run, quiet=True)


def test_resuming_a_fine_tuning_without_its_last_epoch_once_began_at_epoch_1(tmp_path):
    atomgraph.finetune(tune(tmp_path), quiet=True)
    (tmp_path / "tuned/checkpoints/last.ckpt").unlink()
    with pytest.raises(ConfigError, match=r"last\.ckpt is missing, .*copy .*best\.ckpt"):
        resume(tmp_path / "tuned", quiet=True)


def test_resuming_gauss_newton_once_began_again_from_the_starting_potential(tmp_path):
    config = tune(tmp_path, method={"kind": "gauss_newton", "steps": 1})
    del config["fit"]
    atomgraph.finetune(config, quiet=True)
    with pytest.raises(
        ConfigError, match=r"gauss_newton\} saves no checkpoints, .*--overwrite.*start\.model=.*model\.safetensors"
    ):
        resume(tmp_path / "tuned", quiet=True)
