"""NequIP and Allegro with the weights of their programs: energies, forces and stresses to 1e-10."""

import json

import ase
import numpy as np
import pytest
import torch
from helpers.references import agree, folder

import atomgraph
from atomgraph import Potential
from atomgraph.formats.nequip import build_model

pytestmark = pytest.mark.refs
NEQUIP = [
    "n01_l1_plain",
    "n02_l2_parity_4layers",
    "n03_l3_features_per_l",
    "n04_zbl_scale_shift",
    "n05_edge_type_cutoff_zbl",
    "n06_bessel_trained_deep",
    "n07_avg_per_type",
    "n08_float32",
]
ALLEGRO = ["a01_l1_plain", "a02_l2_parity", "a03_l3_3layers", "a04_uncoupled_zbl", "a05_spline"]
FILES = ["nequip_ema.ckpt", "allegro_plain.ckpt"]
QUANTITIES = ("energy", "node_energy", "forces", "stress")


def compare(file, potential, arrays, tolerance):
    """Predictions of all cases agree relative to the largest reference number, or 1."""
    cases = sorted({name.rsplit("/", 1)[0] for name in arrays.files})
    assert cases
    for case in cases:
        expected = {name.rsplit("/", 1)[1]: arrays[name] for name in arrays.files if name.startswith(f"{case}/")}
        atoms = ase.Atoms(expected["numbers"], expected["positions"], cell=expected["cell"], pbc=expected["pbc"])
        (result,) = potential.predict([atoms])
        for name in QUANTITIES:
            if name in expected and name in result and np.isfinite(expected[name]).all():
                theirs = expected[name]
                ours = np.reshape(result[name], np.shape(theirs))
                atol = tolerance * max(1.0, np.abs(theirs).max())
                agree(file, name, ours, theirs, atol=atol, case=case)


@pytest.mark.parametrize("name", [f"nequip/{name}" for name in NEQUIP] + [f"allegro/{name}" for name in ALLEGRO])
def test_predictions_of_a_state_dict(name):
    place = folder() / name
    config = json.loads(place.with_suffix(".json").read_text())["config"]
    with np.load(place.with_suffix(".weights.npz")) as arrays:
        tensors = {key.removeprefix("model.func."): torch.from_numpy(arrays[key]) for key in arrays.files}
    model = build_model({**config, "_target_": config["cls"]}, tensors, 10**7).double()
    with np.load(place.with_suffix(".npz")) as arrays:
        compare(name, Potential(model).eval(), arrays, 5e-6 if "float32" in name else 1e-10)


@pytest.mark.parametrize("name", FILES)
def test_predictions_of_a_checkpoint(name):
    place = folder() / "nequip_files" / name
    with np.load(place.with_suffix(".npz")) as arrays:
        compare(f"nequip_files/{name}", atomgraph.load(place), arrays, 1e-10)
