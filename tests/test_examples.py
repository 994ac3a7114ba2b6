"""Every numbered example runs from start to end, and its first line states what the reader will learn."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
SHORTER = {
    "04_train_on_silicon": {"max_epochs": 2},
    "05_use_it_in_ase": {"max_epochs": 4},
    "07_order_of_the_expansion": {"step": 13},
    "08_fine_tune_a_molecule": {"source_epochs": 1, "max_epochs": 1},
    "09_fine_tune_an_alloy": {"source_epochs": 1, "sizes": (4,), "max_epochs": 1},
}
EXPECTED_OUTPUT = {  # texts in the output of each example
    "01_structure_to_graph": ["stress of a molecule, which has no volume: nan"],
    "02_compose_a_potential": ["readouts[0] expects features 16x0e, but featurizer gives 14x0e"],
    "04_train_on_silicon": ["did you mean max_epochs?", "the same energy to the last bit", "all but duplicates"],
    "05_use_it_in_ase": ["GPa (experiment 166 GPa)", "unknown elements Ge"],
    "07_order_of_the_expansion": ["structures of copper", "body order 5:", "Smallest error: 0."],
    "08_fine_tune_a_molecule": ["audit: e0: E0 is wrong", "rank 1 of 3", "source, 3BPA: 0.", "heads: default, target"],
    "09_fine_tune_an_alloy": ["scratch, 4 structures", "Methods of fine-tuning", "replay, 4 structures: forces on Mo"],
    "06_read_your_own_labels": ["has the key 'DFT_energy'", "right sign: 0 finding", "wrong sign: 1 finding"],
}
ELSEWHERE = {"03_a_layer_of_your_own": "tests/examples/test_a_layer_of_your_own.py"}


def load(path):
    """Import an example by its path, because the name begins with a number."""
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_are_numbered_without_a_gap():
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
    assert {path.stem for path in EXAMPLES} == EXPECTED_OUTPUT.keys() | ELSEWHERE.keys()
    assert all((ROOT / test).is_file() for test in ELSEWHERE.values())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_first_line_says_what_one_learns(path):
    assert path.read_text().startswith('"""You will learn ')


@pytest.mark.parametrize("name", EXPECTED_OUTPUT)
def test_example_runs_from_start_to_end(name, capsys, monkeypatch, tmp_path):
    """Output is written to ``runs`` in the current folder."""
    monkeypatch.chdir(tmp_path)
    load(ROOT / "examples" / f"{name}.py").main(**SHORTER.get(name, {}))
    printed = capsys.readouterr().out
    assert [words for words in EXPECTED_OUTPUT[name] if words not in printed] == []
    assert {path.name for path in tmp_path.iterdir()} <= {"runs"}


def test_forces_of_the_first_example_are_the_gradient_that_it_prints(capsys):
    load(EXAMPLES[0]).main()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "force on the oxygen" in line]
    force, gradient = (float(words.split(" eV/Å")[0]) for words in line.split(": ")[1:])
    assert abs(force - gradient) < 1e-6 * max(1.0, abs(force))


def test_energies_of_the_second_example_add_up(capsys):
    load(EXAMPLES[1]).main()
    lines = capsys.readouterr().out.splitlines()
    total = next(line for line in lines if "untrained" in line).split(": ")[1].split()[0]
    parts = next(line for line in lines if "free atoms" in line).replace("+ ", "").split()
    assert float(total) == pytest.approx(sum(map(float, filter(is_number, parts))), abs=2e-3)


def is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True
