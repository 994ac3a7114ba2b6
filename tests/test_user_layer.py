"""A layer outside atomgraph: one file gets LoRA, parameter groups and editing of elements without a change in atomgraph."""

import importlib
import sys

import pytest
import torch
from ase.build import molecule

import atomgraph
from atomgraph import AtomicGraph, Potential
from atomgraph.errors import WiringError
from atomgraph.featurizers import RadialDensity
from atomgraph.kernels import KernelWarning
from atomgraph.layers import AtomWise, Standardize
from atomgraph.models import Branch, EnergyModel
from atomgraph.models.parameter_groups import group_names, parameter_groups, parameters_in
from atomgraph.readouts import PerElementMLP
from atomgraph.training.adapters import LoRAPotential, lora_shapes

LAYER = '''
import torch

from atomgraph.layers import MessageLayer
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.linear_map import matrices
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to


class Undescribed(MessageLayer):
    """A continuous filter between two linear maps."""

    def __init__(self, channels: int, cutoff: float):
        super().__init__()
        self.irreps_in = self.irreps_out = as_irreps(channels)
        self.cutoff = float(cutoff)
        self.up = torch.nn.Parameter(torch.randn(channels, channels) / channels**0.5)
        self.down = torch.nn.Parameter(torch.randn(channels, channels) / channels**0.5)
        self.decay = torch.nn.Parameter(torch.ones(channels))

    def forward(self, h, graph, edges):
        r = edges.length[:, None]
        weights = torch.exp(-self.decay * r) * polynomial_cutoff(edges.length, self.cutoff)[:, None]
        return h + sum_to(weights * (h @ self.up)[edges.neighbour], edges.centre, edges.n_atoms) @ self.down


class ContinuousFilter(Undescribed):
    def linear_maps(self):
        return matrices(self, "up", "down")


class ElementScale(MessageLayer):
    """A scale for each element, with no answer about other elements."""

    def __init__(self, elements, channels):
        super().__init__()
        self.elements = list(elements)
        self.irreps_in = self.irreps_out = as_irreps(channels)
        self.scale = torch.nn.Parameter(torch.ones(len(elements)))

    def forward(self, h, graph, edges):
        return h * self.scale[edges.element][:, None]


class EditableElementScale(ElementScale):
    def element_weights(self, edit):
        return {"scale": self.scale[edit.rows]}
'''
ELEMENTS = ["H", "C", "O"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of a user, with the layers above."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "user_package").mkdir()
    (folder / "user_package/__init__.py").write_text("")
    (folder / "user_package/layers.py").write_text(LAYER)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("user_package.layers")
    sys.path.remove(str(folder))
    for name in ("user_package", "user_package.layers"):
        del sys.modules[name]


def potential_with(*layers):
    density = RadialDensity(ELEMENTS, 4.0, 3)
    width = density.irreps_out.dim
    first = [Standardize(ELEMENTS, width), AtomWise(ELEMENTS, width, 4)]
    branch = Branch(4.0, density, [*first, *layers], [PerElementMLP(ELEMENTS, 4, [5])])
    potential = Potential(EnergyModel(ELEMENTS, branch)).to(torch.float64).eval()
    potential.model.calibrate([graph()])
    return potential


def structure():
    atoms = molecule("CH3OH")
    atoms.rattle(0.1, seed=0)
    return atoms


def graph():
    return AtomicGraph.from_ase(structure(), 4.0)


def test_a_layer_with_up_and_down_matrices_is_not_left_frozen_by_lora(package):
    with pytest.raises(
        WiringError, match=r"Undescribed has the weights up, down.*define linear_maps\(\) in Undescribed"
    ):
        LoRAPotential(potential_with(package.Undescribed(4, 4.0)), 2)


def test_lora_adapts_the_matrices_that_a_layer_describes(package):
    potential = potential_with(package.ContinuousFilter(4, 4.0))
    shapes = lora_shapes(potential.model)
    assert {name for name in shapes if ".layers.2." in name} == {"branches.0.layers.2.up", "branches.0.layers.2.down"}
    adapted = LoRAPotential(potential, 2).train()
    with torch.no_grad():
        for parameter in adapted.second.values():
            parameter.normal_(std=0.1)
    adapted(graph(), stress=False)["energy"].sum().backward()
    assert all(p.grad is not None for p in adapted.parameters() if p.requires_grad)
    for name in ("energy", "forces"):
        torch.testing.assert_close(adapted.merge().eval()(graph())[name], adapted.eval()(graph())[name])


def test_parameter_groups_name_the_weights_of_the_layer(package):
    model = potential_with(package.ContinuousFilter(4, 4.0)).model
    group = parameter_groups(model)["branches.0.layers.2.decay"]
    assert (group.group, group.layer, group.depth) == ("convolution", "layers.2", 3)
    assert "layers.2.convolution" in group_names(model)
    assert parameters_in(model, ["layers.2"])["layers.2"] == [
        f"branches.0.layers.2.{name}" for name in ("up", "down", "decay")
    ]


def test_elements_are_kept_in_a_model_with_the_layer(package):
    potential = potential_with(package.ContinuousFilter(4, 4.0), package.EditableElementScale(ELEMENTS, 4))
    with torch.no_grad():
        for parameter in potential.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    wider = atomgraph.editing.add_elements(potential, {"N": "C"})
    kept = atomgraph.editing.keep_elements(wider, ["O", "C", "H"])
    assert kept.elements == ["O", "C", "H"]
    before, after = (each.predict([structure()])[0] for each in (potential, kept))
    torch.testing.assert_close(torch.tensor(after["forces"]), torch.tensor(before["forces"]), rtol=1e-10, atol=1e-12)
    assert after["energy"] == pytest.approx(before["energy"], rel=1e-12)


def test_a_layer_with_elements_and_no_answer_is_named(package):
    potential = potential_with(package.ElementScale(ELEMENTS, 4))
    with pytest.raises(WiringError, match=r"a ElementScale depends on elements.*define element_weights\(\)"):
        atomgraph.editing.keep_elements(potential, ["C", "H"])


def test_compiling_names_the_model_that_is_not_supported(package):
    potential = potential_with(package.ContinuousFilter(4, 4.0))
    with pytest.warns(KernelWarning, match="RadialDensity|ContinuousFilter"):
        assert atomgraph.compile(potential) is potential
