"""A run that was stopped and went on has the same bits as one that was never stopped."""

import csv
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.long_run import Kill, run

from atomgraph.errors import ConfigError, FormatError
from atomgraph.training.checkpoints import BEST, LAST, CheckpointFile, Checkpoints, averaged_weights, read_checkpoint


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def straight(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    return request.param, folder, run(folder, dtype=request.param)


def assert_same_run(folder, straight):
    """Weights, averages, optimiser, schedule, best epoch, random numbers and the table, bit by bit."""
    for name in (LAST, BEST):
        result, expected = read_checkpoint(folder / name), read_checkpoint(straight / name)
        for part in ("state_dict", "optimizer_states", "callbacks", "epoch", "global_step"):
            assert_equal(result[part], expected[part], part)
    tables = [[row | {"seconds": ""} for row in csv.DictReader((f / "m.csv").open())] for f in (folder, straight)]
    assert tables[0] == tables[1]


def assert_equal(result, expected, where):
    if isinstance(expected, torch.Tensor):
        assert torch.equal(result, expected), where
    elif isinstance(expected, dict):
        assert result.keys() == expected.keys(), where
        for key in expected:
            assert_equal(result[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(result) == len(expected)
        for i, (a, b) in enumerate(zip(result, expected, strict=True)):
            assert_equal(a, b, f"{where}[{i}]")
    else:
        assert result == expected, where


def test_interrupted_in_an_epoch_and_resumed_is_bit_equal(tmp_path, straight):
    dtype, folder, task = straight
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, dtype=dtype, callbacks=[Kill(2, signal.SIGINT)])
    assert signal.getsignal(signal.SIGINT) is handler
    assert read_checkpoint(tmp_path / LAST)["epoch"] == 1  # the second, and nothing of the third
    resumed = run(tmp_path, dtype=dtype, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), task.parameters(), strict=True))
    assert_same_run(tmp_path, folder)


def test_resumed_from_the_first_checkpoint_is_bit_equal(tmp_path, straight):
    dtype, folder, _ = straight
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, dtype=dtype, callbacks=[Kill(0, signal.SIGINT)])
    run(tmp_path, dtype=dtype, resume=True)
    assert_same_run(tmp_path, folder)


def test_killed_in_an_epoch_and_resumed_is_bit_equal(tmp_path, straight):
    dtype, folder, _ = straight
    if dtype is torch.float32:
        pytest.skip("once is enough: starting a process takes seconds")
    script = Path(__file__).parents[1] / "helpers" / "long_run.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "2"],
        env=os.environ,
        capture_output=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert read_checkpoint(tmp_path / LAST)["epoch"] == 1
    run(tmp_path, dtype=dtype, resume=True)
    assert_same_run(tmp_path, folder)


def test_checkpoint_is_complete_or_absent(tmp_path, monkeypatch):
    path = tmp_path / LAST
    CheckpointFile().save_checkpoint({"epoch": 1}, path)

    def half(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", half)
    with pytest.raises(FormatError, match=r"cannot write .*: No space left"):
        CheckpointFile().save_checkpoint({"epoch": 2}, path)
    assert read_checkpoint(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == [LAST]


def test_checkpoint_with_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.system, ("true",))

    torch.save({"state_dict": Evil()}, tmp_path / LAST)
    with pytest.raises(FormatError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / LAST)


def test_resuming_with_other_data_is_refused(tmp_path):
    state = Checkpoints(tmp_path, identity={"data": "abc"}).state_dict()
    Checkpoints(tmp_path, identity={"data": "abc"}).load_state_dict(state)
    with pytest.raises(ConfigError, match="data changed"):
        Checkpoints(tmp_path, identity={"data": "xyz"}).load_state_dict(state)


def test_saved_weights_are_the_validated_average(straight):
    _, folder, task = straight
    kept = averaged_weights(read_checkpoint(folder / LAST), "potential.")
    names = dict(task.potential.named_parameters())
    assert kept.keys() == task.potential.state_dict().keys()
    assert any(not torch.equal(kept[name], p) for name, p in names.items())
