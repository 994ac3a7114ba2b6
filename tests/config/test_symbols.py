"""Elements may be given as symbols in any case and as atomic numbers, wherever a configuration names them."""

import pytest
from helpers.finetune_configs import tune
from helpers.run_configs import tiny

from atomgraph.cli import main
from atomgraph.config.resolve import read_config
from atomgraph.errors import ConfigError
from atomgraph.runs.launch import read_finetune_config


@pytest.mark.parametrize("elements", [[14, 8], "Si O", "Si, O", ["Si", 8], "si o", ["SI", "o"]])
def test_elements_may_be_atomic_numbers_or_one_text(tmp_path, elements):
    config = tiny(tmp_path)
    config["model"]["elements"] = elements
    assert read_config(config).model["elements"] == ["Si", "O"]


def test_elements_of_parts_inside_a_model_may_be_numbers(tmp_path):
    config = tiny(tmp_path)
    config["model"] = {
        "kind": "EnergyModel",
        "elements": [18],
        "branches": {
            "kind": "Branch",
            "cutoff": 4.0,
            "featurizer": {"kind": "RadialDensity", "elements": "18"},
            "readouts": [{"kind": "Linear", "irreps_in": 8}],
        },
    }
    assert read_config(config).model["branches"]["featurizer"]["elements"] == ["Ar"]


def test_e0_may_be_given_by_atomic_number(tmp_path):
    config = read_config(tiny(tmp_path, baseline={"e0": {18: -1.5}}))
    assert config.baseline.e0 == {"Ar": -1.5}


@pytest.mark.parametrize("elements", [[0], [200], "SiO", "Qq", "CO"])
def test_invalid_elements_are_refused(tmp_path, elements):
    config = tiny(tmp_path)
    config["model"]["elements"] = elements
    with pytest.raises(ConfigError, match=r"atomic number|chemical symbol"):
        read_config(config)


@pytest.mark.parametrize("key", [29, "29", "cu", "CU", "Cu"])
@pytest.mark.parametrize(("name", "value"), [("radii", 0.5), ("weights", 1.0), ("chem", 0), ("inner", [1.0, 0.5])])
def test_atomic_numbers_as_keys_were_once_refused(tmp_path, key, name, value):
    model = {"kind": "SNAP", "elements": ["Cu"], "cutoff": 4.0, "twojmax": 2, name: {key: value}}
    assert read_config(tiny(tmp_path) | {"model": model}).model[name] == {"Cu": value}


def test_e0_of_a_symbol_in_lower_case_was_once_missing(tmp_path):
    assert read_config(tiny(tmp_path, baseline={"e0": {"ar": -1.5}})).baseline.e0 == {"Ar": -1.5}


def test_head_with_the_name_of_an_element_keeps_it(tmp_path):
    given = {"mo": {"ar": -1.5}, "29": {18: -1.0}}
    assert read_config(tiny(tmp_path, baseline={"e0": given})).baseline.e0 == {"mo": {"Ar": -1.5}, "29": {"Ar": -1.0}}


def test_an_element_that_is_given_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"baseline\.e0: Ar is given twice"):
        read_config(tiny(tmp_path, baseline={"e0": {18: -1.5, "Ar": -1.0}}))


def test_an_argument_that_looks_like_an_element_stays(tmp_path):
    model = {"kind": "MACE", "elements": ["Ar"], "cutoff": 4.0, "radial": {"p": 5}}
    assert read_config(tiny(tmp_path) | {"model": model}).model["radial"] == {"p": 5}


@pytest.mark.parametrize("types", [[29], 29, ["cu"]])
def test_types_may_be_atomic_numbers(tmp_path, types):
    assert read_config(tiny(tmp_path, data={"types": types})).data.types == ["Cu"]


@pytest.mark.parametrize("types", ["cu", "29", "Cu"])
def test_types_in_lower_case_were_once_refused_by_commands(tmp_path, capsys, types):
    path = tmp_path / "in.xyz"
    path.write_text("1\nAtoms. Timestep: 0\n1 0.0 0.0 0.0\n")
    assert main(["check", str(path), "--types", types]) in (0, 1)
    assert "Cu" in capsys.readouterr().out


def test_elements_of_a_starting_potential_may_be_numbers(tmp_path):
    start = {"keep_elements": [18], "elements": ["ar"], "new_elements": {36: "ar"}}
    config = read_finetune_config(tune(tmp_path, start=start))
    assert (config.start.keep_elements, config.start.elements) == (["Ar"], ["Ar"])
    assert config.start.new_elements == {"Kr": "Ar"}


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ({"radii": 3}, "a mapping of names to numbers or auto or null, but is 3"),
        ({"twojmax": "six"}, "a whole number"),
        ({"chem": {"Ar": "x"}}, "a mapping of names to whole numbers or null"),
    ],
)
def test_wrong_type_once_gave_a_message_of_python(tmp_path, argument, options):
    model = {"kind": "SNAP", "elements": ["Ar"], "cutoff": 4.0, **argument}
    with pytest.raises(ConfigError, match=options):
        read_config(tiny(tmp_path) | {"model": model})
