"""atomgraph verify: a sound model passes with exit code 0, a broken one is found out with exit code 1."""

import ase.io
import pytest
import torch
from e3nn import o3
from helpers.morse import Morse, morse_potential

from atomgraph.cli import main
from atomgraph.models import Branch, EnergyModel
from atomgraph.potential import Potential
from atomgraph.readouts import Linear
from atomgraph.testing.graphs import crystal


class Edgy(Morse):
    """A cutoff that is no cutoff: pairs are there, then they are not."""

    def forward(self, graph, edges):
        short = torch.exp(-edges.length)[:, None]
        return edges.length.new_zeros(edges.n_atoms, 1).index_add(0, edges.centre, short)


@pytest.fixture
def sound(tmp_path):
    morse_potential(["Cu", "O"]).save(tmp_path / "sound.safetensors")
    return str(tmp_path / "sound.safetensors")


@pytest.fixture
def broken(tmp_path):
    model = EnergyModel(["Cu"], Branch(4.0, Edgy(4.0), readouts=[Linear(o3.Irreps("1x0e"))]))
    Potential(model.double()).save(tmp_path / "broken.safetensors")
    return str(tmp_path / "broken.safetensors")


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def test_correct_model_passes(sound, capsys):
    assert main(["verify", sound, "--nve-steps", "20"]) == 0
    shown = capsys.readouterr().out
    assert "17 of 17 laws hold, 1 had no suitable structure" in shown and "FAIL" not in shown
    assert "forces are energy gradients" in shown and "eV/Å" in shown and "meV/atom/ps" in shown
    assert "float64" in shown and "molecule, crystal, slab, wire" in " ".join(shown.split())


def test_a_hard_cutoff_is_found_and_named(broken, capsys):
    assert main(["verify", broken, "--nve-steps", "0"]) == 1
    shown = capsys.readouterr().out
    assert [line.split()[1:5] for line in shown.splitlines() if "FAIL" in line and "≤" in line] == [
        ["smooth", "at", "the", "cutoff"]
    ]
    assert "15 of 16 laws hold, 1 had no suitable structure" in shown


def test_verdict_and_figures_are_seen_on_a_narrow_terminal(broken, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["verify", broken, "--nve-steps", "5"]) == 1
    shown = capsys.readouterr().out
    (failed,) = [line for line in shown.splitlines() if line.strip().startswith("FAIL   smooth at the cutoff  ")]
    assert "≤ 1e-06" in failed and float(failed.split()[5]) > 1e-3
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 81
    assert "FAIL smooth at the cutoff:" in shown and "at 4 Å" in shown


def test_given_structures_are_tested_in_float32(sound, tmp_path, capsys):
    atoms = crystal()
    atoms.symbols[:] = ["Cu", "Cu", "O", "Cu"]
    ase.io.write(tmp_path / "mine.xyz", [atoms, atoms])
    assert main(["verify", sound, str(tmp_path / "mine.xyz"), "--dtype", "float32", "--nve-steps", "10"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "float32" in shown and "1: Cu3O, 2: Cu3O" in shown and "≤ 2e-03" in shown


def test_unknown_elements_are_an_error(sound, tmp_path, capsys):
    ase.io.write(tmp_path / "other.xyz", crystal())
    assert main(["verify", sound, str(tmp_path / "other.xyz")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unknown elements H, C, Si; the elements of this model are Cu, O")
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["nothing.safetensors"], []])
def test_missing_files_are_one_line(arguments, capsys):
    assert main(["verify", *arguments]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error:")
