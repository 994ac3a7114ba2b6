"""Parts are found in their package by the name of their file."""

import sys

import pytest

from atomgraph import layers, models
from atomgraph.layers import graph_convolution
from atomgraph.nn.part import public_name, resolve_class
from atomgraph.nn.part_lookup import find_part, package_getattr, public_parts
from atomgraph.old_names import OldNameWarning


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one part in a file of its name, and a class that is no part."""
    folder = tmp_path / "my_layers"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from atomgraph.nn.part_lookup import package_getattr\n\n__getattr__ = package_getattr(__name__)\n"
    )
    (folder / "long_range.py").write_text(
        "from atomgraph.layers import LayerNorm\n\n\nclass LongRange(LayerNorm):\n    pass\n"
    )
    (folder / "table.py").write_text("class Table:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import my_layers

    yield my_layers
    for name in [name for name in sys.modules if name.split(".")[0] == "my_layers"]:
        del sys.modules[name]


def test_part_without_export_is_found_by_the_name_of_its_file(package):
    part = package.LongRange
    assert part.__module__ == "my_layers.long_range"
    assert resolve_class("my_layers.LongRange") is part
    assert public_parts(package) == [part]


@pytest.mark.parametrize("name", ["Table", "LayerNorm", "Unknown", "long_rang"])
def test_other_names_are_attribute_errors(package, name):
    with pytest.raises(AttributeError, match=name):
        getattr(package, name)


def test_names_of_the_last_release_are_found_with_a_warning():
    with pytest.warns(OldNameWarning, match="GaussianShells"):
        assert package_getattr("atomgraph.layers")("Shells") is layers.GaussianShells


def test_parts_of_atomgraph_have_short_names():
    assert find_part(layers, "GraphConvolution") is graph_convolution.GraphConvolution
    for package in (layers, models):
        for part in public_parts(package):
            assert public_name(part) == f"{package.__name__}.{part.__name__}" or part.__module__.startswith(
                "atomgraph.nn"
            )
