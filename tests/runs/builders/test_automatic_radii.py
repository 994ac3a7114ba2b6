"""radii: auto: from nearest neighbours and trial fits; what it says, and what it refuses."""

import ase
import pytest
import yaml
from helpers.run_configs import tiny
from helpers.training_data import frames

import atomgraph
from atomgraph.cli import main
from atomgraph.errors import ConfigError, DataError
from atomgraph.runs.builders.automatic_radii import has_automatic_radii, nearest_neighbours, replace_automatic_radii

SNAP = {"kind": "SNAP", "elements": "auto", "cutoff": 1.0, "twojmax": 3, "radii": "auto"}
SQUARES = {"kind": "least_squares", "accelerator": "cpu"}


def test_nearest_neighbours_are_medians_over_the_atoms_of_an_element():
    water = ase.Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [0, 0.98, 0]])
    cube = ase.Atoms("Po", cell=[3.3] * 3, pbc=True)
    assert nearest_neighbours([water, cube]) == pytest.approx({"H": 0.97, "O": 0.96, "Po": 3.3})
    with pytest.raises(DataError, match="no atom of He has a neighbour within 6"):
        nearest_neighbours([water, ase.Atoms("He")])


def test_nested_parts_get_their_radii():
    spec = {"kind": "EnergyModel", "branches": [{"featurizer": {"kind": "Bispectrum", "radii": "auto"}}]}
    assert has_automatic_radii(spec)
    filled = replace_automatic_radii(spec, {"Si": 2.6})
    assert filled["branches"][0]["featurizer"]["radii"] == {"Si": 2.6} and not has_automatic_radii(filled)


def test_missing_radii_come_from_the_data(tmp_path, capsys):
    """A radius of 0.5 in its place let atoms see 1 Å: one of 56 weights was fitted, and nothing said so."""
    config = tiny(tmp_path) | {"model": SNAP, "fit": SQUARES}
    config["data"].pop("edge_budget")
    _, metrics = atomgraph.train(config)
    said = capsys.readouterr().out
    assert "radii: auto: atoms of one element interact up to" in said and "Ar" in said
    loaded = atomgraph.load(tmp_path / "run")
    radius = loaded.model.branches[0].featurizer.arguments["radii"]["Ar"]
    distance = nearest_neighbours(frames(12))["Ar"]
    assert loaded.cutoff == pytest.approx(2 * radius) and 1.3 * distance < loaded.cutoff < 3.2 * distance
    assert "nearest neighbours" in loaded.metadata["radii"]
    assert metrics["training"]["rank"] == metrics["training"]["unknowns"]


@pytest.mark.parametrize("key", ["radii", "weights"])
def test_a_table_without_an_element_is_refused_with_element_and_key(tmp_path, key):
    config = tiny(tmp_path) | {"model": SNAP | {"radii": None, "cutoff": 4.0, key: {"Mo": 2.35}}, "fit": SQUARES}
    with pytest.raises(ConfigError, match=f"{key} of a bispectrum .* lack Ar; add Ar to {key}"):
        atomgraph.train(config, quiet=True)


def test_too_few_structures_for_a_trial_end_in_one_line(tmp_path, capsys):
    config = tiny(tmp_path) | {"model": SNAP, "fit": SQUARES}
    config["data"] = {"train": config["data"]["train"] + "@:2", "valid": None}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["train", str(path)]) == 2
    assert "error: radii: auto compares fits" in capsys.readouterr().err
