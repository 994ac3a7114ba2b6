"""Files that an earlier atomgraph wrote open, predict and go on as they did then.

Written by ``make.py`` with the last commit before names and packages were changed. Numbers are equal to the last bit on the
kind of processor that wrote them, with the same torch; to 1e-10 elsewhere, where sums are taken in other orders.
"""

import json
import shutil
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from older.make import processor

import atomgraph
from atomgraph.config import read_config, read_finetune_config
from atomgraph.data import read
from atomgraph.data.graph_cache import cache_file, load_graphs
from atomgraph.graph.structure import AtomicGraph

HERE = Path(__file__).parent
MADE_WITH = json.loads((HERE / "made_with.json").read_text())
SAME = MADE_WITH["torch"] == torch.__version__ and MADE_WITH["processor"] == processor()
FILES = sorted(path.stem for path in HERE.glob("*.safetensors"))


def assert_equal(given, expected, *, scale=1.0):
    if SAME:
        np.testing.assert_array_equal(given, expected)
    else:
        np.testing.assert_allclose(given, expected, rtol=1e-10, atol=1e-10 * scale)


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def test_every_family_is_here():
    assert FILES == ["ace", "behler_parrinello", "gap", "gcn", "lora", "mace", "snap"]


@pytest.mark.parametrize("name", FILES)
def test_a_potential_predicts_what_it_did(name):
    expected = np.load(HERE / "expected.npz")
    results = atomgraph.load(HERE / f"{name}.safetensors").predict(ase.io.read(HERE / "test.xyz", ":"))
    for quantity in ("energy", "forces", "stress"):
        assert_equal(np.concatenate([np.ravel(r[quantity]) for r in results]), expected[f"{name}/{quantity}"])


def test_a_stopped_run_goes_on_to_the_same_end(tmp_path, monkeypatch):
    for name in ("train.xyz", "test.xyz"):
        shutil.copy(HERE / name, tmp_path)
    shutil.copytree(HERE / "stopped", tmp_path / "stopped")
    monkeypatch.chdir(tmp_path)
    potential, _ = atomgraph.runs.resume("stopped", ["fit.max_epochs=4"], quiet=True)
    end = np.load(HERE / "end_of_resumed.npz")
    state = potential.state_dict()
    assert set(state) == set(end.files)
    for name, tensor in state.items():
        assert_equal(tensor.numpy(), end[name])


def test_cached_graphs_are_read():
    frames = read([str(HERE / "train.xyz"), str(HERE / "test.xyz")])
    path = cache_file(frames, 4.0, HERE / "cache")
    graphs = load_graphs(path, frames, 4.0)
    assert graphs is not None
    for graph, atoms in zip(graphs, frames, strict=True):
        built = AtomicGraph.from_ase(atoms, 4.0)
        for key in ("edge_index", "cell_shift", "pos", "cell", "energy", "forces", "stress"):
            assert torch.equal(graph[key], built[key]), key


@pytest.mark.parametrize("path", sorted((HERE / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_configuration_is_valid(path):
    (read_finetune_config if path.stem.startswith("finetune") else read_config)(path, [])
