"""However the structures of an optimiser step are cut into batches and dealt to processes, its gradients are the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.gradients import data_of, gradients_of_a_step

ALL = 10_000


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    return gradients_of_a_step(tmp_path_factory.mktemp("joint"), ALL)


@pytest.fixture(scope="module")
def joint_with_replay(tmp_path_factory):
    return gradients_of_a_step(tmp_path_factory.mktemp("joint"), ALL, replay=True)


def assert_same(result, joint):
    assert result.keys() == joint.keys()
    for name, gradient in joint.items():
        torch.testing.assert_close(result[name], gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("edge_budget", "accumulate"), [(90, 2), (36, 8)])
def test_accumulated_unequal_batches_give_the_gradients_of_the_joint_batch(tmp_path, joint, edge_budget, accumulate):
    assert_same(gradients_of_a_step(tmp_path, edge_budget, accumulate), joint)


def test_gradients_with_replayed_heads_are_independent_of_batches(tmp_path, joint_with_replay):
    assert (
        data_of(ALL, replay=True).sampler("train").n_batches == 1 < data_of(150, replay=True).sampler("train").n_batches
    )
    assert_same(gradients_of_a_step(tmp_path, 150, 4, replay=True), joint_with_replay)


def test_two_processes_give_the_gradients_of_the_joint_batch(tmp_path, joint, joint_with_replay):
    script = Path(__file__).parents[1] / "helpers" / "gradients.py"
    cases = ["100x1", "36x3", "replay-150x2"]  # edge budget, batches accumulated
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(
        [*command, str(tmp_path), *cases], env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for case in cases:
        expected = joint_with_replay if case.startswith("replay") else joint
        assert_same(torch.load(tmp_path / f"{case}.pt", weights_only=True), expected)
