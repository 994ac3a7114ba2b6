"""Under torchrun, processes that each train alone and write into one folder are no run."""

import pytest

from atomgraph.config.distributed import apply_torchrun, is_first_process
from atomgraph.errors import ConfigError


@pytest.fixture
def two_by_three(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "6", "GROUP_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)


def test_without_torchrun_nothing_is_added(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "6")  # a queue, or Lightning's own launcher
    assert apply_torchrun({"seed": 1}) == {"seed": 1}


@pytest.mark.usefixtures("two_by_three")
def test_the_processes_of_torchrun_are_those_of_the_run():
    content = {"fit": {"max_epochs": 2}}
    assert apply_torchrun(content) == {"fit": {"max_epochs": 2, "devices": 3, "num_nodes": 2}}
    assert content == {"fit": {"max_epochs": 2}}
    assert apply_torchrun({}) == {"fit": {"devices": 3, "num_nodes": 2}}
    assert apply_torchrun({"fit": {"devices": "auto"}})["fit"]["devices"] == "auto"


@pytest.mark.usefixtures("two_by_three")
@pytest.mark.parametrize("fit", [{"devices": 1}, {"devices": [0, 1]}, {"num_nodes": 1}])
def test_processes_that_differ_from_torchrun_are_refused(fit):
    with pytest.raises(ConfigError, match=r"torchrun started 6 processes.*leave both out, or set fit\.devices=3"):
        apply_torchrun({"fit": fit})


@pytest.fixture
def two_tasks(monkeypatch):
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_NAME": "fit"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("two_tasks")
def test_a_slurm_job_of_two_tasks_and_one_device_says_what_to_set():
    for content in ({"fit": {"devices": 1}}, {}, {"fit": {"devices": [0]}}, {"fit": {"devices": 4}}):
        with pytest.raises(ConfigError, match=r"2 tasks, .*set fit\.devices=2 fit\.num_nodes=1 .*--ntasks=1"):
            apply_torchrun(content)
    for fit in ({"devices": 2}, {"devices": 1, "num_nodes": 2}, {"devices": "auto"}):
        assert apply_torchrun({"fit": fit}) == {"fit": fit}


@pytest.mark.usefixtures("two_tasks")
@pytest.mark.parametrize("content", [{"fit": {"kind": "least_squares"}}, {"method": {"kind": "gauss_newton"}}])
def test_a_fit_of_one_process_is_refused_in_a_slurm_job_of_two_tasks(content):
    with pytest.raises(ConfigError, match="is one process; start one task"):
        apply_torchrun(content)


@pytest.mark.usefixtures("two_tasks")
def test_shells_and_jobs_of_one_task_are_one_process(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert apply_torchrun({"seed": 1}) == {"seed": 1}
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")
    assert apply_torchrun({"seed": 1}) == {"seed": 1}


@pytest.mark.parametrize("size", ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PALS_LOCAL_SIZE"])
def test_mpi_tasks_once_trained_separately(monkeypatch, size):
    monkeypatch.setenv(size, "2")
    monkeypatch.setattr("atomgraph.config.distributed.find_spec", lambda name: None)
    for content in ({}, {"fit": {"devices": 2}}):
        with pytest.raises(
            ConfigError, match=r"2 tasks, .*each task would train alone; .*fit\.devices=2, or `torchrun"
        ):
            apply_torchrun(content)
    with pytest.raises(ConfigError, match=r"is one process; start one process \(without the launcher\)"):
        apply_torchrun({"fit": {"kind": "least_squares"}})
    monkeypatch.setattr("atomgraph.config.distributed.find_spec", lambda name: name)  # Lightning joins them by mpi4py
    with pytest.raises(ConfigError, match=r"set fit\.devices=2 fit\.num_nodes=1, or start one process"):
        apply_torchrun({})
    assert apply_torchrun({"fit": {"devices": 2}}) == {"fit": {"devices": 2}}


def test_tasks_of_jsrun_are_those_of_the_run(monkeypatch):
    monkeypatch.setenv("JSM_NAMESPACE_SIZE", "4")
    with pytest.raises(ConfigError, match=r"jsrun \(JSM\) has 4 tasks, .*set fit\.devices=4"):
        apply_torchrun({"fit": {"devices": 2}})
    assert apply_torchrun({"fit": {"devices": 2, "num_nodes": 2}})


def test_one_mpi_task_trains_as_usual(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "1")
    assert apply_torchrun({"seed": 1}) == {"seed": 1}


def test_only_the_first_rank_of_mpi_writes(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    assert not is_first_process()
