"""atomgraph migrate: old names in a file are replaced, comments and order stay."""

from pathlib import Path

import pytest
import yaml

from atomgraph.cli import main
from atomgraph.config import read_config, read_finetune_config
from atomgraph.config.old_keys import replace_old_names
from atomgraph.config.reading import parse

OLD = """# a run
seed: 1
data: {train: a.xyz}  # my data
model: {kind: ACE, elements: auto, cutoff: 5.0}
fit:
  kind: least_squares
  "grows": root   # as gap_fit does
  scaled: false
output: {folder: run}
"""
NEW = """# a run
seed: 1
data: {train: a.xyz}  # my data
model: {kind: ACE, elements: auto, cutoff: 5.0}
fit:
  kind: least_squares
  energy_error_scaling: sqrt   # as gap_fit does
  scale_columns: false
output: {folder: run}
"""
OLDER = Path(__file__).parents[1] / "older" / "configs"


def test_names_are_replaced_where_they_stand(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text(OLD)
    assert main(["migrate", str(path)]) == 0
    assert path.read_text() == NEW
    printed = capsys.readouterr().out
    assert "fit.scaled -> fit.scale_columns" in printed and "3 names changed" in printed
    assert main(["migrate", str(path)]) == 0
    assert "no old names; nothing is written" in capsys.readouterr().out and path.read_text() == NEW


def test_another_file_is_written_and_the_first_stays(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(OLD)
    assert main(["migrate", str(path), "--out", str(tmp_path / "new.yaml")]) == 0
    assert path.read_text() == OLD and (tmp_path / "new.yaml").read_text() == NEW


@pytest.mark.parametrize("name", sorted(path.name for path in OLDER.glob("*.yaml")))
def test_configurations_of_the_last_release_are_migrated(tmp_path, name):
    before = (OLDER / name).read_text()
    path = tmp_path / name
    path.write_text(before)
    assert main(["migrate", str(path)]) == 0
    after = path.read_text()
    assert parse(after) == replace_old_names(parse(before))[0] and not replace_old_names(parse(after))[1]
    assert [line for line in after.splitlines() if "#" in line] != [] or "#" not in before
    checked = (read_finetune_config if name.startswith("finetune") else read_config)(path)
    assert checked.seed == parse(before).get("seed", 0)


def test_a_text_that_cannot_be_edited_in_place_is_written_as_plain_yaml_only_when_asked(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    text = OLD.replace('"grows": root ', "? grows\n  : &how root\n  #").replace("scaled: false", "scaled: false")
    aliased = text + "note: *how\n"  # the value of another key is the same text
    path.write_text(aliased)
    assert main(["migrate", str(path)]) == 2
    assert "--plain writes plain YAML" in capsys.readouterr().err and path.read_text() == aliased
    assert main(["migrate", str(path), "--plain"]) == 0
    assert yaml.safe_load(path.read_text())["fit"]["energy_error_scaling"] == "sqrt"


def test_what_is_no_configuration_is_one_line(tmp_path, capsys):
    path = tmp_path / "list.yaml"
    path.write_text("[1, 2]")
    assert main(["migrate", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: a configuration is a mapping")
    assert main(["migrate", str(tmp_path / "none.yaml")]) == 2
