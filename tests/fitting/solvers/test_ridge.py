import numpy as np
import pytest
import torch
from helpers.linear_problems import normal, planted, reduce

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.ridge import least_squares, ridge

W = normal(8, 2, seed=5)


@pytest.mark.parametrize("prior", [0.7, torch.linspace(0.1, 3, 8, dtype=torch.float64), normal(8, 8, seed=9).triu()])
def test_ridge_is_the_regularised_normal_equations_solution(prior):
    X, y = planted(60, W, 0.1)
    prior = torch.as_tensor(prior, dtype=torch.float64)
    gamma = prior if prior.dim() == 2 else torch.diag(prior.expand(8))
    precision = X.T @ X + gamma.T @ gamma
    fit = ridge(reduce(X, y), prior)
    torch.testing.assert_close(fit.weights, torch.linalg.solve(precision, X.T @ y), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(
        fit.covariance_factor @ fit.covariance_factor.T, torch.linalg.inv(precision), rtol=1e-10, atol=1e-12
    )
    hat = X @ torch.linalg.solve(precision, X.T)
    assert fit.n_effective == pytest.approx(float(hat.trace()), rel=1e-11)
    misfit = (X @ fit.weights - y).square().sum(0)
    torch.testing.assert_close(fit.residual_square, misfit, rtol=1e-11, atol=0)
    torch.testing.assert_close(fit.noise_square, misfit / (60 - hat.trace()), rtol=1e-11, atol=0)


def test_a_prior_is_rows_of_zero_targets():
    X, y = planted(60, W, 0.1)
    gamma = normal(5, 8, seed=3)
    stacked = least_squares(reduce(torch.cat([X, gamma]), torch.cat([y, y.new_zeros(5, 2)])))
    torch.testing.assert_close(ridge(reduce(X, y), gamma).weights, stacked.weights, rtol=1e-11, atol=1e-13)


def test_stronger_priors_give_smaller_weights():
    reduced = reduce(*planted(60, W, 0.1))
    norms = [float(ridge(reduced, gamma).weights.norm()) for gamma in (0.0, 1.0, 10.0, 100.0)]
    assert norms == sorted(norms, reverse=True) and norms[-1] < 0.01 * norms[0]


def test_variances_are_those_of_weights_fitted_to_many_draws_of_the_noise():
    X, _ = planted(40, W, 0.0)
    targets = 0.3 * normal(40, 4000, seed=7)
    fit = least_squares(reduce(X, targets))
    point = normal(1, 8, seed=11)
    assert float(fit.predict(point).var()) == pytest.approx(float(fit.variance(point).mean()), rel=0.1)
    assert float(fit.noise_square.mean()) == pytest.approx(0.09, rel=0.02)
    spread = torch.cov(fit.weights)
    torch.testing.assert_close(fit.covariance() * 0.09 / fit.noise_square[0], spread, rtol=0, atol=3e-4)


def test_conditioning_is_of_columns_of_length_one():
    X, y = planted(60, W, 0.1)
    X[:, 3] = X[:, 2] + 1e-5 * X[:, 3]
    expected = np.linalg.svd(X.numpy() / np.linalg.norm(X.numpy(), axis=0), compute_uv=False)
    units = torch.logspace(-6, 6, 8, dtype=torch.float64)
    fit = least_squares(reduce(X * units, y))
    np.testing.assert_allclose(fit.conditioning.singular_values.numpy(), expected, rtol=1e-8)
    assert fit.conditioning.rank == 8
    assert fit.conditioning.condition_number == pytest.approx(expected[0] / expected[-1], rel=1e-7)
    torch.testing.assert_close(fit.weights * units[:, None], least_squares(reduce(X, y)).weights, rtol=1e-6, atol=1e-6)


def test_repeated_columns_raise_an_error_with_their_indices():
    X, y = planted(60, W, 0.1)
    X[:, 6] = 2 * X[:, 1]
    with pytest.raises(
        FittingError, match=r"7 of 8 unknowns from 60 observations.*columns (1, 6|6, 1)\. Ways out: a ridge"
    ):
        least_squares(reduce(X, y))
    torch.testing.assert_close(ridge(reduce(X, y), 1e-3).weights[6], 2 * ridge(reduce(X, y), 1e-3).weights[1])


def test_more_unknowns_than_observations_are_explained_and_a_ridge_helps():
    X, y = planted(5, W, 0.0)
    with pytest.raises(FittingError, match="5 of 8 unknowns from 5 observations"):
        least_squares(reduce(X, y))
    smallest_norm = np.linalg.lstsq(X.numpy(), y.numpy(), rcond=None)[0]
    fit = ridge(reduce(X, y), 1e-5)
    np.testing.assert_allclose(fit.weights.numpy(), smallest_norm, atol=1e-7)


def test_zero_columns_are_counted():
    X, y = planted(60, W, 0.1)
    X[:, 4] = 0
    with pytest.raises(FittingError, match="columns 4; 1 of them are zero in every row"):
        least_squares(reduce(X, y))


def test_prior_with_undetermined_weights_is_refused():
    X, y = planted(5, W, 0.0)
    prior = torch.zeros(8, dtype=torch.float64)
    prior[0] = 1.0
    with pytest.raises(FittingError, match="the data and the prior together determine 6 of 8"):
        ridge(reduce(X, y), prior)


@pytest.mark.parametrize("prior", [-1.0, float("nan"), torch.ones(3), torch.ones(2, 2, 8)])
def test_invalid_priors_are_refused(prior):
    with pytest.raises(
        FittingError,
        match=r"numbers of a prior should be finite|a prior is a number, 8 numbers or a matrix",
    ):
        ridge(reduce(*planted(20, W, 0.1)), prior)
