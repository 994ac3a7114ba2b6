import numpy as np
import pytest

from atomgraph.data.packing import (
    StructureSizes,
    count_buckets,
    pack_best_fit,
    pack_evenly,
    pack_in_order,
    pack_structures,
)


def some_sizes(seed, n=60, edge_budget=100, atom_budget=30):
    random = np.random.default_rng(seed)
    return StructureSizes(random.integers(0, 60, n), random.integers(1, 12, n), edge_budget, atom_budget)


def loads(buckets, sizes):
    return [(sizes.n_edges[bucket].sum(), sizes.n_atoms[bucket].sum()) for bucket in buckets]


@pytest.mark.parametrize("seed", range(10))
def test_every_structure_is_packed_once_and_no_bucket_is_overfull(seed):
    sizes = some_sizes(seed)
    order = np.random.default_rng(seed).permutation(60)
    best = pack_best_fit(order, sizes)
    even = pack_evenly(order[np.argsort(-sizes.n_edges[order])], sizes, len(best) + 1)
    for buckets in (best, even, pack_in_order(sizes)):
        assert sorted(index for bucket in buckets for index in bucket) == list(range(60))
        assert all(edges <= 100 and atoms <= 30 for edges, atoms in loads(buckets, sizes))


@pytest.mark.parametrize("seed", range(10))
def test_best_fit_needs_few_buckets_and_even_packing_fills_them_evenly(seed):
    sizes = some_sizes(seed, n=400, atom_budget=1000)
    by_size = np.argsort(-sizes.n_edges, kind="stable")
    best = pack_best_fit(by_size, sizes)
    assert len(best) <= np.ceil(11 / 9 * sizes.n_edges.sum() / 100) + 1  # the theorem of best fit, largest first
    even = pack_evenly(by_size, sizes, len(best) * 5 // 4)
    edges = np.array([edges for edges, _ in loads(even, sizes)])
    assert edges.max() - edges.min() <= 60  # never further apart than the largest structure


def test_packing_in_order_keeps_the_order():
    sizes = some_sizes(3)
    assert [index for bucket in pack_in_order(sizes) for index in bucket] == list(range(60))


def test_structures_above_the_budget_are_alone():
    sizes = StructureSizes(np.array([10, 500, 20, 5]), np.array([2, 3, 99, 1]), edge_budget=100, atom_budget=30)
    order = np.arange(4)
    for buckets in (pack_best_fit(order, sizes), pack_evenly(order, sizes, 3), pack_in_order(sizes)):
        assert [1] in buckets and [2] in buckets


def test_even_packing_returns_none_instead_of_an_overfull_bucket():
    sizes = StructureSizes(np.array([60, 60, 60]), np.array([1, 1, 1]), edge_budget=100, atom_budget=30)
    assert pack_evenly(np.arange(3), sizes, 2) is None and len(pack_best_fit(np.arange(3), sizes)) == 3


def test_atoms_without_edges_are_bounded_by_atoms():
    sizes = StructureSizes(np.zeros(10, dtype=int), np.ones(10, dtype=int), edge_budget=100, atom_budget=4)
    assert [len(bucket) for bucket in pack_best_fit(np.arange(10), sizes)] == [4, 4, 2]
    assert sorted(len(bucket) for bucket in pack_evenly(np.arange(10), sizes, 3)) == [3, 3, 4]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("edge_budget", [60, 80, 130, 400, 10_000])
def test_the_number_of_buckets_depends_on_sizes_alone_and_always_suffices(seed, edge_budget):
    random = np.random.default_rng(seed)
    sizes = some_sizes(seed, edge_budget=edge_budget, atom_budget=int(random.integers(12, 200)))
    expected = count_buckets(sizes)
    for _ in range(5):
        buckets = pack_structures(random.permutation(60), sizes, expected)
        assert len(buckets) == expected and all(buckets)
        assert sorted(index for bucket in buckets for index in bucket) == list(range(60))
        assert all(e <= edge_budget and a <= sizes.atom_budget for e, a in loads(buckets, sizes))


def test_tight_buckets_have_other_structures_in_every_epoch():
    sizes = StructureSizes(np.arange(101, 201), np.ones(100, dtype=int), edge_budget=500, atom_budget=500)
    epochs = [
        pack_structures(np.random.default_rng(seed).permutation(100), sizes, count_buckets(sizes)) for seed in range(5)
    ]
    assert len({frozenset(frozenset(bucket) for bucket in buckets) for buckets in epochs}) == 5
