import numpy as np
import pytest
import torch
from helpers.linear_problems import normal, reduce
from scipy.stats import multivariate_normal

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.sparse_gp import cholesky, sparse_gp
from atomgraph.fitting.solvers.streaming_qr import StreamingQR

NOISE = 0.05


def kernel(a, b, length=0.7):
    return torch.exp(-0.5 * torch.cdist(a, b).square() / length**2)


def data(n_rows=40):
    x = 2 * normal(n_rows, 2)
    return x, torch.sin(x[:, :1]) * torch.cos(x[:, 1:]) + NOISE * normal(n_rows, 1, seed=1)


def fitted(x, y, sparse, **settings):
    return sparse_gp(reduce(kernel(x, sparse) / NOISE, y / NOISE), kernel(sparse, sparse), **settings)


def test_all_points_as_sparse_points_give_the_full_process():
    x, y = data()
    new = 2 * normal(15, 2, seed=4)
    full = kernel(x, x) + NOISE**2 * torch.eye(40, dtype=torch.float64)
    fit = fitted(x, y, x, jitter=1e-13)
    mean = kernel(new, x) @ torch.linalg.solve(full, y)
    torch.testing.assert_close(fit.predict(kernel(new, x)), mean, rtol=0, atol=1e-8)
    variance = 1 - (kernel(new, x) * torch.linalg.solve(full, kernel(x, new)).T).sum(1)
    result = fit.latent_variance(kernel(new, x), torch.ones(15))
    torch.testing.assert_close(result, variance, rtol=0, atol=1e-7)
    marginal = multivariate_normal(np.zeros(40), full.numpy()).logpdf(y[:, 0].numpy()) + 40 * np.log(NOISE)
    assert fit.log_evidence == pytest.approx(marginal, abs=1e-5)


def test_few_sparse_points_solve_the_normal_equations_of_foster():
    x, y = data(200)
    sparse = x[:15]
    K_mm, K_nm = kernel(sparse, sparse), kernel(x, sparse)
    expected = torch.linalg.solve(K_nm.T @ K_nm / NOISE**2 + K_mm, K_nm.T @ y / NOISE**2)
    fit = fitted(x, y, sparse, jitter=1e-14)
    torch.testing.assert_close(K_nm @ fit.weights, K_nm @ expected, rtol=0, atol=1e-8)
    low_rank = K_nm @ torch.linalg.solve(K_mm, K_nm.T) / NOISE**2 + torch.eye(200, dtype=torch.float64)
    marginal = multivariate_normal(np.zeros(200), low_rank.numpy()).logpdf(y[:, 0].numpy() / NOISE)
    assert fit.log_evidence == pytest.approx(marginal, abs=1e-4)


def test_kernel_rows_in_blocks_give_the_same_fit():
    x, y = data(200)
    streamed = StreamingQR(15)
    for part, target in zip(x.split(13), y.split(13), strict=True):
        streamed.absorb(kernel(part, x[:15]), target, torch.full((len(part),), 1 / NOISE))
    fit = sparse_gp(streamed.triangular_factor(), kernel(x[:15], x[:15]))
    probe = kernel(x, x[:15])
    torch.testing.assert_close(fit.predict(probe), fitted(x, y, x[:15]).predict(probe), rtol=0, atol=1e-9)


def test_more_sparse_points_fit_better_and_variance_far_away_is_that_of_the_prior():
    x, y = data(200)
    misfits = [float(fitted(x, y, x[:m]).residual_square) for m in (3, 10, 30, 100)]
    assert misfits == sorted(misfits, reverse=True)
    fit = fitted(x, y, x[:30])
    far = kernel(torch.full((1, 2), 50.0, dtype=torch.float64), x[:30])
    assert float(fit.predict(far).abs()) < 1e-12
    assert float(fit.latent_variance(far, torch.ones(1))) == pytest.approx(1.0)
    assert float(fit.latent_variance(kernel(x[:1], x[:30]), torch.ones(1))) < 0.01


def test_larger_noise_gives_smaller_coefficients():
    x, y = data(40)
    K = kernel(x, x)
    loud = sparse_gp(reduce(K / NOISE, y / NOISE), K)
    quiet = sparse_gp(reduce(K / 1.0, y / 1.0), K)
    size_quiet, size_loud = (float(fit.weights.T @ K @ fit.weights) for fit in (quiet, loud))
    assert size_quiet < 0.5 * size_loud
    assert quiet.n_effective < loud.n_effective < 40


def test_repeated_sparse_points_increase_jitter_without_changing_predictions():
    x, y = data(100)
    plain, repeated = fitted(x, y, x[:10]), fitted(x, y, torch.cat([x[:10], x[:10]]), jitter=0.0)
    assert repeated.jitter > 0
    probe = kernel(x, x[:10])
    torch.testing.assert_close(
        repeated.predict(torch.cat([probe, probe], dim=1)), plain.predict(probe), rtol=0, atol=1e-4
    )


def test_jitter_is_the_smallest_sufficient_one():
    K = kernel(*[2 * normal(6, 2)] * 2)
    L, added = cholesky(K, 0.0)
    assert added == 0
    torch.testing.assert_close(L @ L.T, K)
    barely_negative = torch.diag(torch.tensor([1.0, 1.0, 1.0, -5e-8], dtype=torch.float64))
    assert cholesky(barely_negative)[1] == pytest.approx(0.75e-7, rel=1e-6)  # ten times less leaves it negative


def test_invalid_kernel_matrices_are_refused():
    x, y = data()
    reduced = reduce(kernel(x, x[:3]), y)
    eye = torch.eye(3, dtype=torch.float64)
    for K, words in (
        (torch.eye(4), "a square"),
        (eye + torch.ones(3, 3, dtype=torch.float64).triu(1), "symmetric"),
        (-eye, "positive diagonal"),
        (eye - 0.9 * (1 - eye), "not positive even"),
    ):
        with pytest.raises(FittingError, match=words):
            sparse_gp(reduced, K)
    with pytest.raises(FittingError, match="jitter should be at least 0"):
        sparse_gp(reduced, eye, jitter=-1.0)
