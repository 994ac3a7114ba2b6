"""Checkpoints of nequip and nequip-allegro are read as data; unsupported ones are refused with advice."""

import ase
import numpy as np
import pytest
from helpers import nequip_files

import atomgraph
from atomgraph.errors import FormatError

WATER = ase.Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
BOTH = pytest.mark.parametrize("config", [nequip_files.NEQUIP, nequip_files.ALLEGRO], ids=["nequip", "allegro"])


@pytest.fixture
def write(tmp_path):
    def write_content(content):
        path = tmp_path / "best.ckpt"
        path.write_bytes(nequip_files.saved(content))
        return path

    return write_content


@BOTH
def test_checkpoint_opens_and_is_saved_again(write, tmp_path, config):
    potential = atomgraph.load(write(nequip_files.nequip_content(config)))
    assert potential.elements == ["H", "O"] and str(potential.model.dtype) == "torch.float64"
    potential.save(tmp_path / "ours.safetensors")
    (theirs,), (ours,) = (p.predict([WATER]) for p in (potential, atomgraph.load(tmp_path / "ours.safetensors")))
    assert np.array_equal(ours["forces"], theirs["forces"]) and np.abs(ours["forces"]).max() > 1e-6


@BOTH
def test_averaged_weights_are_the_model(write, config):
    plain = atomgraph.load(write(nequip_files.nequip_content(config)))
    averaged = atomgraph.load(write(nequip_files.nequip_content(config, averaged=True)))
    for (name, p), (_, q) in zip(plain.named_parameters(), averaged.named_parameters(), strict=True):
        assert np.allclose(q.detach(), 0.5 * p.detach()), name


def test_averages_need_a_flag_and_equal_shapes(write):
    content = nequip_files.nequip_content(nequip_files.NEQUIP, averaged=True)
    content["state_dict"]["ema.ema_weight_0"] = content["state_dict"]["ema.ema_weight_0"][:1]
    with pytest.raises(FormatError, match="averaged weight 0"):
        atomgraph.load(write(content))
    content["state_dict"]["ema._extra_state"] = {"is_holding_ema_weights": False}
    with pytest.raises(FormatError, match="does not say that it holds averaged weights"):
        atomgraph.load(write(content))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"_target_": "nequip.model.Unknown"}, "built by 'Unknown'"),
        ({"_target_": "nequip.model.ModelFromPackage", "package_path": "a.zip"}, "architecture is in another file"),
        ({"append_field": 3}, "arguments append_field"),
        ({"type_names": ["water", "O"]}, "no chemical symbols"),
        ({"r_max": -1.0}, "r_max"),
        ({"num_layers": "four"}, "num_layers"),
        ({"pair_potential": {"_target_": "nequip.nn.LennardJones"}}, "pair potential LennardJones"),
        ({"avg_num_neighbors": None}, "avg_num_neighbors"),
        ({"readout_mlp_nonlinearity": "relu6"}, "readout_mlp_nonlinearity"),
        ({"num_features": 5}, "tensors do not fit|size mismatch"),
        ({"categorical_graph_field_embed": [{"field": "charge"}]}, "categorical_graph_field_embed"),
    ],
)
def test_unsupported_arguments_are_named(write, options, message):
    content = nequip_files.nequip_content(nequip_files.NEQUIP)
    content["hyper_parameters"]["model"] = {**nequip_files.NEQUIP, **options}
    with pytest.raises(FormatError, match=message):
        atomgraph.load(write(content))


def test_accelerations_are_ignored_and_other_modifiers_refused(write):
    content = nequip_files.nequip_content(nequip_files.NEQUIP)
    wrapped = {"_target_": "nequip.model.modify", "model": nequip_files.NEQUIP}
    content["hyper_parameters"]["model"] = {**wrapped, "modifiers": [{"modifier": "enable_OpenEquivariance"}]}
    assert atomgraph.load(write(content)).elements == ["H", "O"]
    content["hyper_parameters"]["model"] = {**wrapped, "modifiers": [{"modifier": "freeze_everything"}]}
    with pytest.raises(FormatError, match="modifier 'freeze_everything'"):
        atomgraph.load(write(content))


def test_checkpoint_without_architecture_or_with_several_models(write):
    content = nequip_files.nequip_content(nequip_files.NEQUIP)
    state = content["state_dict"]
    state["model.second.model._empty"] = state["model.sole_model.model._empty"]
    with pytest.raises(FormatError, match="one model"):
        atomgraph.load(write(content))
    content["hyper_parameters"] = {}
    with pytest.raises(FormatError, match="arguments of its model"):
        atomgraph.load(write(content))
