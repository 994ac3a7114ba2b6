"""The architecture holds: no upward import, no circle, no crowded file, no long function, one place for what is dangerous."""

import ast
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import pytest

import atomgraph

PACKAGE = Path(atomgraph.__file__).parent
# Highest layer first; packages of one layer do not import one another unless a pair is allowed below.
LAYERS = [
    {"cli"},
    {"runs"},
    {"config"},
    {"training", "fitting", "testing"},
    {"analysis"},
    {"calculators"},
    {"loading", "editing", "compiled"},
    {"potential"},
    {"structure_predictor"},
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
    {"old_argument_table", "old_constant_table", "old_function_table", "old_module_table"},
]
LEVEL = {package: len(LAYERS) - k for k, packages in enumerate(LAYERS) for package in packages}
ALLOWED_IN_ONE_LAYER = {("units", "errors"), ("atomic_write", "errors"), ("file_lock", "errors")}
ENTRIES = {"__init__", "__main__"}
SKIPS_MODELS = {"data"}  # `data` uses `graph`, not `models`
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Modules of atomgraph that a file imports, inside functions and under TYPE_CHECKING too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the package that it imports"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= {name if name in MODULES else str(node.module) for name in names}
    return {module for module in modules if module.startswith("atomgraph.")}


def functions(paths: Iterable[Path]) -> Iterable[tuple[str, int]]:
    """Each function with its length in lines."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(PACKAGE)}: {node.name}", (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_upward_import(path):
    package = package_of(path)
    if package in ENTRIES:
        return
    for target in {module.split(".")[1] for module in imported(path)} - {package}:
        allowed = LEVEL[target] < LEVEL[package] or (package, target) in ALLOWED_IN_ONE_LAYER
        skips = package in SKIPS_MODELS and target in {"models", "featurizers", "layers", "readouts"}
        assert allowed and not skips, f"{path.relative_to(PACKAGE)} ({package}) imports {target}"


def test_no_circle():
    """Modules can be sorted so that each imports only earlier ones."""
    remaining = {name: imported(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    while free := {name for name, needed in remaining.items() if not needed & set(remaining)}:
        remaining = {name: needed for name, needed in remaining.items() if name not in free}
    circular = {name: needed & set(remaining) for name, needed in remaining.items()}
    assert not circular, f"modules in circles of imports, or above one: {circular}"


def test_every_package_has_a_layer():
    packages = {package_of(path) for path in FILES} - ENTRIES
    assert packages <= set(LEVEL), f"packages without a layer: {packages - set(LEVEL)}"


def test_no_file_is_crowded():
    sources = [*FILES, *PACKAGE.rglob("*.h"), *PACKAGE.rglob("*.cpp")]
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in sources}
    crowded = {name: length for name, length in lengths.items() if length > 350}
    assert not crowded, f"more than 350 lines; is there a second idea in them? {crowded}"
    assert median(lengths.values()) <= 150


def test_no_function_is_long():
    long = {name: length for name, length in functions(FILES) if length > 60}
    assert not long, f"more than 60 lines: {long}"


def test_runs_do_not_inherit_deeply():
    """A class of ``runs`` has at most two ancestors of the package: composition is used in place of inheritance."""
    bases = {}
    for path in (PACKAGE / "runs").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]

    def depth(name: str) -> int:
        return 1 + max((depth(base) for base in bases[name] if base in bases), default=0)

    assert {name: depth(name) for name in bases if depth(name) > 3} == {}


def test_nn_holds_what_several_packages_use():
    """Modules of ``nn``, and each package in it as a whole, serve two or more of featurizers, layers, readouts, models."""
    users: dict[str, set[str]] = {}
    for path in FILES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("atomgraph.nn"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                modules = {name.split(".")[2] for name in names}
                user = ".".join(parts[:2]) if parts[0] == "nn" else parts[0]
                for module in modules:
                    users.setdefault(module, set()).add(user)
    for _ in users:  # users of users in nn, until nothing is added
        for module, names in users.items():
            inner = {name.removeprefix("nn.") for name in names if name.startswith("nn.")}
            users[module] = names.union(*(users.get(name, set()) for name in inner))
    nn = {
        path.relative_to(PACKAGE / "nn").parts[0].removesuffix(".py")
        for path in FILES
        if PACKAGE / "nn" in path.parents
    }
    for module in nn - {"__init__"}:
        used = users.get(module, set()) & {"featurizers", "layers", "readouts", "models"}
        assert len(used) >= 2, f"nn/{module} serves {', '.join(used) or 'none'} only; move it there"


def test_only_the_potential_differentiates_energies():
    below = {"models", "featurizers", "layers", "readouts", "nn", "graph", "ops"}
    by_density = (
        PACKAGE / "featurizers" / "density.py"
    )  # factors of gradients, for closed-form fits; it has no energies
    assert not [
        str(p) for p in FILES if "autograd.grad(" in p.read_text() and package_of(p) in below and p != by_density
    ]


@pytest.mark.parametrize(
    "forbidden", ["set_default_dtype", "weights_only=False", "manual_seed(", "import pickle", "torchvision"]
)
def test_forbidden_calls_are_nowhere(forbidden):
    """One file reads pickles, without executing anything in them; the script for mace-torch runs in its environment.

    Files that seed torch or set its dtype restore its state: training, and inherited tests.
    """
    mace = PACKAGE / "formats" / "mace"
    testing = sorted((PACKAGE / "testing").glob("*.py"))
    allowed = {
        "import pickle": [PACKAGE / "formats" / "pickled" / "safe_pickle.py"],
        "set_default_dtype": [mace / "to_mace_torch.py", *testing],
        "manual_seed(": [PACKAGE / "training" / "randomness.py", *testing],
    }
    assert not [str(p) for p in FILES if forbidden in p.read_text() and p not in allowed.get(forbidden, [])]
