import numpy as np
import pytest
import torch
from helpers.linear_problems import normal

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.sparse_points import cur, farthest_point, greedy, leverage_scores, random


class Blocks:
    """Blocks which are made again in each pass and never lie in memory together."""

    def __init__(self, X, size):
        self.X, self.size, self.longest = X, size, 0

    def __iter__(self):
        for block in self.X.split(self.size):
            self.longest = max(self.longest, len(block))
            yield block


@pytest.mark.parametrize("rank", [None, 3])
def test_leverage_is_the_squared_rows_of_the_left_singular_vectors(rank):
    X = normal(60, 8) * torch.logspace(0, -2, 8, dtype=torch.float64)
    U = np.linalg.svd(X.numpy(), full_matrices=False)[0][:, :rank]
    expected = (U**2).sum(1)
    np.testing.assert_allclose(leverage_scores(X, rank).numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(leverage_scores(Blocks(X, 7), rank).numpy(), expected, rtol=1e-10)
    assert leverage_scores(X[:5]).numpy() == pytest.approx(np.ones(5))


def test_choices_do_not_depend_on_the_blocks():
    X = normal(200, 6)
    for choose in (cur, farthest_point, lambda X, m: cur(X, m, seed=3)):
        assert choose(X, 12).tolist() == choose(Blocks(X, 7), 12).tolist() == choose(list(X.split(64)), 12).tolist()


def test_cur_chooses_unusual_environments():
    X = 0.01 * normal(100, 5)
    X[[17, 42]] = torch.eye(5, dtype=torch.float64)[:2]
    assert set(cur(X, 2).tolist()) == {17, 42}


def test_drawing_frequencies_are_proportional_to_leverage():
    X = torch.zeros(3, 3, dtype=torch.float64)
    X[0, 0], X[1, 1], X[2, 1], X[1, 2], X[2, 2] = 1.0, 1.0, 1.0, 0.0, 0.0
    drawn = torch.cat([cur(X, 1, rank=3, seed=seed) for seed in range(1000)])
    assert float((drawn == 0).sum()) == pytest.approx(500, abs=50)  # leverages 1, 1/2, 1/2


def cubed(x, y):
    return (x @ y.T) ** 3


def test_greedy_points_have_largest_remaining_variance():
    X = torch.nn.functional.normalize(normal(80, 5) + 1.0)
    K, chosen = cubed(X, X), [int((X @ X.mean(0)).argmax())]
    while len(chosen) < 12:
        seen = K[:, chosen] @ torch.linalg.solve(K[chosen][:, chosen], K[chosen])
        chosen.append(int((K - seen).diagonal().argmax()))
    assert greedy(X, 12, cubed).tolist() == chosen


def test_equal_environments_are_chosen_once():
    X = torch.nn.functional.normalize(normal(4, 5)).repeat(3, 1)
    assert len(set((greedy(X, 4, cubed) % 4).tolist())) == 4
    assert len(greedy(X, 5, cubed)) == 4


def test_farthest_points_are_those_of_the_whole_distance_matrix():
    X = normal(80, 4)
    distance = torch.cdist(X, X)
    chosen = [3]
    while len(chosen) < 10:
        chosen.append(int(distance[:, chosen].min(1).values.argmax()))
    assert farthest_point(X, 10, start=3).tolist() == chosen
    assert farthest_point(Blocks(X, 9), 10, start=3).tolist() == chosen


def test_farthest_points_include_every_cluster_unlike_random_points():
    X = 1e-3 * normal(400, 2)
    X[-3:] += torch.tensor([[5.0, 0], [0, 5], [5, 5]], dtype=torch.float64)
    assert {397, 398, 399} < set(farthest_point(X, 4).tolist())
    assert not {397, 398, 399} & set(random(400, 4).tolist())


def test_random_points_depend_on_seed_and_leave_torch_rng_unchanged():
    before = torch.random.get_rng_state()
    first, again, two = random(100, 10, seed=1), random(100, 10, seed=1), random(100, 10, seed=2)
    assert torch.equal(first, again) and not torch.equal(first, two) and len(set(first.tolist())) == 10
    assert torch.equal(before, torch.random.get_rng_state())
    assert random(5, 5).tolist() == [0, 1, 2, 3, 4]


def test_impossible_choices_are_refused():
    X = normal(10, 2)
    for choose in (lambda: random(3, 4), lambda: cur(X, 11), lambda: farthest_point(X, 0)):
        with pytest.raises(FittingError, match="cannot be chosen"):
            choose()
    assert farthest_point(torch.tensor([[0.0], [1.0], [0.0]]), 3).tolist() == [0, 1]
    with pytest.raises(FittingError, match="more than once"):
        farthest_point(iter([X]), 3)
    with pytest.raises(FittingError, match=r"start should be between 0 and 9.* but is 10"):
        farthest_point(X, 3, start=10)
    with pytest.raises(FittingError, match="no environments"):
        cur([], 3)
