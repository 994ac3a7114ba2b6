"""Structure files in every command: types without elements, formats, labels that do not matter, what predict wrote."""

import ase.io
import numpy as np
import pytest
from helpers import tiny_structures as tiny

from atomgraph import train
from atomgraph.cli import main
from atomgraph.data import read
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS pp pp pp
0 6
0 6
0 6
ITEM: ATOMS id type x y z fx fy fz
1 1 0 0 0 0.1 0 0
2 2 0 0 1.0 -0.1 0 0
3 2 0 1.1 0 0 0 0
"""
COMMANDS = {
    "predict": ["predict", "MODEL", "DATA", "out.xyz"],
    "evaluate": ["evaluate", "MODEL", "DATA"],
    "check": ["check", "DATA"],
    "relax": ["relax", "MODEL", "DATA", "--steps", "1", "--fmax", "1e9"],
    "md": ["md", "MODEL", "DATA", "--steps", "1"],
    "verify": ["verify", "MODEL", "DATA", "--nve-steps", "0"],
    "benchmark": ["benchmark", "MODEL", "DATA", "--seconds", "0"],
    "convert-data": ["convert-data", "DATA", "converted.xyz"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.potential().save(tmp_path / "model.safetensors")
    (tmp_path / "a.lammpstrj").write_text(DUMP)
    return tmp_path


def words_of(name, data):
    return [{"MODEL": "model.safetensors", "DATA": data}.get(word, word) for word in COMMANDS[name]]


@pytest.mark.parametrize("name", COMMANDS)
def test_types_without_elements_are_refused_and_named_in_every_command(folder, capsys, name):
    """Types 1 and 2 became hydrogen and helium."""
    arguments = words_of(name, "a.lammpstrj")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and '--types "Cu Au"' in error
    assert main([*arguments, "--types", "O H"]) in ((0, 1) if name == "verify" else (0,)), capsys.readouterr().err


def test_types_are_a_key_of_training(folder):
    """So they are for fine-tuning, whose data are read by the same schema."""
    config = {
        "data": {"train": "a.lammpstrj", "valid": None},
        "model": {"kind": "GCN", "elements": "auto", "cutoff": 3.0, "channels": 4},
        "baseline": {"e0": {"H": 0.0, "O": 0.0}, "scale": 1.0},
        "fit": {"max_epochs": 1, "terms": [{"property": "forces"}]},
        "output": {"folder": "run", "report": False},
    }
    with pytest.raises(DataError, match=r"data.types: \[Cu, Au\]"):
        train(config, quiet=True)
    config["data"]["types"] = ["O", "H"]
    potential, _ = train(config, quiet=True)
    assert potential.elements == ["H", "O"]


@pytest.mark.parametrize("name", ["predict", "relax", "md", "verify", "benchmark"])
def test_bad_labels_are_ignored_where_unused(folder, name):
    text = "3\nProperties=species:S:1:pos:R:3:forces:R:3 energy=inf stress=none\n"
    (folder / "a.xyz").write_text(text + "O 0 0 0 nan 0 0\nH 0 0 1 0 0 0\nH 0 1.1 0 0 0 0\n")
    assert main(words_of(name, "a.xyz")) in ((0, 1) if name == "verify" else (0,))


@pytest.mark.parametrize("name", ["predict", "evaluate", "check", "relax", "md", "verify", "benchmark", "convert-data"])
def test_every_command_takes_a_format(folder, name, capsys):
    ase.io.write(folder / "a.exyz", tiny.labelled(tiny.structures()[1:2], tiny.potential()), format="extxyz")
    arguments = words_of(name, "a.exyz")
    assert main(arguments) == 2 and "--format extxyz" in capsys.readouterr().err
    assert main([*arguments, "--format", "extxyz"]) in ((0, 1) if name == "verify" else (0,))


@pytest.mark.parametrize("name", ["out.xyz", "out.extxyz.gz", "out.traj", "out.db", "out.json"])
def test_what_predict_wrote_can_be_read_back(folder, name):
    frames = tiny.structures()
    frames.append(ase.Atoms("O", positions=[[0, 0, 0]]))
    ase.io.write(folder / "in.xyz", frames, format="extxyz")
    assert main(["predict", "model.safetensors", "in.xyz", name]) == 0
    frame = read(name)
    assert len(frame) == len(frames)
    for atoms, numbers in zip(frame, tiny.potential().predict(frames), strict=True):
        labels = get_labels(atoms)
        assert labels["energy"] == pytest.approx(numbers["energy"], abs=1e-6)
        np.testing.assert_allclose(labels["forces"], numbers["forces"], atol=1e-6)
        assert ("stress" in labels) == bool(np.isfinite(numbers["stress"]).all())
    assert main(["evaluate", "model.safetensors", name]) == 0
    assert main(["predict", "model.safetensors", name, "again.xyz"]) == 0


def test_one_structure_is_singular(folder, capsys):
    ase.io.write(folder / "in.xyz", tiny.structures()[1], format="extxyz")
    assert main(["predict", "model.safetensors", "in.xyz", "out.xyz"]) == 0
    assert "1 structure with" in capsys.readouterr().out
    assert main(["check", "in.xyz"]) == 0
    assert capsys.readouterr().out.startswith("1 frame, 3 atoms")


def test_evaluate_lists_existing_keys(folder, capsys):
    (folder / "a.xyz").write_text("1\nProperties=species:S:1:pos:R:3:force:R:3 dft_energy=-1\nO 0 0 0 0 0 0\n")
    assert main(["evaluate", "model.safetensors", "a.xyz"]) == 2
    assert "keys found: dft_energy, force" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["out.xyz", "out.xyz.gz", "out.traj", "out.db", "out.json"])
def test_converted_data_are_in_ev_and_angstrom(folder, capsys, target):
    atom = "atom {} 0 0 {} 0 0 0.1 0 0\n"
    text = "begin\n" + atom.format(0, "O") + atom.format(2, "H") + "energy -1.0\ncharge 0\nend\n"
    (folder / "input.data").write_text(text * 2)
    arguments = ["convert-data", "input.data", target, "--unit", "energy=eV", "--unit", "length=Å"]
    assert main(arguments) == 0
    assert f"2 structures with energy, forces in {target}" in capsys.readouterr().out
    frames = read(target)
    assert len(frames) == 2 and get_labels(frames[0])["energy"] == -1.0
    assert frames[0].get_distance(0, 1) == pytest.approx(2.0)
    assert main(arguments) == 2 and "exists" in capsys.readouterr().err


def test_unwritable_entries_are_named_in_conversion(folder, capsys):
    for target, said in {
        "out.cif": "cannot determine the format",
        "nofolder/out.xyz": "no folder nofolder",
        "out.db.gz": "only",
    }.items():
        assert main(["convert-data", "a.lammpstrj", target, "--types", "O H"]) == 2
        assert said in capsys.readouterr().err
