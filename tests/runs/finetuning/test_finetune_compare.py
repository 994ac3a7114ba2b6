"""Methods side by side: the same structures for each, finished runs left alone, and what is wrong found before the first."""

import json

import pytest
from helpers.finetune_configs import source, tune
from helpers.run_configs import data_file

import atomgraph
from atomgraph.analysis.finetuning.method_comparison import RunResult, method_table, summarise
from atomgraph.data import read
from atomgraph.errors import ConfigError
from atomgraph.runs import compare

METHODS = {
    "naive": {},
    "scratch": {"scratch": True, "fit": {"max_epochs": 1}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare")
    source(path)
    return path


def plan(folder, name="methods", **changes):
    card = {"probe": data_file(folder, 5, seed=11), "steps": 0}
    section = {"methods": METHODS, "sizes": [4, 8]} | changes
    return tune(folder, name, card=card, compare=section, fit={"max_epochs": 1})


@pytest.fixture(scope="module")
def results(folder):
    return compare(plan(folder), quiet=True)


def test_every_method_is_run_at_every_size_on_the_same_structures(folder, results):
    assert {(c.method, c.size) for c in results} == {(method, size) for method in METHODS for size in (4, 8)}
    assert all(c.target_forces > 0 and c.source_forces > 0 for c in results)
    small, large = (read(str(folder / "methods" / "data" / f"train-{n}-1.xyz")) for n in (4, 8))
    assert all((a.positions == b.positions).all() for a, b in zip(small, large, strict=False))
    potential = atomgraph.load(folder / "methods" / "runs" / "naive-4-1")
    record = json.loads((folder / "methods" / "runs" / "naive-4-1" / "card.json").read_text())
    (cell,) = (c for c in results if (c.method, c.size) == ("naive", 4))
    assert potential.metadata["data"]["structures"]["train"] == 4
    assert cell.source_forces == record["retention"]["after"]["all"]["forces"]["mae"]


def test_the_result_is_a_table_a_page_and_json(folder, results):
    record = json.loads((folder / "methods" / "compare.json").read_text())
    assert [cell["method"] for cell in record["cells"]] == [cell.method for cell in results]
    start = RunResult(**record["start"])
    assert start.method != "scratch" and len(method_table(results, start).rows) == 1 + len(results)
    assert "Errors on target and source" in (folder / "methods" / "compare.html").read_text()


def test_linear_methods_ignore_sections_of_gradient_training(folder):
    newton = {"method": {"kind": "gauss_newton", "sigma": {"virial": None}, "steps": 1}}
    (cell,) = compare(plan(folder, "solving", methods={"newton": newton}, sizes=[4]), quiet=True)
    assert (cell.method, cell.size) == ("newton", 4) and cell.target_forces > 0
    odd = {"newton": newton | {"lr_factors": {"readout": 2.0}}}
    with pytest.raises(ConfigError, match="lr_factors would have no effect"):
        compare(plan(folder, "odd", methods=odd, sizes=[4]), quiet=True)


def test_finished_runs_are_not_repeated_and_broken_ones_are(folder, results):
    runs = folder / "methods" / "runs"
    kept, broken = runs / "naive-4-1" / "model.safetensors", runs / "naive-8-1"
    before = kept.stat().st_mtime_ns
    (broken / "card.json").unlink()
    again = compare(plan(folder), quiet=True)
    assert kept.stat().st_mtime_ns == before and (broken / "card.json").is_file()
    assert [c.method for c in again] == [c.method for c in results]
    assert again[0] == results[0]
    with pytest.raises(ConfigError, match="another comparison"):
        compare(plan(folder, sizes=[4]), quiet=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": [4, 800]}, "800 is larger than the training part"),
        ({"methods": {"odd": {"method": {"kind": "magic"}}}}, r"compare\.methods\.odd"),
        ({"methods": {"odd": {"method": {"rank": 4}}}}, r"compare\.methods\.odd"),
        ({"methods": {"scratch": {"scratch": True}}}, "without scratch: true"),
    ],
)
def test_errors_appear_before_the_first_run(folder, changes, message):
    with pytest.raises(ConfigError, match=message):
        compare(plan(folder, "wrong", **changes), quiet=True)
    assert not (folder / "wrong").exists()


def test_seeds_are_averaged_with_their_spread():
    two = [RunResult("naive", 20, seed, value, 1.0, 2.0, None) for seed, value in ((1, 0.1), (2, 0.3))]
    (summary,) = summarise(two)
    assert (summary.target_forces, summary.half_range, summary.n_seeds, summary.source_energy) == (
        pytest.approx(0.2),
        pytest.approx(0.1),
        2,
        None,
    )
