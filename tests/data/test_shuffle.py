import numpy as np

from atomgraph.data.shuffle import shuffled


def test_the_order_for_a_seed_is_fixed():
    assert shuffled(8, 0).tolist() == [0, 3, 7, 5, 1, 2, 6, 4]
    assert shuffled(8, 3, 1).tolist() == [5, 6, 3, 7, 0, 1, 2, 4]


def test_every_number_occurs_once_and_seeds_differ():
    for n in (0, 1, 100):
        assert sorted(shuffled(n, 5).tolist()) == list(range(n))
    assert len({str(shuffled(20, seed, epoch)) for seed in range(5) for epoch in range(5)}) == 25
    assert shuffled(5, -1).tolist() != shuffled(5, 1).tolist()


def test_the_first_position_is_uniformly_distributed():
    first = np.bincount([shuffled(4, seed)[0] for seed in range(2000)], minlength=4)
    assert np.abs(first - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)
