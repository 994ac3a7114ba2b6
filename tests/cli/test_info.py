"""atomgraph info: everything that the file says, for people and for programs."""

import json

import pytest
import safetensors.torch
from helpers import tiny_structures as tiny

from atomgraph.cli import main
from atomgraph.formats import native


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    metadata = {
        "e0_origin": "isolated atoms in train.xyz",
        "data": {"fingerprint": "abc123"},
        "note": "[bold]x[/nothing]",
    }
    tiny.potential(metadata=metadata).save(path)
    return path


def test_it_says_what_the_potential_is_for_and_where_it_comes_from(saved, capsys):
    assert main(["info", str(saved)]) == 0
    printed = capsys.readouterr().out
    for arguments in (
        "H, O, Si",
        "3.5 Å",
        "float64",
        "-3.000000",
        "isolated atoms in train.xyz",
        "abc123",
        "helpers.tiny_structures.Humps",
    ):
        assert arguments in printed
    assert "[bold]x[/nothing]" in printed


def test_json_is_json_and_whole(saved, capsys):
    assert main(["info", "--json", str(saved)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["elements"] == ["H", "O", "Si"] and printed["metadata"]["data"]["fingerprint"] == "abc123"
    assert printed["architecture"]["branches"]["cutoff"] == 3.5 and printed["units"] == {"energy": "eV", "length": "Å"}


def test_a_run_folder_is_as_good_as_its_file(saved, capsys):
    assert main(["info", str(saved.parent)]) == 0


@pytest.mark.parametrize(
    "arguments", [["nowhere"], ["{}", "--elements", "Cu"], ["{}", "--head", "x"], ["{}", "--import", "nomod"]]
)
def test_errors_of_the_user_are_one_line_and_exit_code_two(saved, capsys, arguments):
    assert main(["info", *(w.format(saved) for w in arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ") and printed.err.count("\n") == 1


def test_errors_are_summed_up_and_the_configuration_is_left_to_json(tmp_path, capsys):
    entry = {"units": {"energy": "meV/atom"}, "all": {"energy": {"mae": 3.8731, "rmse": 5.0}}, "config_types": {}}
    metadata = {"metrics": {"test": entry, "training": {"epochs": 3}}, "config": {"seed": 271828}}
    tiny.potential(metadata=metadata).save(tmp_path / "model.safetensors")
    assert main(["info", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "energy MAE 3.87 meV/atom" in printed and "271828" not in printed


def test_it_says_whether_the_file_has_a_checksum(saved, capsys, tmp_path):
    assert main(["info", str(saved)]) == 0
    assert "SHA-256, right" in capsys.readouterr().out
    header = native.read_header(saved)
    header["version"] = 1
    del header["sha256"]
    safetensors.torch.save_file(safetensors.torch.load_file(saved), saved, metadata={"atomgraph": json.dumps(header)})
    assert main(["info", "--json", str(saved)]) == 0
    assert json.loads(capsys.readouterr().out)["checksum"] == "no checksum"
