import json
from pathlib import Path

import ase.io
import pytest

from atomgraph.cli import main
from atomgraph.data import read

SILICON = Path(__file__).parents[2] / "examples" / "data" / "mlearn_Si"


@pytest.fixture
def elastic(tmp_path):
    path = tmp_path / "elastic.xyz"
    ase.io.write(path, read(f"{SILICON}/train.xyz.gz@160:170"))
    return path


def test_correct_data_give_exit_code_0_and_a_census(capsys, elastic):
    assert main(["check", str(elastic)]) == 0
    said = capsys.readouterr().out
    assert "10 frames, 640 atoms: Si 640" in said and "energy per atom, eV" in said and "wrong" not in said


def test_leakage_ends_with_1_and_names_the_frames(capsys, tmp_path):
    record = tmp_path / "check.json"
    arguments = ["check", f"{SILICON}/test.xyz.gz", "--against", f"{SILICON}/train.xyz.gz", "--json", str(record)]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert "wrong: leakage, 3 found" in said and "test.xyz.gz#22" in said
    written = json.loads(record.read_text())
    assert written["census"]["n_frames"] == 25 and len(written["fingerprint"]) == 64
    assert [f["check"] for f in written["findings"]].count("leakage") == 3


def test_unusable_frame_is_a_finding(capsys, elastic):
    frames = ase.io.read(elastic, ":")
    frames[3].positions[1] = frames[3].positions[0]
    ase.io.write(elastic, frames)
    assert main(["check", str(elastic)]) == 1
    said = capsys.readouterr().out
    assert "9 frames" in said and "unusable frame" in said and "same position" in said and "elastic.xyz" in said


def test_keys_and_units_are_taken(capsys, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text('1\nProperties=species:S:1:pos:R:3 REF_energy=-0.5 pbc="F F F"\nH 0.0 0.0 0.0\n')
    assert main(["check", str(path), "--key", "energy=REF_energy", "--unit", "energy=Hartree"]) == 0
    assert "-13.6" in capsys.readouterr().out
    assert main(["check", str(path), "--key", "energy"]) == 2
    assert "LABEL=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "said"), [(None, "no file"), ("", "is empty"), ("3\n\nH 0 0 0\n", "cut short")])
def test_unreadable_files_are_one_line_and_exit_code_2(capsys, tmp_path, content, said):
    path = tmp_path / "a.xyz"
    if content is not None:
        path.write_text(content)
    assert main(["check", str(path), "--json", str(tmp_path / "out.json")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and err.count("\n") == 1
    assert not (tmp_path / "out.json").exists()
