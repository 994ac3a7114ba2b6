"""The documentation says what the code says: files, keys, arguments, commands, options, snippets."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import Field

import atomgraph
from atomgraph import Potential, models
from atomgraph.cli import COMMANDS
from atomgraph.config import read_config, read_finetune_config
from atomgraph.config.schema import Config, Section

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = Path(atomgraph.__file__).parent
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("measurements/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
SHOWN_IN_THEORY = ("ops", "featurizers", "layers", "readouts", "models")


def module(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    sys.modules[name] = loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


generate = module("generate")


def snippets(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


# names in the pages exist


@BY_PAGE
def test_files_that_are_named_exist(page):
    named = re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|yaml|md|txt))`", page.read_text())
    packages = {path.name for path in PACKAGE.iterdir()}
    missing = [n for n in named if not ((PACKAGE if n.split("/")[0] in packages else ROOT) / n).exists()]
    assert [name for name in missing if not name.startswith("runs/")] == []


@BY_PAGE
def test_pages_that_are_linked_exist(page):
    text = page.read_text()
    linked = re.findall(r"\{doc\}`(?:[^`<]*<)?([\w/-]+)>?`", text)
    folders = {True: DOCS, False: page.parent if page.is_relative_to(DOCS) else DOCS}
    files = [folders[name.startswith("/")] / f"{name.strip('/')}.md" for name in linked]
    assert [path.name for path in files if not path.is_file()] == []


@pytest.mark.parametrize("package", SHOWN_IN_THEORY)
def test_every_equation_has_its_row(package):
    text = (DOCS / "theory.md").read_text()
    files = [f"{package}/{path.name}" for path in (PACKAGE / package).glob("*.py") if path.name != "__init__.py"]
    assert [name for name in files if f"`{name}`" not in text] == []


def test_every_package_is_in_the_architecture():
    text = (DOCS / "architecture.md").read_text()
    packages = [p for p in PACKAGE.iterdir() if p.is_dir() and not p.name.startswith("_")]
    files = [p for p in PACKAGE.glob("*.py") if not p.name.startswith("_")]
    names = [*(f"{package.name}/" for package in packages), *(file.name for file in files)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_example_stands_in_the_first_steps():
    text = (DOCS / "first-steps.md").read_text()
    assert [p.name for p in (ROOT / "examples").glob("[0-9]*.py") if f"`{p.name}`" not in text] == []


# snippets


@BY_PAGE
def test_yaml_is_a_configuration_or_a_piece_of_one(page):
    for text in snippets(page, "yaml"):
        config = {"data": {"train": "mine.xyz"}, "output": {"folder": "runs/mine"}}
        config["model"] = {"kind": "GCN", "elements": "auto", "cutoff": 5.0}
        own = yaml.safe_load(text)
        if "start" in own:
            assert read_finetune_config(own).start.model
            continue
        if "my_parts" in text:
            text, own = "", yaml.safe_load(text.replace("my_parts.GatedConvolution, ", "LayerNorm, "))
        assert read_config(config | own).data.train


@BY_PAGE
def test_commands_and_their_options_exist(page):
    for line in [line for text in snippets(page, "sh") for line in text.splitlines()]:
        words = re.search(r"\batomgraph ([a-z]+)(.*)", line.partition("#")[0])
        if words is None or "pip install" in line:
            continue
        assert words[1] in COMMANDS, line
        known = generate.help_of(words[1])
        assert [option for option in re.findall(r"--[a-z-]+", words[2]) if option not in known] == [], line


@BY_PAGE
def test_python_is_python(page):
    for text in snippets(page, "python"):
        ast.parse(text)


def test_python_of_the_first_steps_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("runs/behler_parrinello").mkdir(parents=True)
    Potential(models.BehlerParrinello(["Si"], 5.0)).save("runs/behler_parrinello/model.safetensors")
    names = {}
    for text in snippets(DOCS / "first-steps.md", "python"):
        exec(text, names)
    assert "['Si'] 5.0" in capsys.readouterr().out


def test_layer_page_works_as_it_is_written(tmp_path, monkeypatch):
    layer, laws, using = snippets(DOCS / "write-a-layer.md", "python")
    example = (ROOT / "examples" / "03_a_layer_of_your_own.py").read_text()
    assert layer[layer.index("class ") :].strip() in example
    (tmp_path / "my_parts.py").write_text(layer)
    (tmp_path / "test_my_parts.py").write_text(laws)
    monkeypatch.syspath_prepend(tmp_path)
    names = {}
    exec(using, names)
    assert names["model"].cutoff == 4.5
    text = next(text for text in snippets(DOCS / "write-a-layer.md", "yaml") if "my_parts" in text)
    assert read_config(yaml.safe_load(text)).model["kind"] == "EnergyModel"
    sys.modules.pop("my_parts")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_parts.py"]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout


def test_fine_tuning_page_begins_with_runs_on_bundled_data(tmp_path, monkeypatch):
    """Both configurations as they are written, but for one epoch and fewer structures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    source, tuning = map(yaml.safe_load, snippets(DOCS / "fine-tuning.md", "yaml")[:2])
    assert tuning["start"]["model"] == source["output"]["folder"]
    for config in (source, tuning):
        config["fit"] |= {"max_epochs": 1, "accelerator": "cpu"}
        config["output"]["report"] = False
    source["data"]["train"] = source["data"]["train"].replace("@69::3", "@69::20")
    tuning["data"] |= {"train": tuning["data"]["train"].replace("@:57:2", "@:57:12"), "valid": 1, "test": None}
    atomgraph.train(source, quiet=True)
    potential, _ = atomgraph.finetune(tuning, quiet=True)
    assert potential.heads == ["default", "target"]


