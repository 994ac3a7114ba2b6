"""Two runs in one folder: the second is refused and names the first."""

import errno
import os
import signal
import subprocess
import sys

import pytest
import yaml
from helpers.finetune_configs import tune
from helpers.run_configs import tiny

import atomgraph
from atomgraph import file_lock
from atomgraph.cli import main
from atomgraph.errors import ConfigError
from atomgraph.runs import resume
from atomgraph.runs.folder_lock import LOCK, lock_folder

HOLDER = """
import fcntl, os, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
os.write(file, b"process %d on here" % os.getpid())
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def held(tmp_path):
    """A run folder whose lock another process holds, and that process."""
    folder = tmp_path / "run"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder / LOCK)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield folder, process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_in_use_is_refused_with_the_process_and_exit_code_two(held, tmp_path, capsys):
    folder, process = held
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(tiny(tmp_path)))
    (folder / "config.yaml").write_text(config.read_text())
    for arguments in ([str(config)], [str(config), "--overwrite"], ["--resume", str(folder)]):
        assert main(["train", *arguments]) == 2
        assert f"is in use by process {process.pid} on here" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == [LOCK, "config.yaml"]


def test_lock_of_a_killed_process_is_released(held, tmp_path):
    folder, process = held
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    atomgraph.train(tiny(tmp_path), quiet=True)
    assert LOCK not in {path.name for path in folder.iterdir()}
    resume(folder, ["fit.max_epochs=3"], quiet=True)


def test_lock_is_exclusive_and_released(tmp_path):
    with lock_folder(tmp_path / "a" / "b"):
        with (
            pytest.raises(ConfigError, match=rf"in use by process {os.getpid()} on"),
            lock_folder(tmp_path / "a" / "b"),
        ):
            pass
        assert (tmp_path / "a" / "b" / LOCK).is_file()
    assert not (tmp_path / "a").exists()
    with lock_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "config.yaml").write_text("")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["config.yaml"]


def test_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_lock.fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match=r"cannot be locked \(No locks available\); make sure that no other run"):
        atomgraph.train(tiny(tmp_path), quiet=True)


def test_refused_runs_leave_no_folder(tmp_path):
    config = tiny(tmp_path)
    config["data"]["train"] = str(tmp_path / "nowhere.xyz")
    with pytest.raises(atomgraph.errors.AtomgraphError):
        atomgraph.train(config, quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["closed form", "fine-tuning", "comparison"])
def test_every_kind_of_run_takes_the_lock(tmp_path, kind):
    with lock_folder(tmp_path / "run"), pytest.raises(ConfigError, match="is in use by process"):
        if kind == "closed form":
            model = {"kind": "SNAP", "elements": "auto", "cutoff": 4.0, "twojmax": 2}
            config = tiny(tmp_path) | {"model": model, "fit": {"kind": "least_squares"}}
            atomgraph.train(config, quiet=True)
        else:
            config = tune(tmp_path)
            config["output"]["folder"] = str(tmp_path / "run")
            atomgraph.finetune(config, quiet=True) if kind == "fine-tuning" else atomgraph.runs.compare(
                config, quiet=True
            )


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
def test_lock_files_that_are_links_or_pipes_are_refused(tmp_path, kind):
    folder, victim = tmp_path / "run", tmp_path / "victim.txt"
    folder.mkdir()
    victim.write_text("mine")
    if kind == "link":
        (folder / LOCK).symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, folder / LOCK)
    else:
        os.mkfifo(folder / LOCK)
    with pytest.raises(ConfigError, match="nothing is written to it; remove it"), lock_folder(folder):
        pass
    assert victim.read_text() == "mine"
