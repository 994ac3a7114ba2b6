"""Tests of the layer in examples/03_a_layer_of_your_own.py; a new layer needs only the class TestGatedConvolution."""

import importlib.util
import sys
from pathlib import Path

from atomgraph.testing import LayerLaws, ModelLaws
from atomgraph.testing.graphs import ELEMENTS

EXAMPLE = Path(__file__).parents[2] / "examples" / "03_a_layer_of_your_own.py"


def load():
    """Import the example by its path, because the name begins with a number."""
    spec = importlib.util.spec_from_file_location("a_layer_of_your_own", EXAMPLE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load()


class TestGatedConvolution(LayerLaws):
    def layer(self):
        return example.GatedConvolution(irreps_in=4, cutoff=3.0)


class TestModelWithGatedConvolutions(ModelLaws):
    def model(self):
        return example.gated_model(ELEMENTS, cutoff=3.0, channels=4)


def test_the_example_runs_and_its_potential_learns(capsys, monkeypatch):
    monkeypatch.chdir(EXAMPLE.parents[1])
    example.main(n_epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if "FAIL" in line]
    errors = [float(line.split("mean absolute force:")[1]) for line in lines if "mean absolute force:" in line]
    assert len(errors) == 3 and errors[-1] < errors[0]
