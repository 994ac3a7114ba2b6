"""What a configuration's errors say where pydantic's own words would say nothing to its author."""

import pytest
from config.tunes import tune

from atomgraph import Potential
from atomgraph.config.finetuning import finetune_config_of
from atomgraph.errors import ConfigError
from atomgraph.models import GCN


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"kind": "naive"}, "method.kind should be full, frozen, lora, last_layer, gauss_newton, but is 'naive'"),
        ({"kind": "gaus_newton"}, "but is 'gaus_newton'; did you mean gauss_newton?"),
        ({}, "method.kind is missing; known are full, frozen, lora, last_layer, gauss_newton"),
    ],
)
def test_an_unknown_kind_was_once_told_in_pydantics_words(tmp_path, method, said):
    with pytest.raises(ConfigError) as error:
        finetune_config_of(tune(tmp_path) | {"method": method})
    assert said in str(error.value)


def test_a_potential_in_the_place_of_its_file_was_once_printed_whole(tmp_path):
    start = {"model": Potential(GCN(["Ar"], 4.0))}
    with pytest.raises(ConfigError) as error:
        finetune_config_of(tune(tmp_path) | {"start": start})
    message = str(error.value)
    assert "start.model should be text, but is a Potential; give the path of its file" in message and len(message) < 200
