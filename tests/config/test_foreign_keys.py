"""Words that users of other programs know lead to where the thing is here."""

import pytest
from config.runs import tiny

from atomgraph.config.resolve import config_of
from atomgraph.errors import ConfigError


@pytest.mark.parametrize(
    "word, place",
    [
        ("fit.lr=0.1", "fit.optimizer.lr"),
        ("fit.learning_rate=0.1", "fit.optimizer"),
        ("fit.batch_size=5", "data.edge_budget"),
        ("data.batch_size=5", "data.edge_budget"),
        ("data.energy_key=dft_energy", "data.keys: {energy: NAME}"),
        ("model.r_max=5.0", "cutoff, in Å"),
        ("device=cuda", "fit.accelerator"),
        ("max_num_epochs=5", "fit.max_epochs"),
        ("max_epochs=5", "fit.max_epochs"),
        ("E0s=average", "baseline.e0"),
        ("train_file=x.xyz", "data.train"),
        ("model.max_ell=3", "l_max"),
        ("model.num_interactions=2", "n_layers"),
        ("model.hidden_irreps=64x0e", "model.hidden"),
        ("fit.seed=3", "it is seed here"),
        ("valid_fraction=0.1", "data.valid"),
        ("fit.forces_weight=10", "fit.terms"),
    ],
)
def test_words_of_other_programs_lead_to_the_key(tmp_path, word, place):
    with pytest.raises(ConfigError) as error:
        config_of(tiny(tmp_path), [word])
    message = str(error.value)
    assert "unknown key" in message and place in message and "\n" not in message


def test_a_slip_of_the_pen_is_still_corrected(tmp_path):
    with pytest.raises(ConfigError, match="did you mean max_epochs"):
        config_of(tiny(tmp_path), ["fit.max_epoch=3"])


@pytest.mark.parametrize("elements", [[14, 8], "Si O", "Si, O", ["Si", 8]])
def test_elements_may_be_atomic_numbers_or_one_text(tmp_path, elements):
    config = tiny(tmp_path)
    config["model"]["elements"] = elements
    assert config_of(config).model["elements"] == ["Si", "O"]


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
    assert config_of(config).model["branches"]["featurizer"]["elements"] == ["Ar"]


def test_e0_may_be_given_by_atomic_number(tmp_path):
    config = config_of(tiny(tmp_path, baseline={"e0": {18: -1.5}}))
    assert config.baseline.e0 == {"Ar": -1.5}


@pytest.mark.parametrize("elements", [[0], [200], "SiO", "Qq"])
def test_what_is_no_element_is_refused(tmp_path, elements):
    config = tiny(tmp_path)
    config["model"]["elements"] = elements
    with pytest.raises(ConfigError, match=r"atomic number|chemical symbol"):
        config_of(config)
