"""What a configuration's errors say where pydantic's own words would say nothing to its author."""

import pytest
from helpers.finetune_configs import tune
from helpers.run_configs import tiny

from atomgraph import Potential
from atomgraph.config.resolve import read_config
from atomgraph.errors import ConfigError
from atomgraph.models import GCN
from atomgraph.runs.launch import read_finetune_config


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"kind": "naive"}, "method.kind should be full, frozen, lora, last_layer, gauss_newton, but is 'naive'"),
        ({"kind": "gaus_newton"}, "but is 'gaus_newton'; did you mean gauss_newton?"),
        ({}, "method.kind is missing; known are full, frozen, lora, last_layer, gauss_newton"),
    ],
)
def test_unknown_kind_once_gave_a_message_of_pydantic(tmp_path, method, said):
    with pytest.raises(ConfigError) as error:
        read_finetune_config(tune(tmp_path) | {"method": method})
    assert said in str(error.value)


def test_potential_in_place_of_its_file_was_once_printed_whole(tmp_path):
    start = {"model": Potential(GCN(["Ar"], 4.0))}
    with pytest.raises(ConfigError) as error:
        read_finetune_config(tune(tmp_path) | {"start": start})
    message = str(error.value)
    assert "start.model should be text, but is a Potential; give the path of its file" in message and len(message) < 200


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("data.weights.bulk=-1", "data.weights.bulk should be at least 0, but is -1"),
        ("fit.terms.0.weight=-1", "fit.terms.0.weight should be at least 0 or"),
        ("baseline.scale=-2.0", "more than 0, but is -2.0"),
        ("model={kind: SNAP, elements: [Ar], cutoff: 4.0, radii: {Ar: -0.5}}", "model.radii should be positive"),
    ],
)
def test_invalid_numbers_were_once_refused_after_reading_data(tmp_path, word, said):
    with pytest.raises(ConfigError) as error:
        read_config(tiny(tmp_path), [word])
    assert said in str(error.value)
