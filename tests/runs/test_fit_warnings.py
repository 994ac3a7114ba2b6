"""A fit that is worth nothing says so, and ends with exit code 1 after everything is written."""

import json

import ase.io
import pytest
import yaml
from helpers.run_configs import tiny
from helpers.training_data import frames

from atomgraph.cli import main

SNAP = {"kind": "SNAP", "elements": "auto", "cutoff": 1.0, "twojmax": 4}
ACE = {"kind": "ACE", "elements": "auto", "cutoff": 4.0, "n_max": [4, 2], "l_max": [0, 1], "parameters": [[1.0, 1.0]]}
SQUARES = {"kind": "least_squares", "accelerator": "cpu"}


def run(folder, **changes):
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(tiny(folder, **changes)))
    code = main(["train", str(path)])
    return code, json.loads((folder / "run" / "metrics.json").read_text())


def test_atoms_without_neighbours_are_fitted_with_a_warning(tmp_path, capsys):
    """A reach of 1 Å: one constant is fitted of all weights, and the run said that it was."""
    config = tiny(tmp_path) | {"model": SNAP, "fit": SQUARES}
    config["data"].pop("edge_budget")
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["train", str(path)]) == 1
    said = capsys.readouterr().out
    assert "warning: the data determine only 1 of 15 weights" in said
    assert "errors of forces (valid, test) are not smaller than those of predicting zero" in said
    assert len(json.loads((tmp_path / "run" / "metrics.json").read_text())["warnings"]) == 3
    assert "errors of energy (valid, test) are not smaller than those of predicting E0" in said
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.parametrize(("rate", "code"), [(1e-9, 1), (0.01, 0)])
def test_untrained_network_gets_a_warning(tmp_path, capsys, rate, code):
    fit = {"max_epochs": 30 if code == 0 else 1, "optimizer": {"lr": rate}}
    messages, metrics = run(tmp_path, fit=fit)
    assert messages == code and ("warnings" in metrics) == bool(code)
    assert ("warning: the errors of forces (valid, test)" in capsys.readouterr().out) == bool(code)


def test_useless_energies_get_a_warning_beside_good_forces(tmp_path, capsys):
    """Energies of another structure, as a wrong key gives them."""
    structures = frames(16, 0)
    energies = [atoms.get_potential_energy() for atoms in structures]
    for atoms, energy in zip(structures, [*energies[1:], energies[0]], strict=True):
        atoms.calc.results["energy"] = 5.0 * energy
    ase.io.write(tmp_path / "shifted.xyz", structures, format="extxyz")
    config = tiny(tmp_path, data={"train": str(tmp_path / "shifted.xyz"), "valid": 0.25, "test": None})
    config["data"].pop("edge_budget")
    config |= {"model": ACE, "fit": SQUARES | {"sigma": {"energy": 10.0}, "contradictions": "keep"}}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["train", str(path)]) == 1
    said = capsys.readouterr().out
    assert (
        "errors of energy (valid) are not smaller than those of predicting E0" in said
        and "errors of forces" not in said
    )
