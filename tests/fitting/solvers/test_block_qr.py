"""Rows in runs that concern few unknowns: the factor of all rows, for less work, and nothing lost on the way."""

import torch
from helpers.linear_problems import normal

from atomgraph.fitting.solvers.block_qr import BlockQR
from atomgraph.fitting.solvers.streaming_qr import StreamingQR

N = 12
RUNS = [([0, 1, 2], 900), ([3, 4, 5, 6], 40), ([2, 3, 9], 700), (range(N), 30), ([0, 1, 2], 5), ([10, 11], 600)]


def blocks(runs=RUNS):
    """Rows of each run in two calls, with targets."""
    for seed, (columns, n_rows) in enumerate(runs):
        X = torch.zeros(n_rows, N, dtype=torch.float64)
        X[:, list(columns)] = normal(n_rows, len(columns), seed=seed)
        y = normal(n_rows, 2, seed=100 + seed)
        yield X[: n_rows // 3], y[: n_rows // 3]
        yield X[n_rows // 3 :], y[n_rows // 3 :]


def reduced(kind, every, **settings):
    stream = kind(N, 2, **settings)
    for X, y in every:
        stream.absorb(X, y)
    return stream.triangular_factor()


def same(first, two):
    for name in ("R", "Qty", "residual_square"):
        torch.testing.assert_close(getattr(first, name), getattr(two, name), rtol=1e-12, atol=1e-12)
    assert first.n_rows == two.n_rows


def test_factor_equals_that_of_streaming_qr():
    same(reduced(BlockQR, blocks()), reduced(StreamingQR, blocks()))


def test_rows_without_zero_columns_form_no_group():
    """Bit for bit what it is without."""
    full = [(normal(50, N, seed=seed), normal(50, 2, seed=seed + 50)) for seed in range(20)]
    first, two = reduced(BlockQR, full), reduced(StreamingQR, full)
    assert torch.equal(first.R, two.R) and torch.equal(first.Qty, two.Qty)


def test_long_group_adds_few_rows_to_the_factor():
    stream = BlockQR(N, 1)
    X = torch.zeros(4000, N, dtype=torch.float64)
    X[:, :4] = normal(4000, 4)
    stream.absorb(X, normal(4000, 1))
    stream.absorb(normal(1, N), normal(1, 1))
    assert stream._filled <= 4 + 256 + 1


def test_intermediate_factors_do_not_change_the_result():
    stream = BlockQR(N, 2)
    for X, y in blocks():
        stream.absorb(X, y)
        stream.triangular_factor()
    same(stream.triangular_factor(), reduced(StreamingQR, blocks()))


def test_resumed_equals_uninterrupted():
    """Inside a run, after its first fold, to the last bit."""
    every = list(blocks())
    for stop in range(len(every)):
        first = BlockQR(N, 2)
        for X, y in every[:stop]:
            first.absorb(X, y)
        second = BlockQR.from_state(first.state())
        for X, y in every[stop:]:
            second.absorb(X, y)
        left, two = second.triangular_factor(), reduced(BlockQR, every)
        assert torch.equal(left.R, two.R) and torch.equal(left.residual_square, two.residual_square)
