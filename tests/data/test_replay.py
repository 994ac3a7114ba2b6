"""A replay set beside a target: its share of every batch, its passes, and labels counted head by head."""

import numpy as np
import pytest
import torch
from helpers.training_data import graphs

from atomgraph.data import GraphDataModule
from atomgraph.data.replay import ReplaySampler
from atomgraph.errors import DataError


def of_head(n, seed, head):
    result = graphs(n, seed)
    for graph in result:
        graph.head = torch.tensor([head])
    return result


def sampler(n_target=20, n_replay=30, ratio=0.5, **words):
    return ReplaySampler(
        of_head(n_target, 0, 1), of_head(n_replay, 1, 0), words.pop("edge_budget", 400), ratio=ratio, n_heads=2, **words
    )


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8])
def test_every_batch_has_its_share(ratio):
    sample = sampler(ratio=ratio)
    for epoch in range(3):
        for batch in sample.plan(epoch):
            expected = sum(index < 20 for index in batch) * ratio / (1 - ratio)
            assert abs(sum(index >= 20 for index in batch) - expected) <= 1


def test_an_epoch_is_one_pass_over_the_target_whatever_the_replay_holds():
    for n_replay in (3, 30, 100):
        sample = sampler(n_replay=n_replay)
        for epoch in range(3):
            plan = [index for batch in sample.plan(epoch) for index in batch]
            assert sorted(index for index in plan if index < 20) == list(range(20))
            assert len(plan) == 40


def test_all_structures_of_a_large_replay_set_are_used_before_any_repeats():
    sample = sampler(n_target=20, n_replay=30, ratio=0.5)
    row = np.concatenate([sample.replay_indices(epoch) for epoch in range(6)])  # 120 are four passes of 30
    for number in range(4):
        assert sorted(row[30 * number : 30 * (number + 1)]) == list(range(20, 50))


def test_labels_are_counted_by_head_and_windows_add_up():
    whole, parts = sampler(), [sampler(rank=rank, world_size=2, accumulate=2) for rank in range(2)]
    for sample in (whole, *parts):
        counts = sum(sample.counts(step, 0) for step in range(sample.n_steps))
        assert counts.shape == (2, 3)
        assert counts[1, 0] == 20 == counts[0, 0]
    dealt = [index for sample in parts for batch in sample for index in batch if index >= 0]
    assert sorted(dealt) == sorted(index for batch in whole.plan(0) for index in batch)


def test_batches_of_the_module_carry_counts_of_each_head():
    module = GraphDataModule(of_head(12, 0, 1), replay=of_head(5, 1, 0), ratio=0.25, n_heads=2, edge_budget=300)
    heads = []
    for batch in module.train_dataloader():
        assert batch.window_counts.shape == (2, 3)
        assert (
            batch.window_counts[1, 0] == (batch.head == 1).sum()
            and batch.window_counts[0, 0] == (batch.head == 0).sum()
        )
        heads += batch.head.tolist()
    assert heads.count(1) == 12 and heads.count(0) == 4


def test_a_set_without_structures_is_refused():
    with pytest.raises(DataError, match="replay needs target structures, replay structures"):
        ReplaySampler(of_head(3, 0, 1), [], 100, ratio=0.5, n_heads=2)
