"""Prebuilt libraries: one for each instruction set, chosen at run time, and never necessary."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers.compilers import TWICE, needs_compiler, twice

from atomgraph.kernels import compiler
from atomgraph.kernels import prebuilt as shipped

ROOT = Path(__file__).parents[2]


@pytest.fixture
def kernels_folder(folder, tmp_path, monkeypatch):
    """A kernels_folder with one small kernel, nothing built."""
    monkeypatch.delenv("ATOMGRAPH_KERNEL_FLAGS", raising=False)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "kernels_folder")
    monkeypatch.setattr(shipped, "KERNELS", {"twice": ()})
    shipped._load_or_compile.cache_clear()
    (tmp_path / "kernels_folder").mkdir()
    (tmp_path / "kernels_folder" / "twice.cpp").write_text(TWICE)
    yield tmp_path / "kernels_folder"
    shipped._load_or_compile.cache_clear()


def without_compiler(monkeypatch):
    monkeypatch.setattr(compiler.Compiler, "build", lambda *_: pytest.fail("compiled"))


@needs_compiler
def test_prebuilt_libraries_are_used_without_compiling(kernels_folder, folder, monkeypatch):
    assert len(shipped.build(kernels_folder / "built")) == len(shipped.LEVELS[shipped.architecture()])
    without_compiler(monkeypatch)
    assert twice(shipped.library("twice")) == 42.0
    assert not folder.exists()


@needs_compiler
def test_an_instruction_set_that_this_processor_lacks_is_not_tried(kernels_folder, monkeypatch):
    shipped.build(kernels_folder / "built")
    monkeypatch.setattr(shipped, "usable_levels", list)
    loaded = []
    monkeypatch.setattr(shipped, "load_library", lambda path: loaded.append(path))
    assert twice(shipped.library("twice")) == 42.0
    assert loaded == []


@needs_compiler
def test_libraries_of_an_older_source_are_not_used(kernels_folder):
    shipped.build(kernels_folder / "built")
    (kernels_folder / "twice.cpp").write_text(TWICE.replace("2 *", "3 *"))
    assert twice(shipped.library("twice")) == 63.0


@needs_compiler
def test_without_a_prebuilt_library_the_kernel_is_compiled(kernels_folder, folder):
    assert twice(shipped.library("twice")) == 42.0
    assert len(list(folder.iterdir())) == 1


def test_the_package_is_built_without_its_dependencies():
    script = "import sys; sys.modules |= dict.fromkeys(['torch', 'numpy', 'ase']); import atomgraph.kernels.prebuilt"
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def wheel_of(tmp_path, **variables):
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "atomgraph", tree / "atomgraph", ignore=shutil.ignore_patterns("__pycache__", "built"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        tree,
    ]
    subprocess.run(command, check=True, env=os.environ | variables)
    (wheel,) = tmp_path.glob("*.whl")
    return wheel


@pytest.mark.slow
@needs_compiler
def test_a_wheel_holds_kernels_and_their_sources_and_is_for_any_python_of_its_platform(tmp_path):
    wheel = wheel_of(tmp_path)
    assert "-py3-none-" in wheel.name and not wheel.name.endswith("-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert len([name for name in names if "/kernels/built/neighbours-" in name]) == len(
        shipped.LEVELS[shipped.architecture()]
    )
    assert "atomgraph/kernels/neighbours.cpp" in names and "atomgraph/kernels/parallel.h" in names


USE = """
import warnings, ase.build
from atomgraph import AtomicGraph, kernels
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    graphs = [AtomicGraph.from_ase(ase.build.bulk("Cu"), 4.0) for _ in range(2)]
print(kernels.__file__, graphs[0].n_edges, len([w for w in said if w.category is kernels.KernelWarning]))
"""


@pytest.mark.slow
def test_an_installation_without_a_compiler_works_with_one_warning(tmp_path):
    wheel = wheel_of(tmp_path, CC="false", CXX="false")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    own = {"PYTHONPATH": str(tmp_path / "site"), "CXX": "false", "ATOMGRAPH_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", USE], env=os.environ | own, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    place, n_edges, n_said = done.stdout.split()
    assert place.startswith(str(tmp_path / "site")) and (n_edges, n_said) == ("18", "1")
