import numpy as np
import pytest
import torch

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.normal_equations import NormalEquations
from atomgraph.fitting.solvers.ridge import least_squares
from atomgraph.fitting.solvers.streaming_qr import StreamingQR

BOTH = pytest.mark.parametrize("stream", [StreamingQR, NormalEquations])


def rows(n_rows=700, n=12, k=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n_rows, n, dtype=torch.float64, generator=generator)
    return X, torch.randn(n_rows, k, dtype=torch.float64, generator=generator)


def absorbed(stream, X, y, cuts=(), **settings):
    streamed = stream(X.shape[1], y.shape[1], **settings)
    for part, target in zip(X.tensor_split(list(cuts)), y.tensor_split(list(cuts)), strict=True):
        streamed.absorb(part, target)
    return streamed


def same(first, two, tolerance):
    for name in ("R", "Qty", "residual_square"):
        torch.testing.assert_close(getattr(first, name), getattr(two, name), rtol=tolerance, atol=tolerance)
    assert first.n_rows == two.n_rows


@BOTH
def test_factor_is_independent_of_block_size(stream):
    X, y = rows()
    same(
        absorbed(stream, X, y, (1, 3, 40, 333), block_rows=17).triangular_factor(),
        absorbed(stream, X, y, block_rows=10_000).triangular_factor(),
        1e-12 if stream is StreamingQR else 1e-11,
    )


@BOTH
def test_division_into_calls_does_not_change_the_last_bit(stream):
    X, y = rows()
    same(
        absorbed(stream, X, y, (1, 3, 40, 333)).triangular_factor(),
        absorbed(stream, X, y, (350,)).triangular_factor(),
        0.0,
    )


@BOTH
@pytest.mark.parametrize("n_rows", [5, 700])
def test_factor_reproduces_the_misfit_of_any_weights(stream, n_rows):
    X, y = rows(n_rows)
    w = rows(12, 2, 2, seed=1)[0]
    expected = (X @ w - y).square().sum(0)
    torch.testing.assert_close(absorbed(stream, X, y).triangular_factor().misfit(w), expected, rtol=1e-11, atol=0)


@BOTH
def test_least_squares_is_numpys(stream):
    X, y = rows()
    expected, square, _, _ = np.linalg.lstsq(X.numpy(), y.numpy(), rcond=None)
    reduced = absorbed(stream, X, y, (100, 200)).triangular_factor()
    np.testing.assert_allclose(least_squares(reduced).weights.numpy(), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(reduced.residual_square.numpy(), square, rtol=1e-12)


def test_weight_multiplies_a_row_and_weight_zero_skips_it():
    X, y = rows(50)
    weight = torch.linspace(0, 2, 50, dtype=torch.float64)
    streamed = StreamingQR(12, 2)
    streamed.absorb(X, y, weight)
    same(
        streamed.triangular_factor(),
        absorbed(StreamingQR, X[1:] * weight[1:, None], y[1:] * weight[1:, None]).triangular_factor(),
        1e-13,
    )
    assert streamed.n_rows == 49


@BOTH
@pytest.mark.parametrize("stop", [10, 256, 300])
def test_resumed_equals_uninterrupted(stream, stop):
    X, y = rows()
    first = absorbed(stream, X[:stop], y[:stop])
    state = first.state()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    first.absorb(X, y)  # what happens to the first afterwards is nothing to the second
    second = stream.from_state(state)
    second.absorb(X[stop:], y[stop:])
    same(second.triangular_factor(), absorbed(stream, X, y).triangular_factor(), 0.0)


def test_intermediate_results_do_not_change_the_factor():
    X, y = rows()
    looked = StreamingQR(12, 2)
    for i in range(0, 700, 50):
        looked.absorb(X[i : i + 50], y[i : i + 50])
        looked.triangular_factor()
    same(looked.triangular_factor(), absorbed(StreamingQR, X, y).triangular_factor(), 0.0)


@BOTH
def test_merged_accumulators_equal_one_accumulator(stream):
    X, y = rows()
    first, two = absorbed(stream, X[:300], y[:300]), absorbed(stream, X[300:], y[300:])
    first.merge(two.triangular_factor())
    same(first.triangular_factor(), absorbed(stream, X, y).triangular_factor(), 1e-11)


def test_selected_columns_have_the_factor_of_these_columns():
    X, y = rows()
    kept = torch.tensor([1, 4, 9])
    same(
        absorbed(StreamingQR, X, y).triangular_factor().select_columns(kept),
        absorbed(StreamingQR, X[:, kept], y).triangular_factor(),
        1e-12,
    )


def test_qr_keeps_the_digits_that_normal_equations_lose():
    X, _ = rows(200, 6)
    X[:, 5] = X[:, 4] + 1e-6 * X[:, 5]
    w = torch.ones(6, 1, dtype=torch.float64)
    errors = [
        float((least_squares(absorbed(s, X, X @ w).triangular_factor(), 0.0).weights - w).abs().max())
        for s in (StreamingQR, NormalEquations)
    ]
    assert errors[0] < 1e-8 < 1e-6 < errors[1]


def test_memory_is_independent_of_the_number_of_rows():
    streamed = StreamingQR(12, 2)
    for seed in range(5):
        streamed.absorb(*rows(seed=seed))
        assert sum(value.numel() for value in streamed.state().values()) < 12 * 14 + 256 * 14 + 10


def test_invalid_rows_and_states_are_refused():
    X, y = rows(20)
    streamed = StreamingQR(12, 2)
    with pytest.raises(FittingError, match="no row"):
        streamed.triangular_factor()
    with pytest.raises(FittingError, match="rows should have the shape"):
        streamed.absorb(X[:, :3], y)
    with pytest.raises(FittingError, match="one weight of at least 0"):
        streamed.absorb(X, y, -torch.ones(20))
    bad = X.clone()
    bad[7, 3] = float("nan")
    with pytest.raises(FittingError, match="first row 7"):
        streamed.absorb(bad, y)
    assert streamed.n_rows == 0
    with pytest.raises(FittingError, match="not written by"):
        NormalEquations.from_state(streamed.state())
    with pytest.raises(FittingError, match="factor"):
        StreamingQR.from_state({})
    with pytest.raises(FittingError, match="at least one"):
        StreamingQR(0)
    with pytest.raises(FittingError, match="cannot include"):
        streamed.merge(absorbed(StreamingQR, X[:, :3], y).triangular_factor())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@BOTH
def test_factor_on_gpu_equals_that_on_cpu(stream):
    X, y = rows()
    there, here = (
        absorbed(stream, X.cuda(), y.cuda(), device="cuda").triangular_factor(),
        absorbed(stream, X, y).triangular_factor(),
    )
    assert there.R.is_cuda
    torch.testing.assert_close(least_squares(there).weights.cpu(), least_squares(here).weights, rtol=1e-10, atol=1e-12)


def test_too_many_weights_for_the_memory_are_refused():
    """An expansion of three elements ended in a traceback of torch's allocator."""
    for stream in (StreamingQR, NormalEquations):
        with pytest.raises(FittingError, match=r"a fit of 1000000 weights takes \d+ GB, but this machine has \d+ GB"):
            stream(1_000_000)
