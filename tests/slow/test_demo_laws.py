"""Every potential that the demo trains keeps the laws, as ``atomgraph verify`` tries them. About ten minutes."""

import runpy
from pathlib import Path

import pytest

import atomgraph
from atomgraph.analysis.laws import laws
from atomgraph.config import read_config

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
FAMILIES = runpy.run_path(str(ROOT / "examples/demo.py"))["FAMILIES"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_potential_of_the_demo_keeps_the_laws(tmp_path, monkeypatch, name):
    monkeypatch.chdir(ROOT)
    config, overrides = FAMILIES[name]
    more = [f"output.folder={tmp_path / 'run'}", "output.report=false", "data.cache=false"]
    potential, _ = atomgraph.train(read_config(config, [*overrides, *more]), quiet=True)
    broken = [str(law) for law in laws(potential.double(), nve_steps=400) if not law.passed]
    assert not broken
