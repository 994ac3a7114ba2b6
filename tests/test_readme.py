"""What the README says works, snippet by snippet."""

import re
from pathlib import Path

import pytest
import yaml

from atomgraph import Potential, load
from atomgraph.cli import COMMANDS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def snippets(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_yaml_and_python_of_the_readme_run(tmp_path, monkeypatch, capsys):
    """One epoch on every tenth structure; all else as it is written."""
    monkeypatch.chdir(tmp_path)
    (config,) = map(yaml.safe_load, snippets("yaml"))
    assert config["fit"].pop("max_epochs") == 100
    config["data"]["train"] = f"{ROOT / config['data']['train']}@::10"
    config["data"]["test"] = f"{ROOT / config['data']['test']}@::5"
    config["fit"]["max_epochs"] = 1
    Path("silicon.yaml").write_text(yaml.safe_dump(config))
    training, composing = snippets("python")
    names = {}
    exec(training, names)
    assert Path("runs/silicon/report.html").is_file()
    potential = load("silicon.safetensors")
    energy = names["atoms"].get_potential_energy()
    assert potential.predict([names["atoms"]])[0]["energy"] == pytest.approx(energy, abs=1e-3)
    exec(composing, names)
    assert isinstance(names["potential"], Potential)
    assert names["potential"].cutoff == 5.0


def test_links_of_the_readme_lead_somewhere():
    targets = [target for target in re.findall(r"\]\(([^)#]+)", TEXT) if "://" not in target]
    assert len(targets) > 5
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_commands_of_the_readme_are_all_commands():
    assert set(re.findall(r"atomgraph ([a-z-]+)", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))) >= set(COMMANDS)
    table = re.findall(r"^\| (.*?) \|", TEXT, re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`atomgraph ([a-z-]+)", cell)}
    assert named == set(COMMANDS)


def test_targets_of_the_readme_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    assert [name for name in re.findall(r"make ([a-z-]+)", TEXT) if not re.search(rf"^{name}:", makefile, re.M)] == []
