"""atomgraph md: energy kept or temperature held, frames in a file, the same from the same seed, nothing lost."""

import errno
import os
import re

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from helpers.morse import morse_potential

from atomgraph.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    morse_potential().save("model.safetensors")
    ase.io.write("copper.xyz", bulk("Cu", "fcc", 3.63, cubic=True).repeat((2, 1, 1)))
    return tmp_path


def files(folder):
    return {path.name for path in folder.iterdir()}


def run(*arguments):
    return main(["md", "model.safetensors", "copper.xyz", *arguments])


def test_constant_energy_says_its_drift_and_writes_frames(folder, capsys):
    assert run("--temperature", "300", "--timestep", "2", "--steps", "50") == 0
    shown = capsys.readouterr().out
    assert "50 steps of 2 fs at constant energy: 0.1 ps of 8 atoms" in shown
    assert "ms/step" in shown and "ns/day" in shown and re.search(r"temperature \d+ ± \d+ K", shown)
    drift = float(re.search(r"energy drift (\S+) meV/atom/ps", shown)[1])
    frames = ase.io.read("copper-md.traj", ":")
    totals = [atoms.get_total_energy() / 8 for atoms in frames]
    assert len(frames) == 6 and np.ptp(totals) < 1e-3 and abs(drift) < 5.0
    assert frames[0].get_temperature() == pytest.approx(300.0)
    assert files(folder) == {"model.safetensors", "copper.xyz", "copper-md.traj"}


def test_one_step_has_no_nan_and_no_wrong_plural(folder, capsys):
    assert run("--temperature", "300", "--steps", "1") == 0
    shown = capsys.readouterr().out
    assert "nan" not in shown and "1 step of" in shown and re.search(r", 1 neighbour list$", shown, re.MULTILINE)
    assert "too few steps for energy drift and fluctuation" in shown


def test_unknown_ensemble_is_refused(folder, capsys):
    assert run("--ensemble", "npt") == 2
    error = capsys.readouterr().err
    assert "'npt' is not one of 'nve', 'nvt'" in error and "Value error" not in error


def test_a_thermostat_brings_the_temperature(folder, capsys):
    options = ["--temperature", "500", "--timestep", "4", "--friction", "50", "--steps", "200"]
    assert run("--ensemble", "nvt", *options, "--out", "hot.xyz", "--every", "50") == 0
    temperature = float(re.search(r"temperature (\d+) ±", capsys.readouterr().out)[1])
    assert temperature == pytest.approx(500, rel=0.35)
    assert len(ase.io.read("hot.xyz", ":")) == 5


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_seed_determines_the_trajectory(folder, ensemble):
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        options = ["--ensemble", ensemble, "--temperature", "300", "--steps", "10", "--seed", seed]
        assert run(*options, "--out", f"{name}.traj") == 0
    a, b, c = (ase.io.read(f"{name}.traj").positions for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_without_a_temperature_velocities_are_drawn_at_300_kelvin_and_it_says_so(folder, capsys):
    assert run("--steps", "1") == 0
    assert "they are drawn at 300 K" in capsys.readouterr().out
    assert ase.io.read("copper-md.traj", 0).get_temperature() == pytest.approx(300.0)


def test_velocities_of_the_structure_are_used(folder, capsys):
    assert run("--temperature", "300", "--steps", "20") == 0
    whole = ase.io.read("copper-md.traj")
    assert run("--temperature", "300", "--steps", "10", "--out", "half.traj") == 0
    assert main(["md", "model.safetensors", "half.traj", "--steps", "10", "--out", "rest.traj"]) == 0
    np.testing.assert_allclose(ase.io.read("rest.traj").positions, whole.positions, atol=1e-9)
    assert "half.traj contains 2 structures" in capsys.readouterr().out


def test_ctrl_c_keeps_the_frames_so_far(folder, capsys, monkeypatch):
    step = VelocityVerlet.step

    def interrupted(self, *arguments, **options):
        if self.nsteps == 25:
            raise KeyboardInterrupt
        return step(self, *arguments, **options)

    monkeypatch.setattr(VelocityVerlet, "step", interrupted)
    assert run("--temperature", "300", "--steps", "1000") == 130
    shown = capsys.readouterr()
    assert len(ase.io.read("copper-md.traj", ":")) == 3
    assert "25 steps" in shown.out and "copper-md.traj" in shown.err
    assert files(folder) == {"model.safetensors", "copper.xyz", "copper-md.traj"}


@pytest.mark.parametrize("n_whole", [0, 3])
def test_a_full_disk_keeps_whole_frames_or_no_file(folder, capsys, monkeypatch, n_whole):
    write, before, calls = ase.io.write, files(folder), []

    def full(path, *arguments, **options):
        write(path, *arguments, **options)
        calls.append(path)
        if len(calls) > n_whole:
            os.truncate(path, path.stat().st_size - 100)
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ase.io, "write", full)
    assert run("--temperature", "300", "--steps", "9", "--every", "1", "--out", "path.xyz") == 2
    error = capsys.readouterr().err
    assert "error: cannot write path.xyz: No space left on device" in error
    assert ("; 3 earlier frames are in this file" in error) == (n_whole == 3)
    assert files(folder) == before | ({"path.xyz"} if n_whole else set())
    assert n_whole == 0 or len(ase.io.read("path.xyz", ":")) == 3


def test_exploding_structure_ends_with_advice(folder, capsys):
    assert run("--temperature", "1e12", "--timestep", "1e150", "--steps", "50", "--every", "1") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "smaller time step" in error
    assert len(ase.io.read("copper-md.traj", ":")) >= 1


def test_an_older_file_is_overwritten_only_when_asked(folder, capsys):
    (folder / "copper-md.traj").write_text("mine")
    assert run("--temperature", "300", "--steps", "1") == 2
    assert (folder / "copper-md.traj").read_text() == "mine" and "--overwrite" in capsys.readouterr().err
    assert run("--temperature", "300", "--steps", "1", "--overwrite") == 0
    assert len(ase.io.read("copper-md.traj", ":")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ensemble", "npt", "--temperature", "300"], "npt"),
        (["--temperature", "-5"], "temperature should be zero or more, in K, but is -5"),
        (["--temperature", "300", "--timestep", "0"], "--timestep"),
        (["--temperature", "300", "--steps", "0"], "--steps"),
        (["--temperature", "300", "--out", "path.pdb"], "cannot determine the format of path.pdb"),
    ],
)
def test_invalid_requests_are_one_line_and_write_nothing(folder, capsys, arguments, message):
    before = files(folder)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error:") and message in error and error.count("\n") == 1
    assert files(folder) == before