def test_python_of_the_ase_page_imports_what_is_there():
    for text in snippets(DOCS / "use-it-in-ase.md", "python"):
        exec("\n".join(line for line in text.splitlines() if line.startswith(("from ", "import "))), {})


@pytest.mark.slow
def test_python_of_the_ase_page_gives_sane_silicon(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    pages = snippets(DOCS / "train-on-your-data.md", "yaml")
    atomgraph.train(yaml.safe_load(next(text for text in pages if "silicon_ace" in text)), quiet=True)
    names = {}
    for text in snippets(DOCS / "use-it-in-ase.md", "python"):
        exec(text, names)
        if "EquationOfState(" in text:
            assert (4 * names["volume"]) ** (1 / 3) == pytest.approx(5.46, abs=0.03)
    assert names["a"] == pytest.approx(5.46, abs=0.03)
    assert names["modulus"] / names["units"].GPa == pytest.approx(90, abs=10)
    assert names["optical"] == pytest.approx(15, abs=2)
    assert 200 < names["atoms"].get_temperature() < 500
    assert 0 < names["path"].max() < 1


# generated pages


def test_every_key_and_argument_is_described(tmp_path):
    for page in generate.write_pages(tmp_path):
        assert page.stat().st_size > 1000
    keys = (tmp_path / "config-keys.md").read_text()
    for section in Config.model_fields:
        assert f"``{section}``" in keys
    for key in ("fit.optimizer", "fit.terms[i].weight", "fit.schedule[i]", "data"):
        assert f"### `{key}`" in keys
    tuning = (tmp_path / "finetune-keys.md").read_text()
    for key in ("start", "method", "replay", "fit.optimizer", "audit", "card", "compare"):
        assert f"### `{key}`" in tuning
    assert "### `data`" not in tuning and "``keep_elements``" in tuning
    parts = (tmp_path / "parts.md").read_text()
    for name in ("GCN", "SymmetryFunctions", "PolynomialFilter", "Linear", "ZBL"):
        assert f"### {name}\n" in parts
    commands = (tmp_path / "commands.md").read_text()
    assert [name for name in COMMANDS if f"## atomgraph {name}\n" not in commands] == []


def test_a_key_without_a_description_ends_the_build(monkeypatch, tmp_path):
    class Untold(Section):
        """A section."""

        told: int = Field(default=1, description="FileHints.")
        untold: int = 2

    monkeypatch.setattr(generate, "Config", Untold)
    with pytest.raises(generate.Undescribed, match=r"no description for untold;"):
        generate.write_pages(tmp_path / "pages")
    assert not (tmp_path / "pages").exists()


def test_arguments_are_read_from_google_sections():
    class Documented:
        r"""Half a wave: :math:`f(r)`.

        Its curvature jumps.

        Args:
            length: (n_edges,) in Å.
            cutoff, inner: :math:`r_c` in Å,
                positive.

        Raises:
            WiringError: Unless 0 ≤ inner.

        Source: Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
        """

    summary, arguments = generate.docstring_of(Documented)
    assert summary == "Half a wave: :math:`f(r)`."
    assert arguments["length"] == "(n_edges,) in Å."
    assert arguments["cutoff"] == arguments["inner"] == ":math:`r_c` in Å, positive."
    assert set(arguments) == {"length", "cutoff", "inner"}


@pytest.mark.slow
def test_documentation_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-W", "--keep-going", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "list-table" not in (tmp_path / "config.html").read_text()
