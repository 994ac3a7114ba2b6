"""Replacing an earlier run removes nothing that the new run reads."""

import pytest
from helpers.finetune_configs import source, tune
from helpers.run_configs import tiny
from helpers.training_data import frames

import atomgraph
from atomgraph.errors import ConfigError


def test_overwrite_keeps_structures_of_the_new_run(tmp_path):
    config = tiny(tmp_path)
    config["data"] |= {"train": frames(12), "valid": 0.25, "test": None}
    atomgraph.train(config, quiet=True)
    kept = tmp_path / "run" / "structures" / "train.xyz"
    content = kept.read_bytes()
    with pytest.raises(ConfigError, match=r"data.train: .* is in the run folder .*, which --overwrite would empty"):
        atomgraph.train(tmp_path / "run" / "config.yaml", overwrite=True, quiet=True)
    assert kept.read_bytes() == content
    atomgraph.train(config, overwrite=True, quiet=True)
    assert kept.read_bytes() == content


@pytest.mark.parametrize("name", ["", "/model.safetensors"])
def test_overwrite_keeps_the_starting_potential(tmp_path, name):
    start = source(tmp_path)
    folder = start.removesuffix("/model.safetensors")
    config = tune(tmp_path, start={"model": folder + name}, output={"folder": folder})
    with pytest.raises(ConfigError, match=r"start.model: .* is in the run folder"):
        atomgraph.finetune(config, overwrite=True, quiet=True)
    atomgraph.load(start)
