"""Under torchrun, processes that each train alone and write into one folder are no run."""

import pytest

from atomgraph.config.torchrun import following_torchrun
from atomgraph.errors import ConfigError


@pytest.fixture
def two_by_three(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "6", "GROUP_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)


def test_without_torchrun_nothing_is_added(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "6")  # a queue, or Lightning's own launcher
    assert following_torchrun({"seed": 1}) == {"seed": 1}


@pytest.mark.usefixtures("two_by_three")
def test_the_processes_of_torchrun_are_those_of_the_run():
    content = {"fit": {"max_epochs": 2}}
    assert following_torchrun(content) == {"fit": {"max_epochs": 2, "devices": 3, "num_nodes": 2}}
    assert content == {"fit": {"max_epochs": 2}}
    assert following_torchrun({}) == {"fit": {"devices": 3, "num_nodes": 2}}
    assert following_torchrun({"fit": {"devices": "auto"}})["fit"]["devices"] == "auto"


@pytest.mark.usefixtures("two_by_three")
@pytest.mark.parametrize("fit", [{"devices": 1}, {"devices": [0, 1]}, {"num_nodes": 1}])
def test_another_number_of_processes_than_torchrun_started_is_refused(fit):
    with pytest.raises(ConfigError, match=r"torchrun started 6 processes.*leave both out, or say fit\.devices=3"):
        following_torchrun({"fit": fit})
