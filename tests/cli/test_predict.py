"""atomgraph predict: a copy with predictions; the input stays as it is, and nothing is written by halves."""

import ase.io
import numpy as np
import pytest
import tiny

from atomgraph.cli import main


@pytest.fixture
def model(tmp_path):
    tiny.potential().save(tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "in.xyz"
    frames = tiny.labelled(tiny.structures()[:4], tiny.potential(seed=3))
    frames[0].info["temperature"] = 300.0
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.mark.parametrize("name", ["out.xyz", "out.extxyz.gz", "out.traj", "out.db", "out.json"])
def test_what_is_read_back_is_what_the_potential_says(model, data, tmp_path, name):
    before = data.read_bytes()
    assert main(["predict", model, str(data), str(tmp_path / name)]) == 0
    written = ase.io.read(tmp_path / name, ":")
    for atoms, numbers in zip(written, tiny.potential().predict(tiny.structures()[:4]), strict=True):
        assert atoms.get_potential_energy() == pytest.approx(numbers["energy"], abs=1e-6)
        np.testing.assert_allclose(atoms.get_forces(), numbers["forces"], atol=1e-6)
        assert ("stress" in atoms.calc.results) == np.isfinite(numbers["stress"]).all()
        if "stress" in atoms.calc.results:
            np.testing.assert_allclose(atoms.get_stress(voigt=False), numbers["stress"], atol=1e-7)
    assert data.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "in.xyz", name}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--dtype", "float46"], "float64"), (["--dtype", "mixed", "--no-compile"], "float32 or float64")],
)
def test_a_dtype_that_cannot_be_is_one_line_and_exit_code_two(model, data, tmp_path, capsys, words, said):
    assert main(["predict", model, str(data), str(tmp_path / "out.xyz"), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert not (tmp_path / "out.xyz").exists()


def test_what_else_is_known_of_a_structure_stays(model, data, tmp_path):
    main(["predict", model, str(data), str(tmp_path / "out.xyz")])
    info = ase.io.read(tmp_path / "out.xyz", 0).info
    assert info["temperature"] == 300.0 and info["config_type"] == "crystal" and "source" not in info


@pytest.mark.parametrize("target", ["in.xyz", "./in.xyz"])
def test_the_input_is_never_the_output(model, data, tmp_path, target, capsys):
    before = data.read_bytes()
    assert main(["predict", model, str(data), str(tmp_path / target), "--overwrite"]) == 2
    assert data.read_bytes() == before and "is the input" in capsys.readouterr().err


def test_an_older_file_is_overwritten_only_when_asked(model, data, tmp_path, capsys):
    (tmp_path / "out.xyz").write_text("mine")
    assert main(["predict", model, str(data), str(tmp_path / "out.xyz")]) == 2
    assert (tmp_path / "out.xyz").read_text() == "mine" and "--overwrite" in capsys.readouterr().err
    assert main(["predict", model, str(data), str(tmp_path / "out.xyz"), "--overwrite"]) == 0
    assert len(ase.io.read(tmp_path / "out.xyz", ":")) == 4


def test_an_unknown_element_leaves_no_file(model, tmp_path, capsys):
    ase.io.write(tmp_path / "gold.xyz", ase.Atoms("Au"), format="extxyz")
    assert main(["predict", model, str(tmp_path / "gold.xyz"), str(tmp_path / "out.xyz")]) == 2
    assert "unknown elements Au" in capsys.readouterr().err and not (tmp_path / "out.xyz").exists()


def test_a_format_that_cannot_hold_predictions_is_refused_before_the_work(model, data, tmp_path, capsys):
    assert main(["predict", model, str(data), str(tmp_path / "out.cif")]) == 2
    assert "out.cif" in capsys.readouterr().err
