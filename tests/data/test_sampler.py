import warnings

import numpy as np
import pytest
from helpers.labelled_structures import SILICON, mixed

from atomgraph.data import EdgeBudgetSampler, build_graphs, read
from atomgraph.errors import DataError


@pytest.fixture(scope="module")
def graphs():
    silicon = read(SILICON / "train.xyz.gz")[::4]
    return build_graphs([*silicon, *mixed()], 4.0, weights={"Elastic": 0.5})


def processes(graphs, world_size, accumulate=1, **options):
    options = {"edge_budget": 5000, "seed": 3} | options
    return [
        EdgeBudgetSampler(graphs, rank=rank, world_size=world_size, accumulate=accumulate, **options)
        for rank in range(world_size)
    ]


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_each_structure_is_seen_once_an_epoch_and_all_processes_take_equally_many_steps(graphs, world_size, accumulate):
    samplers = processes(graphs, world_size, accumulate)
    for epoch in (0, 1):
        seen = []
        for sampler in samplers:
            sampler.set_epoch(epoch)
            batches = list(sampler)
            assert len(batches) == len(sampler) == samplers[0].n_steps * accumulate
            seen += [index for batch in batches for index in batch if index >= 0]
        assert sorted(seen) == list(range(len(graphs)))


@pytest.mark.parametrize(("world_size", "accumulate"), [(2, 1), (4, 1), (2, 2), (1, 4)])
def test_a_window_has_the_structures_of_all_processes_in_one_step(graphs, world_size, accumulate):
    samplers = processes(graphs, world_size, accumulate)
    batches = [list(sampler) for sampler in samplers]
    for step in range(samplers[0].n_steps):
        mine = {i for b in batches for micro in b[step * accumulate : (step + 1) * accumulate] for i in micro if i >= 0}
        assert mine == set(samplers[-1].window(step))


def test_the_epoch_is_the_same_list_of_batches_for_any_number_of_processes(graphs):
    plans = [sampler.plan(5) for world_size in (1, 2, 5) for sampler in processes(graphs, world_size)]
    assert all(plan == plans[0] for plan in plans)


def test_steps_of_two_processes_are_steps_of_one_that_accumulates_two(graphs):
    (first,), (two, _) = processes(graphs, 1, accumulate=2), processes(graphs, 2)
    assert [first.window(step) for step in range(first.n_steps)] == [two.window(step) for step in range(two.n_steps)]


def test_epochs_differ_seeds_differ_and_both_can_be_repeated(graphs):
    (sampler,) = processes(graphs, 1)
    plans = [sampler.plan(epoch) for epoch in range(6)]
    assert len({str(plan) for plan in plans}) == 6
    assert processes(graphs, 1)[0].plan(4) == plans[4]
    assert processes(graphs, 1, seed=4)[0].plan(4) != plans[4]


@pytest.mark.parametrize("edge_budget", [2000, 2600, 5000, 20_000, 10**6])
@pytest.mark.parametrize("atom_budget", [None, 100])
def test_batches_keep_to_the_budget_and_their_number_is_the_same_in_every_epoch(graphs, edge_budget, atom_budget):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = EdgeBudgetSampler(graphs, edge_budget, atom_budget=atom_budget)
    for epoch in range(8):
        plan = sampler.plan(epoch)
        assert len(plan) == sampler.n_batches
        for batch in plan:
            fits = sampler.sizes.n_edges[batch].sum() <= edge_budget
            fits &= sampler.sizes.n_atoms[batch].sum() <= (atom_budget or edge_budget)
            assert fits or len(batch) == 1


def test_batches_are_about_equally_full(graphs):
    silicon = [graph for graph in graphs if graph.n_edges > 500]
    sampler = EdgeBudgetSampler(silicon, 10_000)
    edges = np.array([sampler.sizes.n_edges[batch].sum() for batch in sampler.plan(0)])
    assert edges.min() > 0.6 * edges.max()


def test_structures_above_the_budget_are_alone_and_warned_of_once(graphs):
    with pytest.warns(UserWarning, match=r"exceed the budget of 500 edges") as caught:
        sampler = EdgeBudgetSampler(graphs, 500)
        for epoch in range(3):
            sampler.plan(epoch)
    assert len(caught) == 1
    assert all(len(batch) == 1 for batch in sampler.plan(0) if sampler.sizes.n_edges[batch].max() > 500)


def test_counts_of_a_step_are_sums_over_its_structures(graphs):
    (sampler, _) = processes(graphs, 2)
    totals = np.zeros(3)
    for step in range(sampler.n_steps):
        chosen = [graphs[index] for index in sampler.window(step)]
        by_hand = [
            sum(int(g.energy_mask.sum()) for g in chosen),
            sum(3 * int(g.forces_mask.sum()) for g in chosen),
            sum(9 * int(g.stress_mask.sum()) for g in chosen),
        ]
        np.testing.assert_array_equal(sampler.counts(step), by_hand)
        totals += sampler.counts(step)
    assert totals[0] == sum(int(g.energy_mask) for g in graphs)


def test_without_shuffling_the_order_is_kept(graphs):
    sampler = EdgeBudgetSampler(graphs, 5000, shuffle=False)
    assert [index for batch in sampler for index in batch] == list(range(len(graphs)))
    assert sampler.plan(0) == sampler.plan(1)


@pytest.mark.parametrize("position", [0, 1, 4])
def test_a_resumed_epoch_yields_the_remaining_batches_and_the_next_epoch_is_complete(graphs, position):
    (whole, _), (resumed, _) = processes(graphs, 2), processes(graphs, 2)
    whole.set_epoch(2)
    resumed.load_state_dict(whole.state_dict(position))
    resumed.set_epoch(2)
    assert list(resumed) == list(whole)[position:]
    assert list(resumed) == list(whole)
    whole.set_epoch(3), resumed.set_epoch(3)
    assert list(resumed) == list(whole)


def test_the_largest_batch_is_found(graphs):
    (sampler,) = processes(graphs, 1)
    edges = [sampler.sizes.n_edges[batch].sum() for batch in sampler.plan(0)]
    assert sampler.sizes.n_edges[sampler.largest_batch()].sum() == max(edges)


def test_invalid_arguments_are_refused(graphs):
    for options in ({"edge_budget": 0}, {"atom_budget": 0}, {"rank": 2, "world_size": 2}, {"accumulate": 0}):
        with pytest.raises(DataError):
            EdgeBudgetSampler(graphs, **({"edge_budget": 100} | options))
    with pytest.raises(DataError, match="at least one structure"):
        EdgeBudgetSampler([], 100)
    with pytest.raises(DataError, match="step should lie in"):
        EdgeBudgetSampler(graphs, 5000).window(10**6)
