"""atomgraph evaluate: the table on the screen and the same numbers in files."""

import csv
import errno
import json
import os

import ase.io
import pytest
from helpers import tiny_structures as tiny

from atomgraph.cli import main


@pytest.fixture
def model(tmp_path):
    tiny.potential().save(tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.xyz"
    ase.io.write(path, tiny.labelled(tiny.structures()[:4], tiny.potential(seed=3)), format="extxyz")
    return str(path)


def test_the_table_has_a_row_a_type_units_and_the_hardware(model, data, capsys):
    assert main(["evaluate", model, data]) == 0
    printed = capsys.readouterr().out
    for arguments in ("crystal", "molecule", "all", "meV/atom", "eV/Å", "GPa", "MAE", "RMSE", "atoms/s", "torch"):
        assert arguments in printed


def test_out_holds_the_same_numbers(model, data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["evaluate", model, data, data, "--out", str(out)]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["all"]["structures"] == 8 and metrics["speed"]["seconds"] > 0
    rows = list(csv.DictReader((out / "errors.csv").open()))
    energies = [abs(float(row["energy_error (meV/atom)"])) for row in rows]
    assert sum(energies) / 8 == pytest.approx(metrics["all"]["energy"]["mae"])
    assert {p.name for p in out.glob("*.svg")} == {
        f"{k}-{q}.svg" for k in ("parity", "histogram") for q in metrics["units"]
    }


def test_existing_folder_is_not_written_into(model, data, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    assert main(["evaluate", model, data, "--out", str(tmp_path / "out")]) == 2
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    assert capsys.readouterr().err.startswith("error: ")


def test_full_disk_leaves_no_partial_folder(model, data, tmp_path, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["evaluate", model, data, "--out", str(tmp_path / "out")]) == 2
    assert "No space left on device" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_structures_without_labels_are_an_error(model, tmp_path, capsys):
    ase.io.write(tmp_path / "bare.xyz", tiny.structures()[:2], format="extxyz")
    assert main(["evaluate", model, str(tmp_path / "bare.xyz"), "--out", str(tmp_path / "out")]) == 2
    assert "--key" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_labels_under_other_names_are_found_by_keys(model, tmp_path, capsys):
    frames = []
    for atoms in tiny.labelled(tiny.structures()[:2], tiny.potential(seed=3)):
        energy, atoms.calc = atoms.calc.results["energy"], None
        atoms.info["dft"] = energy
        frames.append(atoms)
    ase.io.write(tmp_path / "keys.xyz", frames, format="extxyz")
    assert main(["evaluate", model, str(tmp_path / "keys.xyz"), "--key", "energy=dft"]) == 0
    assert main(["evaluate", model, str(tmp_path / "keys.xyz"), "--key", "energy"]) == 2
    assert "LABEL=VALUE" in capsys.readouterr().err


def test_several_heads_and_none_chosen_lists_them(data, tmp_path, capsys):
    tiny.potential(heads=["dft", "cc"]).save(tmp_path / "two.safetensors")
    assert main(["evaluate", str(tmp_path / "two.safetensors"), data]) == 2
    assert "dft, cc" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "two.safetensors"), data, "--head", "cc"]) == 0
