"""Words and variable names that do not come back: the private dialect of early versions."""

import ast
import re
from pathlib import Path

import pytest

import atomgraph

PACKAGE = Path(atomgraph.__file__).parent
ROOT = PACKAGE.parent
WORDS = {
    "anew",
    "carry_out",
    "contestant",
    "contestants",
    "doctor",
    "door",
    "doors",
    "ghost",
    "ghosts",
    "giant",
    "giants",
    "house",
    "houses",
    "judge",
    "judged",
    "judges",
    "judging",
    "owe",
    "owed",
    "owes",
    "rival",
    "room",
    "rooms",
    "sister",
    "sisters",
    "slope",
    "sloped",
    "slopes",
    "specimen",
    "specimens",
    "stranger",
    "strangers",
    "twin",
    "twins",
    "unseeded",
    "workshop",
}
PHRASES = [
    "what stands",
    "stands in it",
    "as ever",
    "knows nothing",
    "is there already",
    "a word why",
    "in earnest",
    "nobody",
]
VARIABLES = {"found", "one", "other", "made", "wanted"}
EXEMPT = {  # keys and names of files, of other programs, or of the last release
    "atomgraph/old_argument_table.py",
    "atomgraph/old_constant_table.py",
    "atomgraph/old_function_table.py",
    "atomgraph/old_module_table.py",
    "atomgraph/old_name_table.py",
    "tests/test_plain_words.py",
    "tests/test_old_names.py",
}
KEYS = (
    "twin_in_train",
    "all_but_twins",
    '"slope"',
    '"slopes": "jacobian"',
    "slope_",
    "n_slopes",
    "basis_slopes",
    "values_and_slopes",
)  # keys of files, old arguments
ALIAS = re.compile(r"^ *\w+ = OldAttribute\(.*$", re.MULTILINE)  # attributes of the last release under their old names
BANNED = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(sorted(WORDS))})(?![A-Za-z])|{'|'.join(PHRASES)}", re.IGNORECASE)
TEXTS = [
    *PACKAGE.rglob("*.py"),
    *PACKAGE.rglob("*.h"),
    *PACKAGE.rglob("*.cpp"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "tests").rglob("*.py"),
    *(ROOT / "examples").glob("*.py"),
    *(ROOT / "benchmarks").rglob("*.py"),
    *(ROOT / "configs").glob("*.yaml"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]
TEXTS = [
    path
    for path in TEXTS
    if path.relative_to(ROOT).as_posix() not in EXEMPT and not {"_build", "generated"} & set(path.parts)
]
SOURCES = [path for path in TEXTS if path.suffix == ".py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_banned_words_do_not_come_back(path):
    text = ALIAS.sub("", path.read_text())
    for key in KEYS:
        text = text.replace(key, "")
    hits = [f"{text[: hit.start()].count(chr(10)) + 1}: {hit[0]}" for hit in BANNED.finditer(text)]
    assert hits == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_variables_are_nouns(path):
    tree = ast.parse(ALIAS.sub("", path.read_text()))
    names = [(node.lineno, node.id) for node in ast.walk(tree) if isinstance(node, ast.Name)]
    names += [(node.lineno, node.arg) for node in ast.walk(tree) if isinstance(node, ast.arg)]
    assert [(line, name) for line, name in names if name in VARIABLES] == []
