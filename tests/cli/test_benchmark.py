"""atomgraph benchmark: figures for a potential on a structure, with the hardware they belong to."""

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from helpers import tiny_structures as tiny

import atomgraph
from atomgraph.analysis.speed import force_errors, measure_speed
from atomgraph.cli import main


@pytest.fixture
def saved(tmp_path):
    tiny.potential().save(tmp_path / "model.safetensors")
    ase.io.write(tmp_path / "crystal.xyz", bulk("Si"), format="extxyz")
    ase.io.write(tmp_path / "molecule.xyz", molecule("H2O"), format="extxyz")
    return tmp_path


def told(saved, capsys, *arguments, structure="crystal"):
    code = main(
        ["benchmark", str(saved / "model.safetensors"), str(saved / f"{structure}.xyz"), "--seconds", "0", *arguments]
    )
    return code, capsys.readouterr()


def test_it_names_the_structure_the_threads_and_the_hardware(saved, capsys):
    n_threads = torch.get_num_threads()
    code, said = told(saved, capsys, "--repeat", "2", "--threads", "1")
    assert code == 0 and torch.get_num_threads() == n_threads
    for arguments in ("Si16, 16 atoms", "float64", "1 thread", torch.__version__, "plain", "µs/atom"):
        assert arguments in said.out


def test_compiled_forms_get_their_columns(saved, capsys, monkeypatch):
    monkeypatch.setattr(atomgraph, "compile", lambda potential, dtype: tiny.potential(), raising=False)
    out = told(saved, capsys)[1].out
    for arguments in ("plain", "compiled", "float64", "mixed", "largest error of forces"):
        assert arguments in out
    out = told(saved, capsys, "--dtype", "float32")[1].out
    assert out.count("float32") == 2 and "mixed" not in out
    monkeypatch.setattr(atomgraph, "compile", lambda potential, dtype: potential, raising=False)
    assert "compiled" not in told(saved, capsys)[1].out


def test_errors_are_those_of_forces_by_their_root_mean_square():
    exact, second, atoms = tiny.potential(), tiny.potential(seed=3), molecule("H2O")
    expected, measured_error = (first.predict([atoms])[0]["forces"] for first in (exact, second))
    errors = force_errors(exact, [exact, second], atoms)
    assert errors == [0.0, pytest.approx(np.abs(measured_error - expected).max() / np.sqrt(np.mean(expected**2)))]
    assert np.isnan(force_errors(exact, [exact], Atoms("H")))


@pytest.mark.parametrize(
    ("arguments", "structure"),
    [
        (["--repeat", "2"], "molecule"),
        (["--repeat", "0"], "crystal"),
        (["--repeat", "2,x"], "crystal"),
        ([], "nowhere"),
    ],
)
def test_errors_of_the_user_are_one_line_and_exit_code_two(saved, capsys, arguments, structure):
    code, said = told(saved, capsys, *arguments, structure=structure)
    assert code == 2 and said.err.startswith("error: ") and said.err.count("\n") == 1


class Hungry(torch.nn.Module):
    """Stands in for a potential: takes 200 MB."""

    cutoff, device = 3.5, torch.device("cpu")

    def evaluate(self, graph, **_):
        taken = torch.ones(25_000_000, dtype=torch.float64)
        return float(taken.sum())


def test_memory_is_that_of_an_evaluation():
    speed = measure_speed(Hungry(), bulk("Si"), seconds=0.0)
    assert 150e6 < speed.memory < 300e6
    assert speed.forces > 0 and speed.stress > 0 and speed.graph > 0
