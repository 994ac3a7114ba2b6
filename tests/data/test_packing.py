import numpy as np
import pytest

from atomgraph.data.packing import Sizes, assign, fill, level, n_buckets, runs


def some_sizes(seed, n=60, edge_budget=100, atom_budget=30):
    random = np.random.default_rng(seed)
    return Sizes(random.integers(0, 60, n), random.integers(1, 12, n), edge_budget, atom_budget)


def loads(buckets, sizes):
    return [(sizes.n_edges[bucket].sum(), sizes.n_atoms[bucket].sum()) for bucket in buckets]


@pytest.mark.parametrize("seed", range(10))
def test_every_structure_is_packed_once_and_no_bucket_is_overfull(seed):
    sizes = some_sizes(seed)
    order = np.random.default_rng(seed).permutation(60)
    best = fill(order, sizes)
    even = level(order[np.argsort(-sizes.n_edges[order])], sizes, len(best) + 1)
    for buckets in (best, even, runs(sizes)):
        assert sorted(index for bucket in buckets for index in bucket) == list(range(60))
        assert all(edges <= 100 and atoms <= 30 for edges, atoms in loads(buckets, sizes))


@pytest.mark.parametrize("seed", range(10))
def test_best_fit_needs_few_buckets_and_levelling_fills_them_evenly(seed):
    sizes = some_sizes(seed, n=400, atom_budget=1000)
    by_size = np.argsort(-sizes.n_edges, kind="stable")
    best = fill(by_size, sizes)
    assert len(best) <= np.ceil(11 / 9 * sizes.n_edges.sum() / 100) + 1  # the theorem of best fit, largest first
    even = level(by_size, sizes, len(best) * 5 // 4)
    edges = np.array([edges for edges, _ in loads(even, sizes)])
    assert edges.max() - edges.min() <= 60  # never further apart than the largest structure


def test_runs_keep_the_order():
    sizes = some_sizes(3)
    assert [index for bucket in runs(sizes) for index in bucket] == list(range(60))


def test_structures_above_the_budget_are_alone():
    sizes = Sizes(np.array([10, 500, 20, 5]), np.array([2, 3, 99, 1]), edge_budget=100, atom_budget=30)
    order = np.arange(4)
    for buckets in (fill(order, sizes), level(order, sizes, 3), runs(sizes)):
        assert [1] in buckets and [2] in buckets


def test_levelling_gives_up_rather_than_overfill():
    sizes = Sizes(np.array([60, 60, 60]), np.array([1, 1, 1]), edge_budget=100, atom_budget=30)
    assert level(np.arange(3), sizes, 2) is None and len(fill(np.arange(3), sizes)) == 3


def test_atoms_without_edges_are_bounded_by_atoms():
    sizes = Sizes(np.zeros(10, dtype=int), np.ones(10, dtype=int), edge_budget=100, atom_budget=4)
    assert [len(bucket) for bucket in fill(np.arange(10), sizes)] == [4, 4, 2]
    assert sorted(len(bucket) for bucket in level(np.arange(10), sizes, 3)) == [3, 3, 4]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("edge_budget", [60, 80, 130, 400, 10_000])
def test_the_number_of_buckets_depends_on_sizes_alone_and_always_suffices(seed, edge_budget):
    random = np.random.default_rng(seed)
    sizes = some_sizes(seed, edge_budget=edge_budget, atom_budget=int(random.integers(12, 200)))
    expected = n_buckets(sizes)
    for _ in range(5):
        buckets = assign(random.permutation(60), sizes, expected)
        assert len(buckets) == expected and all(buckets)
        assert sorted(index for bucket in buckets for index in bucket) == list(range(60))
        assert all(e <= edge_budget and a <= sizes.atom_budget for e, a in loads(buckets, sizes))


def test_tight_buckets_too_hold_other_structures_in_every_epoch():
    sizes = Sizes(np.arange(101, 201), np.ones(100, dtype=int), edge_budget=500, atom_budget=500)
    epochs = [assign(np.random.default_rng(seed).permutation(100), sizes, n_buckets(sizes)) for seed in range(5)]
    assert len({frozenset(frozenset(bucket) for bucket in buckets) for buckets in epochs}) == 5
