import torch

from atomgraph.fitting.low_rank import LowRankRows, project


def rows(n, rank, features=12):
    random = torch.Generator().manual_seed(n)
    left, right = (torch.randn(*size, generator=random, dtype=torch.float64) for size in ((n, rank), (rank, features)))
    return left @ right


def test_low_rank_factors_reproduce_directions():
    directions = rows(40, 5)
    few = LowRankRows.of(directions)
    assert few.base.shape == (5, 12)
    torch.testing.assert_close(few.mix @ few.base, directions, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(few.base @ few.base.T, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-12)


def test_directions_of_high_rank_have_no_low_rank_factors():
    assert LowRankRows.of(rows(6, 6)) is None
    assert LowRankRows.of(torch.zeros(4, 3)) is None


def test_projection_removes_only_directions_without_candidates():
    candidates = rows(50, 4)
    noise = 1e-9 * rows(50, 12)
    points = (candidates + noise)[:7]
    result = project(points, candidates + noise, tolerance=1e-6)
    assert torch.linalg.matrix_rank(result, rtol=1e-12) == 4
    torch.testing.assert_close(result, points, rtol=0, atol=1e-7)
    torch.testing.assert_close(project(points, candidates + noise, tolerance=1e-14), points, rtol=0, atol=1e-12)
