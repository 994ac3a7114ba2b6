"""atomgraph relax: downhill to no force (and no stress), with a summary that means something, and nothing lost."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.optimize import LBFGS
from helpers.morse import morse_potential

from atomgraph.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model and a rattled, strained copper crystal."""
    monkeypatch.chdir(tmp_path)
    morse_potential().save("model.safetensors")
    atoms = bulk("Cu", "fcc", 3.7, cubic=True)
    atoms.rattle(0.1, rng=np.random.default_rng(0))
    ase.io.write("copper.xyz", atoms)
    return tmp_path


def files(folder):
    return {path.name for path in folder.iterdir()}


def test_positions_relax_in_a_fixed_cell(folder, capsys):
    assert main(["relax", "model.safetensors", "copper.xyz"]) == 0
    relaxed = ase.io.read("copper-relaxed.xyz")
    assert np.abs(relaxed.get_forces()).max() < 0.01
    np.testing.assert_allclose(relaxed.cell.array, np.eye(3) * 3.7)
    shown = capsys.readouterr().out
    assert "converged after" in shown and "eV/Å" in shown and "meV/atom" in shown
    assert files(folder) == {"model.safetensors", "copper.xyz", "copper-relaxed.xyz"}


def test_a_relaxed_cell_has_no_stress(folder, capsys):
    assert main(["relax", "model.safetensors", "copper.xyz", "--cell", "--fmax", "0.001", "--out", "out.traj"]) == 0
    relaxed = ase.io.read("out.traj")
    assert np.abs(relaxed.get_stress()).max() < 1e-3
    assert relaxed.get_volume() < 3.7**3
    assert "Å³/atom" in capsys.readouterr().out


def test_too_few_steps_give_exit_code_1_and_the_structure(folder, capsys):
    assert main(["relax", "model.safetensors", "copper.xyz", "--steps", "1"]) == 1
    assert "NOT converged after 1 step of" in capsys.readouterr().out
    assert "copper-relaxed.xyz" in files(folder)


def test_ctrl_c_keeps_what_was_reached(folder, capsys, monkeypatch):
    step = LBFGS.step

    def interrupted(self, *arguments):
        if self.nsteps == 2:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(LBFGS, "step", interrupted)
    start = ase.io.read("copper.xyz").positions
    assert main(["relax", "model.safetensors", "copper.xyz"]) == 130
    assert np.abs(ase.io.read("copper-relaxed.xyz").positions - start).max() > 0.01
    assert "copper-relaxed.xyz" in capsys.readouterr().err


def test_an_older_file_is_overwritten_only_when_asked(folder, capsys):
    (folder / "copper-relaxed.xyz").write_text("mine")
    assert main(["relax", "model.safetensors", "copper.xyz"]) == 2
    assert (folder / "copper-relaxed.xyz").read_text() == "mine" and "--overwrite" in capsys.readouterr().err
    assert main(["relax", "model.safetensors", "copper.xyz", "--overwrite"]) == 0
    assert len(ase.io.read("copper-relaxed.xyz")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["copper.xyz", "--fmax", "0"], "--fmax"),
        (["copper.xyz", "--out", "relaxed.pdf"], "cannot determine the format of relaxed.pdf"),
        (["copper.xyz", "--out", "nowhere/relaxed.xyz"], "no folder nowhere"),
        (["water.xyz", "--cell"], "--cell needs a structure that is periodic in three directions"),
        (["water.xyz"], "unknown elements H, O; the elements of this model are Cu"),
        (["nothing.xyz"], "nothing.xyz"),
        (["empty.xyz"], "empty.xyz"),
        (["copper.xyz", "--head", "PBE"], "no head 'PBE'"),
    ],
)
def test_invalid_requests_are_one_line_and_write_nothing(folder, capsys, arguments, message):
    ase.io.write("water.xyz", molecule("H2O"))
    (folder / "empty.xyz").write_text("")
    before = files(folder)
    assert main(["relax", "model.safetensors", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error:") and message in error and error.count("\n") == 1
    assert files(folder) == before
