"""What fails only at its end is checked before the work, and no command replaces its own input."""

import ase.io
import pytest
from helpers import tiny_structures as tiny

from atomgraph.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.potential().save("model.safetensors")
    ase.io.write("in.xyz", tiny.labelled(tiny.structures()[:2], tiny.potential(seed=3)), format="extxyz")
    (tmp_path / "afile").write_text("text")
    (tmp_path / "folder.xyz").mkdir()
    (tmp_path / "folder.safetensors").mkdir()
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("evaluate model.safetensors in.xyz --out afile/x", "afile is a file, not a folder"),
        ("evaluate model.safetensors in.xyz --out afile", "afile is a file, not a folder"),
        ("check in.xyz --json nofolder/x.json", "there is no folder nofolder"),
        ("check in.xyz --json afile/x.json", "afile is a file, not a folder"),
        ("check in.xyz --json in.xyz", "in.xyz is the input"),
        ("predict model.safetensors in.xyz folder.xyz --overwrite", "folder.xyz is a folder"),
        ("relax model.safetensors in.xyz --out folder.xyz --overwrite", "folder.xyz is a folder"),
        ("md model.safetensors in.xyz --out folder.xyz --overwrite", "folder.xyz is a folder"),
        ("convert model.safetensors afile/x.safetensors", "afile is a file, not a folder"),
        ("convert model.safetensors folder.safetensors --overwrite", "folder.safetensors is a folder"),
        ("convert model.safetensors model.safetensors --overwrite", "model.safetensors is the input"),
        ("convert-data in.xyz afile/x.xyz", "afile is a file, not a folder"),
        ("convert-data in.xyz in.xyz --overwrite", "in.xyz is the input"),
        ("convert-data i*.xyz in.xyz --overwrite", "in.xyz is the input"),
        ("relax model.safetensors in.xyz --out in.xyz --overwrite", "in.xyz is the input"),
        ("relax model.safetensors in.xyz@0 --out in.xyz --overwrite", "in.xyz is the input"),
        ("md model.safetensors in.xyz --out ./in.xyz --overwrite", "in.xyz is the input"),
        ("predict model.safetensors in.xyz in.xyz --overwrite", "in.xyz is the input"),
    ],
)
def test_invalid_targets_are_refused_before_the_work(folder, capsys, arguments, said):
    before = contents(folder)
    assert main(arguments.split()) == 2
    shown = capsys.readouterr()
    assert said in shown.err and shown.err.count("\n") == 1 and shown.out == ""
    assert contents(folder) == before


def test_a_link_to_the_input_is_the_input(folder, capsys):
    (folder / "link.xyz").symlink_to(folder / "in.xyz")
    assert main(["convert-data", "in.xyz", "link.xyz", "--overwrite"]) == 2
    assert "is the input" in capsys.readouterr().err


def test_evaluate_does_not_replace_the_metrics_of_a_run(folder, capsys):
    run = folder / "run"
    run.mkdir()
    for name in ("config.yaml", "metrics.json"):
        (run / name).write_text("{}")
    assert main(["evaluate", "model.safetensors", "in.xyz", "--out", "run", "--overwrite"]) == 2
    assert "is a run folder" in capsys.readouterr().err and (run / "metrics.json").read_text() == "{}"
