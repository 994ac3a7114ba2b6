"""Checkpoints of SevenNet are read as data; unsupported, foreign and damaged ones are refused with advice."""

import ase
import numpy as np
import pytest
import torch
from helpers import nequip_files

import atomgraph
from atomgraph.errors import FormatError

WATER = ase.Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


@pytest.fixture
def write(tmp_path):
    def write_content(content):
        path = tmp_path / "checkpoint.pth"
        path.write_bytes(nequip_files.saved(content))
        return path

    return write_content


def test_checkpoint_opens_and_is_saved_again(write, tmp_path):
    potential = atomgraph.load(write(nequip_files.sevennet_content()))
    assert potential.elements == ["H", "O"] and potential.cutoff == 4.0
    assert potential.metadata["origin"]["format"] == "SevenNet"
    potential.save(tmp_path / "ours.safetensors")
    (theirs,), (ours,) = (p.predict([WATER]) for p in (potential, atomgraph.load(tmp_path / "ours.safetensors")))
    assert np.array_equal(ours["forces"], theirs["forces"]) and np.abs(ours["forces"]).max() > 1e-3


def test_energy_without_neighbours_contains_the_shift(write):
    content = nequip_files.sevennet_content()
    content["model_state_dict"]["reduce_hidden_to_energy.linear.weight"] *= 0
    potential = atomgraph.load(write(content))
    energies = [potential.predict([ase.Atoms(symbol)])[0]["energy"] for symbol in ("H", "O")]
    assert energies == pytest.approx([-1.0, -2.0])


def test_names_of_old_versions_are_translated(write):
    content = nequip_files.sevennet_content()
    expected = atomgraph.load(write(content)).predict([WATER])[0]["forces"]
    old = {}
    for name, value in content["model_state_dict"].items():
        module, _, rest = name.partition(".")
        module = module.replace("edge_embedding", "EdgeEmbedding").replace("_", " ")
        module = module.replace("onehot to feature x", "onehot_to_feature_x")
        module = module.replace("reduce input", "reducing nn input").replace("reduce hidden", "reducing nn hidden")
        old[f"{module}.{rest.replace('denominator', 'denumerator')}"] = value
    content["model_state_dict"] = old
    assert np.array_equal(atomgraph.load(write(content)).predict([WATER])[0]["forces"], expected)


def test_opposite_sign_of_a_wigner_symbol_is_compensated(write):
    """Files of e3nn 0.4.4 contain the opposite sign for odd sums of degrees; the weights of the path change their sign."""
    from atomgraph.ops.coupling import wigner_3j

    content = nequip_files.sevennet_content(
        {"irreps_manual": ["4x0e", "4x0e+2x1e", "4x0e+2x1e", "4x0e"], "num_convolution_layer": 3}
    )
    name = "1_convolution.convolution._compiled_main_left_right._w3j_1_1_1"
    state = content["model_state_dict"]
    state[name] = wigner_3j(1, 1, 1).float()
    chiral = WATER + ase.Atoms("HO", [[0.3, 0.4, 1.1], [0.9, -1.2, -0.7]])  # planar molecules do not depend on the sign
    same = atomgraph.load(write(content)).predict([chiral])[0]["energy"]
    state[name] = -state[name]
    assert abs(atomgraph.load(write(content)).predict([chiral])[0]["energy"] - same) > 1e-9
    state[name] = state[name] + 0.1
    with pytest.raises(FormatError, match="Wigner 3j symbol of degrees 1, 1, 1"):
        atomgraph.load(write(content))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"readout_as_fcn": True}, "nonlinear readout"),
        ({"use_modality": True}, "several levels of theory"),
        ({"interaction_type": "mace"}, "only nequip is supported"),
        ({"optimize_by_reduce": False}, "optimize_by_reduce"),
        ({"act_radial": "relu"}, "act_radial 'relu'"),
        ({"version": "new"}, "no valid version"),
        ({"version": "0.14.0"}, "SevenNet 0.14.0, but atomgraph knows files up to version 0.13"),
        ({"_type_map": {"8": 3}}, "table of elements"),
        ({"radial_basis": {"radial_basis_name": "gaussian"}}, "only bessel"),
        ({"cutoff_function": {"cutoff_function_name": "cosine"}}, "poly_cut and XPLOR"),
        ({"self_connection_type": ["nequip", "linear"]}, "in all layers"),
    ],
)
def test_unsupported_options_are_named(write, options, message):
    content = nequip_files.sevennet_content()
    content["config"] = {**content["config"], **options}
    with pytest.raises(FormatError, match=message):
        atomgraph.load(write(content))


def test_missing_and_wrong_tensors_are_named(write):
    content = nequip_files.sevennet_content()
    weights = content["model_state_dict"].pop("1_self_interaction_1.linear.weight")
    with pytest.raises(FormatError, match="no tensor 1_self_interaction_1"):
        atomgraph.load(write(content))
    content["model_state_dict"]["1_self_interaction_1.linear.weight"] = torch.cat([weights, weights])
    with pytest.raises(FormatError, match="expected 20 weights"):
        atomgraph.load(write(content))


def test_hostile_checkpoint_is_not_executed(tmp_path, write):
    class Hostile:
        def __reduce__(self):
            return (__import__("os").system, (f"touch {tmp_path}/executed",))

    content = nequip_files.sevennet_content()
    content["config"]["version"] = Hostile()
    with pytest.raises(FormatError, match="no valid version"):
        atomgraph.load(write(content))
    assert not (tmp_path / "executed").exists()
