"""Parts store their constructor arguments, and are built again from these arguments."""

import json
import sys
import types
from copy import deepcopy

import numpy as np
import pytest
import torch
from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.featurizers import Concatenation, ElementEmbedding, RadialDensity
from atomgraph.models import Baseline, Branch, EnergyModel
from atomgraph.nn import ZBL
from atomgraph.nn.part import Part, build, public_name, resolve_class, to_spec
from atomgraph.readouts import Linear
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class Plain(Part):
    """Takes whatever JSON can hold."""

    def __init__(self, n, *, factor=0.5, names=("a",), table=None, irreps="2x0e", inner=None):
        super().__init__()
        self.inner = inner


class Kindly(Part):
    def __init__(self, kind):
        super().__init__()


class Open(Part):
    def __init__(self, first, *more, **options):
        super().__init__()


class Bare(Part):
    pass


def build_again(part):
    """Through JSON and back."""
    return build(json.loads(json.dumps(to_spec(part))))


def model():
    density = RadialDensity(ELEMENTS, cutoff=3.5, n_radial=3)
    near = Branch(3.5, density, [], [Linear(density.irreps_out)])
    both = Concatenation([RadialDensity(ELEMENTS, 4.0, 2, basis="gaussian"), ElementEmbedding(ELEMENTS, 3)])
    far = Branch(4.0, both, [], [Linear(both.irreps_out)])
    return EnergyModel(ELEMENTS, [near, far], Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS)))


def test_arguments_are_captured_by_name_with_their_defaults():
    part = Plain(3, factor=0.25)
    assert part.arguments == {
        "n": 3, "factor": 0.25, "names": ("a",), "table": None, "irreps": "2x0e", "inner": None,
    }  # fmt: skip
    assert Plain(n=3).arguments == Plain(3).arguments


def test_stored_arguments_do_not_change_with_the_callers_objects():
    names, table = ["a", "b"], {"x": 1}
    part = Plain(3, names=names, table=table)
    names.append("c")
    table["y"] = 2
    part.arguments["n"] = 99
    assert part.arguments["names"] == ["a", "b"] and part.arguments["table"] == {"x": 1} and part.arguments["n"] == 3


def test_variable_arguments_are_stored_by_name():
    assert Bare().arguments == {} and to_spec(build_again(Bare())) == {"kind": f"{__name__}.Bare"}
    part = Open(1, colour="red")
    assert part.arguments == {"first": 1, "colour": "red"}
    assert build_again(part).arguments == part.arguments
    with pytest.raises(WiringError, match="Bare has no argument 'colour'"):
        build({"kind": f"{__name__}.Bare", "colour": "red"})
    with pytest.raises(WiringError, match="by position"):
        to_spec(Open(1, 2, 3))


def test_arguments_add_nothing_to_the_state():
    assert set(Plain(3, inner=torch.nn.Linear(1, 1)).state_dict()) == {"inner.weight", "inner.bias"}
    embedding = ElementEmbedding(["H"], 2)
    assert list(embedding.state_dict()) == ["weight"]


def test_a_copy_has_the_same_arguments():
    copy = deepcopy(model())
    assert to_spec(copy) == to_spec(model())
    assert copy.branches[0].arguments["featurizer"] is copy.branches[0].featurizer


def test_specification_holds_json_values_only():
    part = Plain(
        np.int64(3),
        factor=np.float32(0.5),
        names=np.array(["a", "b"]),
        table={1: torch.arange(2)},
        irreps=o3.Irreps("1x1o"),
    )
    expected = {"n": 3, "factor": 0.5, "names": ["a", "b"], "table": {"1": [0, 1]}, "irreps": "1x1o", "inner": None}
    result = to_spec(part)
    assert result.pop("kind") == f"{__name__}.Plain"
    assert json.loads(json.dumps(result)) == expected


def test_a_composition_is_written_to_json_and_built_again():
    part = model()
    rebuilt = build_again(part)
    assert to_spec(rebuilt) == to_spec(part)
    rebuilt.load_state_dict(part.state_dict())
    graph = make_graph(crystal(), 4.0)
    assert torch.equal(rebuilt(graph), part(graph))


