"""The house keeps its floors: nobody imports upward, sisters never import one another, no room is crowded."""

import ast
from pathlib import Path
from statistics import median

import pytest

import atomgraph

PACKAGE = Path(atomgraph.__file__).parent
# Highest floor first; rooms on one floor do not import one another unless a pair is allowed below.
FLOORS = [
    {"cli"},
    {"runs"},
    {"config"},
    {"training", "fitting", "testing"},
    {"analysis"},
    {"calculators"},
    {"loading", "editing", "compiled"},
    {"potential"},
    {"evaluator"},
    {"formats", "data", "catalogue"},
    {"models"},
    {"featurizers", "layers", "readouts"},
    {"nn"},
    {"graph"},
    {"kernels"},
    {"ops"},
    {"errors", "units", "atomic_write", "file_lock", "safe_yaml", "checksums", "progress"},
    {"old_names"},
    {"old_name_table"},
    {"old_argument_table"},
]
FLOOR = {room: len(FLOORS) - level for level, rooms in enumerate(FLOORS) for room in rooms}
ALLOWED_ON_ONE_FLOOR = {("units", "errors"), ("atomic_write", "errors"), ("file_lock", "errors")}
DOORS = {"__init__", "__main__"}
SKIPS_MODELS = {"data"}  # `data` uses `graph`, not `models`
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Rooms of atomgraph that a file imports, inside functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor they lead to"
            module = node.module or ""
            modules = [f"{module}.{alias.name}" for alias in node.names] if module == "atomgraph" else [module]
        else:
            continue
        found |= {module.split(".")[1] for module in modules if module.startswith("atomgraph.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nobody_imports_upward(path):
    room = room_of(path)
    if room in DOORS:
        return
    for other in imports(path) - {room}:
        allowed = FLOOR[other] < FLOOR[room] or (room, other) in ALLOWED_ON_ONE_FLOOR
        assert allowed and not (room in SKIPS_MODELS and other in {"models", "featurizers", "layers", "readouts"}), (
            f"{path.relative_to(PACKAGE)} ({room}) imports {other}"
        )


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in FILES} - DOORS
    assert rooms <= set(FLOOR), f"rooms without a floor: {rooms - set(FLOOR)}"


def test_no_room_is_crowded():
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in FILES}
    crowded = {name: length for name, length in lengths.items() if length > 350}
    assert not crowded, f"more than 350 lines; is there a second idea in them? {crowded}"
    assert median(lengths.values()) <= 150


def test_only_the_potential_differentiates_energies():
    below = {"models", "featurizers", "layers", "readouts", "nn", "graph", "ops"}
    by_density = PACKAGE / "nn" / "density.py"  # factors of slopes, for closed-form fits: no energy is known there
    assert not [str(p) for p in FILES if "autograd.grad(" in p.read_text() and room_of(p) in below and p != by_density]


@pytest.mark.parametrize(
    "forbidden", ["set_default_dtype", "weights_only=False", "manual_seed(", "import pickle", "torchvision"]
)
def test_forbidden_words_are_nowhere(forbidden):
    """Pickles are known in one place only, which makes every name in them inert; a script for mace-torch runs by itself.

    The places that seed torch or set its dtype put its state back: training, and tests to inherit.
    """
    mace = PACKAGE / "formats" / "mace"
    testing = sorted((PACKAGE / "testing").glob("*.py"))
    allowed = {
        "import pickle": [mace / "safe_pickle.py"],
        "set_default_dtype": [mace / "to_mace_torch.py", *testing],
        "manual_seed(": [PACKAGE / "training" / "randomness.py", *testing],
    }
    assert not [str(p) for p in FILES if forbidden in p.read_text() and p not in allowed.get(forbidden, [])]
