"""The census of a run says what becomes of each label, and what was noticed while the files were read."""

import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from helpers.labelled_structures import crystals

from atomgraph import train
from atomgraph.config import read_config
from atomgraph.errors import DataError
from atomgraph.runs.dataset import read_dataset


@pytest.fixture
def data(tmp_path):
    frames = crystals(4)
    for atoms in frames:
        atoms.info.update(config_weight=2.0, dft_energy=-1.0)
    ase.io.write(tmp_path / "a.xyz", frames)
    return str(tmp_path / "a.xyz")


def notes_of(data, fit, **more):
    model = {"kind": "SNAP", "cutoff": 4.0} if fit.get("kind") == "least_squares" else {"kind": "GCN", "cutoff": 4.0}
    content = {"data": {"train": data, "valid": None, **more}, "model": model, "fit": fit, "output": {"folder": "run"}}
    return read_dataset(read_config(content)).census.notes


def test_each_label_of_a_gradient_fit_is_fitted_or_named(data):
    terms = [{"property": "energy"}, {"property": "forces", "weight": {"start": 10.0, "end": 1.0}}]
    lines = notes_of(data, {"terms": terms})
    assert lines[:3] == [
        "energy in 4 of 4 training structures: fitted with weight 1",
        "forces in 4 of 4 training structures: fitted with weight 10 to 1",
        "stress in 4 of 4 training structures: present, not fitted: add {property: stress, weight: ...} to fit.terms",
    ]


def test_each_label_of_a_closed_form_is_fitted_or_named(data):
    lines = notes_of(data, {"kind": "least_squares", "sigma": {"energy": 0.01, "forces": 0.1, "virial": None}})
    assert lines[0].endswith("fitted with weight 1e+04 (sigma 0.01 eV/atom)")
    assert lines[2].endswith("present, not fitted: set fit.sigma: {virial: ...}, in eV/atom")


def test_a_term_of_weight_zero_is_not_fitted(data):
    lines = notes_of(data, {"terms": [{"property": "energy"}, {"property": "forces", "weight": 0}]})
    assert "present, not fitted" in lines[1]


def test_weights_and_labels_that_are_not_used_are_named(data):
    lines = notes_of(data, {})
    assert (
        "config_weight in 4 frames looks like a weight, and is not used: data.weight_keys: {all: config_weight} would use it"
        in lines
    )
    assert not any("dft_energy" in line for line in lines)  # an energy was read
    used = notes_of(data, {}, weight_keys={"all": "config_weight"})
    assert [line for line in used if "config_weight" in line] == [
        "config_weight in 4 frames weighs labels (data.weight_keys)"
    ]
    with pytest.raises(DataError, match="energy"):
        notes_of(data, {}, keys={"energy": "no"})


@pytest.mark.parametrize("how", [{"weights": {"default": 0.0}}, {"weight_keys": {"all": "no_weight"}}])
@pytest.mark.parametrize("kind", ["gradient", "least_squares", "sparse_gp"])
def test_weights_that_are_all_zero_are_one_error_in_every_kind_of_fit(tmp_path, kind, how):
    frames = crystals(4)
    for atoms in frames:
        atoms.info["no_weight"] = 0.0
    model = {"gradient": "GCN", "least_squares": "SNAP", "sparse_gp": "GAP"}[kind]
    config = {
        "data": {"train": frames, "valid": None, "cache": False, **how},
        "model": {"kind": model, "cutoff": 4.0},
        "baseline": {} if kind == "gradient" else {"scale": "none"},
        "fit": {"kind": kind},
        "output": {"folder": str(tmp_path / "run"), "report": False},
    }
    with pytest.raises(DataError, match=r"all weights of energy, forces, stress are zero in all 4 training structures"):
        train(config, quiet=True)


def test_labels_of_nan_are_counted(tmp_path):
    frames = crystals(3)
    for atoms in frames[1:]:
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.full((4, 3), np.nan))
    ase.io.write(tmp_path / "a.traj", frames)
    lines = notes_of(str(tmp_path / "a.traj"), {})
    assert "forces is NaN in 2 frames, which counts as a missing label" in lines
    assert any(line.startswith("forces in 1 of 3 training structures") for line in lines)
