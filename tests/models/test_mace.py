"""MACE: laws of whole models, shapes by name, and energies that belong to atoms or to structures."""

import pytest
import torch
from ase import Atoms

from atomgraph.errors import GraphError, WiringError
from atomgraph.models import MACE, Baseline
from atomgraph.nn import ZBL
from atomgraph.nn.part import build, to_spec
from atomgraph.potential import Potential
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, make_graph, molecule

SMALL = {
    "l_max": 2,
    "order": 2,
    "radial": {"n_radial": 4},
    "layer": {"radial_hidden": [4]},
    "readout": {"readout_hidden": 3},
}


class TestMACE(ModelLaws):
    def model(self):
        return MACE(ELEMENTS, 3.0, hidden_irreps="3x0e+3x1o", **SMALL)


class TestMACEOfScalars(ModelLaws):
    def model(self):
        return MACE(ELEMENTS, 3.0, hidden_irreps="4x0e", **{**SMALL, "order": 3})


class TestMACEOfSecondRank(ModelLaws):
    def model(self):
        return MACE(ELEMENTS, 3.0, hidden_irreps="2x0e+2x1o+2x2e", **SMALL)


class TestMACEOfOddParities(ModelLaws):
    def model(self):
        return MACE(ELEMENTS, 3.0, hidden_irreps="2x0e+2x0o+2x1o+2x1e", **SMALL)


class TestMACEWithTwoHeadsAndRepulsion(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, ["coarse", "fine"], ZBL(ELEMENTS), scales_repulsion=True)
        interaction = ["density", "density_residual"]
        return MACE(ELEMENTS, 3.0, hidden_irreps="2x0e+2x1o", interaction=interaction, baseline=baseline, **SMALL)


class TestNonlinearMACE(ModelLaws):
    def model(self):
        layer = {"radial_hidden": [4], "by_element": False, "irreps_up": "2x0e"}
        layers = [layer, {**layer, "irreps_up": "2x0e+2x1o"}]
        arguments = {**SMALL, "layer": layers}
        arguments["readout"] = {"readout_hidden": 3, "bias": True}
        return MACE(ELEMENTS, 3.0, hidden_irreps="3x0e+3x1o", interaction="nonlinear_residual", **arguments)


@pytest.mark.parametrize(
    "size, irreps", [("small", "128x0e"), ("medium", "128x0e+128x1o"), ("large", "128x0e+128x1o+128x2e")]
)
def test_sizes_have_the_published_shapes(size, irreps):
    model = MACE(["H", "O"], cutoff=6.0, size=size)
    layers = model.branches[0].layers
    assert [str(layer.irreps_out) for layer in layers] == [irreps, "128x0e"]
    assert [layer.product.order for layer in layers] == [3, 3] and layers[0].l_max == 3
    assert layers[0].interaction.hidden == [64, 64, 64] and layers[0].radial.n_radial == 10


def test_a_medium_model_of_89_elements_has_the_published_number_of_weights():
    """MACE-MP-0 medium: 4,688,656 learned numbers (those of the Bessel functions are fixed)."""
    symbols = [s for s in _symbols() if s not in ("Po", "At", "Rn", "Fr", "Ra")][:89]
    n = sum(p.numel() for p in MACE(symbols, 6.0, size="medium").parameters())
    assert n == 4_688_656


def _symbols():
    from ase.data import chemical_symbols

    return chemical_symbols[1:]


def test_elements_and_cutoff_are_enough():
    potential = Potential(MACE(["H", "O"], cutoff=5.0)).eval()
    water = Atoms("OH2", positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    assert torch.isfinite(potential(make_graph(water, 5.0))["forces"]).all()


def test_layers_share_one_radial_embedding_after_loading_too():
    model = MACE(["Si"], 4.0, hidden_irreps="2x0e", radial={"trainable": True})
    again = build(to_spec(model))
    again.load_state_dict(model.state_dict(), assign=True)
    first, second = again.branches[0].layers
    assert first.radial is second.radial is second.interaction.radial
    assert len([n for n, _ in again.named_parameters() if n.endswith("places")]) == 1


def test_a_structures_charge_and_spin_are_felt():
    states = {
        "total_charge": {"type": "categorical", "num_classes": 5, "offset": 2, "emb_dim": 3},
        "total_spin": {"type": "continuous", "emb_dim": 2},
    }
    torch.manual_seed(0)
    model = MACE(ELEMENTS, 3.0, hidden_irreps="3x0e", global_state=states, state_energy=True, **SMALL).double()
    potential = Potential(build(to_spec(model)).double()).eval()
    potential.model.load_state_dict(model.state_dict())
    atoms = molecule()
    energies = []
    for charge, spin in ((0, 1), (1, 1), (1, 2)):
        atoms.info.update(charge=charge, spin=spin)
        result = potential(make_graph(atoms, 3.0))
        energies.append(float(result["energy"]))
        assert abs(float(result["energy"] - result["node_energy"].sum())) > 1e-6
    assert len({round(energy, 6) for energy in energies}) == 3
    atoms.info["charge"] = 4
    with pytest.raises(GraphError, match="whole numbers from -2 to 2"):
        potential(make_graph(atoms, 3.0))


def test_descriptors_hold_every_layer_though_only_the_last_tells_an_energy():
    model = MACE(["Si"], 4.0, hidden_irreps="2x0e+2x1o", readout_last_only=True)
    assert [irreps.dim for irreps in model.irreps_read] == [8, 2]


def test_an_atom_alone_has_its_e0_where_no_layer_is_residual_at_first():
    model = MACE(["Si"], 4.0, hidden_irreps="2x0e", interaction=["agnostic", "residual"]).double()
    model.baseline.set_e0({"Si": -5.0})
    energy = Potential(model).eval()(make_graph(Atoms("Si"), 4.0))["energy"]
    assert float(energy) == pytest.approx(-5.0, abs=1e-12)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"size": "huge"}, "unknown size 'huge'"),
        ({"size": "small", "hidden_irreps": "4x0e"}, "not both"),
        ({"hidden_irreps": "4x1o"}, "needs at least one layer and 0e features"),
        ({"order": [3]}, "one for each of 2 layers"),
        ({"global_state": {"colour": {}}}, "unknown state 'colour'"),
        ({"global_state": {"charge": {"type": "categorical"}}}, "num_classes"),
    ],
)
def test_what_makes_no_model_is_refused(arguments, message):
    with pytest.raises(WiringError, match=message):
        MACE(["Si"], 4.0, **arguments)