def test_classes_of_atomgraph_are_named_by_their_package():
    assert public_name(RadialDensity) == "atomgraph.featurizers.RadialDensity"
    assert public_name(ZBL) == "atomgraph.nn.ZBL"
    assert resolve_class("atomgraph.featurizers.radial_density.RadialDensity") is RadialDensity
    assert to_spec(model())["branches"][0]["featurizer"]["kind"] == "atomgraph.featurizers.RadialDensity"


def test_a_users_class_is_found_once_its_module_is_imported():
    assert resolve_class(public_name(Plain)) is Plain
    assert build_again(Plain(4)).arguments["n"] == 4


@pytest.fixture
def not_imported(tmp_path, monkeypatch):
    """A module on the path that would leave a mark if it were imported."""
    mark = tmp_path / "mark"
    source = "from atomgraph.nn.part import Part\nfrom pathlib import Path\n"
    source += f"Path({str(mark)!r}).touch()\nclass Mine(Part):\n    pass\n"
    (tmp_path / "somebodys_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield mark
    sys.modules.pop("somebodys_module", None)


def test_a_file_that_names_a_class_runs_no_code(not_imported):
    with pytest.raises(WiringError, match="not of atomgraph; if you trust it, import somebodys_module first"):
        build({"kind": "somebodys_module.Mine"})
    assert not not_imported.exists()


def test_the_users_own_configuration_may_import(not_imported):
    assert type(build({"kind": "somebodys_module.Mine"}, trust_imports=True)).__name__ == "Mine"
    assert not_imported.exists()


@pytest.mark.parametrize("path", ["os.system", "builtins.eval", "torch.nn.Linear", "subprocess.Popen", "nn.part.build"])
def test_classes_that_are_no_parts_raise(path):
    with pytest.raises(WiringError):
        build({"kind": path})


def test_inner_parts_must_be_imported_too(not_imported):
    with pytest.raises(WiringError, match="not of atomgraph"):
        build({"kind": public_name(Plain), "n": 1, "table": {"deep": [{"kind": "somebodys_module.Mine"}]}})
    assert not not_imported.exists()


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ({"kind": "atomgraph.featurizers.RadialDensty"}, "did you mean RadialDensity"),
        ({"kind": "atomgraph.featurisers.RadialDensity"}, "no module 'atomgraph.featurisers'"),
        ({"kind": "RadialDensity"}, "not of atomgraph; if you trust it, import its module first"),
        ({"kind": "atomgraph.nn.ZBL", "element": ["H"]}, "ZBL has no argument 'element'; did you mean elements"),
        ({"kind": "atomgraph.featurizers.ElementEmbedding", "elements": ["H"]}, "ElementEmbedding needs channels"),
        ({"elements": ["H"]}, "a mapping with a 'kind'"),
        ({"kind": 3}, "a mapping with a 'kind'"),
        ("ZBL", "a mapping with a 'kind'"),
    ],
)
def test_errors_of_wrong_specifications(spec, match):
    with pytest.raises(WiringError, match=match):
        build(spec)


def test_parts_that_cannot_be_read_again_raise():
    with pytest.raises(WiringError, match=r"Plain\(table=...\) cannot be written to a file: function"):
        to_spec(Plain(1, table=lambda: 1))
    with pytest.raises(WiringError, match=r"Plain\(inner=...\) cannot be written to a file: Linear"):
        to_spec(Plain(1, inner=torch.nn.Linear(1, 1)))
    with pytest.raises(WiringError, match="give it another name"):
        to_spec(Kindly("a"))

    class Local(Part):
        pass

    with pytest.raises(WiringError, match="define it at the top level of a module"):
        to_spec(Local())


def test_a_module_that_only_looks_like_atomgraph_is_not_trusted(monkeypatch):
    monkeypatch.setitem(sys.modules, "atomgraphs", types.ModuleType("atomgraphs"))
    with pytest.raises(WiringError, match="has no part 'ZBL'"):
        build({"kind": "atomgraphs.ZBL"})
    with pytest.raises(WiringError, match="if you trust it, import atomgraph_tricks first"):
        build({"kind": "atomgraph_tricks.ZBL"})
