"""Every trainable number of every family belongs to a group, and groups can be chosen by words."""

import pytest
from helpers.mace_files import small

from atomgraph.errors import WiringError
from atomgraph.models import ACE, GAP, GCN, SNAP, BehlerParrinello
from atomgraph.models.parameter_groups import GROUPS, group_names, parameter_groups, parameters_in

HO = ["H", "O"]
MODELS = {
    "MACE": lambda: small(
        HO, interaction=["agnostic", "nonlinear_residual"], radial={"n_radial": 3, "trainable": True}
    ),
    "attention": lambda: small(HO, interaction=["density", "attention_residual"]),
    "GCN": lambda: GCN(HO, 4.0, channels=4),
    "BP": lambda: BehlerParrinello(HO, 4.0),
    "ACE": lambda: ACE(HO, 4.0, n_max=(2, 1), l_max=(0, 1)),
    "GAP": lambda: GAP(HO, 4.0),
    "SNAP": lambda: SNAP(HO, 4.0),
}
GROUPS_OF = {
    "MACE": set(GROUPS),
    "attention": set(GROUPS),
    "GCN": {"embedding", "convolution", "readout"},
    "BP": {"readout"},
    "ACE": {"radial", "readout"},
    "GAP": {"readout"},
    "SNAP": {"readout"},
}


@pytest.mark.parametrize("name", MODELS)
def test_the_groups_of_a_model_hold_each_of_its_weights_once(name):
    model = MODELS[name]()
    chosen = parameters_in(model, [group for group in group_names(model) if group in GROUPS])
    assert set(chosen) == GROUPS_OF[name]
    assert sorted(weight for names in chosen.values() for weight in names) == sorted(dict(model.named_parameters()))


def test_weights_of_mace_are_where_the_equations_have_them():
    result = {
        name: (weight.group, weight.layer, weight.depth) for name, weight in parameter_groups(MODELS["MACE"]()).items()
    }
    before = "branches.0.layers.1"
    assert result["branches.0.featurizer.weight"] == ("embedding", None, 0)
    assert result["branches.0.layers.0.radial.places"] == ("radial", None, 0)
    assert result["branches.0.layers.0.interaction.network.weights.0"] == ("radial", "layers.0", 1)
    assert result[f"{before}.interaction.up.weights.0e"] == ("convolution", "layers.1", 2)
    assert result[f"{before}.interaction.source"] == ("embedding", "layers.1", 2)
    assert result[f"{before}.interaction.alpha"] == ("convolution", "layers.1", 2)
    assert result[f"{before}.product.weights.0e_2"] == ("product", "layers.1", 2)
    assert result[f"{before}.mix.weights.0e"] == ("product", "layers.1", 2)
    assert result["branches.0.readouts.0.weight"] == ("readout", None, 3)


def test_a_layer_and_a_group_of_a_layer_can_be_chosen():
    chosen = parameters_in(MODELS["MACE"](), ["layers.0", "layers.0.product"])
    assert set(chosen["layers.0.product"]) < set(chosen["layers.0"])
    assert all(".layers.0." in name for name in chosen["layers.0"])


def test_a_group_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(WiringError, match=r"no group of weights 'raddial'; did you mean radial\?"):
        parameters_in(MODELS["MACE"](), ["raddial"])
    with pytest.raises(
        WiringError, match=r"this BehlerParrinello has no group of weights 'product'; known are readout"
    ):
        parameters_in(MODELS["BP"](), ["product"])
