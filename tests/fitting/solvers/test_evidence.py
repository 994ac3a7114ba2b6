import numpy as np
import pytest
import torch
from helpers.linear_problems import normal, planted, reduce
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from atomgraph.fitting.solvers.evidence import evidence
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.ridge import ridge


def log_evidence(X, y, alpha, beta, gamma):
    """log N(y | 0, 1/β + X (ΓᵀΓ)⁻¹ Xᵀ/α), by the N × N covariance."""
    X = X.numpy() @ np.linalg.inv(gamma)
    covariance = np.eye(len(X)) / beta + X @ X.T / alpha
    return sum(multivariate_normal(np.zeros(len(X)), covariance).logpdf(column) for column in y.numpy().T)


@pytest.mark.parametrize(("n_rows", "n", "k"), [(40, 6, 1), (40, 6, 3), (12, 20, 1)])
@pytest.mark.parametrize("prior", ["one", "diagonal", "triangular"])
def test_hyperparameters_are_the_brute_force_maximum_of_the_marginal_likelihood(n_rows, n, k, prior):
    gamma = {
        "one": torch.eye(n, dtype=torch.float64),
        "diagonal": torch.linspace(0.5, 3, n, dtype=torch.float64).diag(),
        "triangular": normal(n, n, seed=4).triu(1) * 0.3 + torch.eye(n, dtype=torch.float64),
    }[prior]
    X, y = planted(n_rows, torch.linalg.solve(gamma, normal(n, k, seed=3)), 0.4)
    fit = evidence(reduce(X, y), {"one": 1.0, "diagonal": gamma.diagonal(), "triangular": gamma}[prior])
    brute = minimize(
        lambda logs: -log_evidence(X, y, *np.exp(logs), gamma.numpy()),
        [0.0, 0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-11, "maxiter": 4000},
    )
    assert fit.at_bound is None
    assert fit.log_evidence == pytest.approx(-brute.fun, abs=1e-8)
    assert fit.log_evidence == pytest.approx(log_evidence(X, y, fit.alpha, fit.beta, gamma.numpy()), abs=1e-8)
    np.testing.assert_allclose([fit.alpha, fit.beta], np.exp(brute.x), rtol=1e-4)


def test_weights_and_their_covariance_are_those_of_ridge_at_the_ratio_found():
    gamma = torch.linspace(0.5, 3, 6, dtype=torch.float64)
    reduced = reduce(*planted(40, normal(6, 1, seed=3), 0.4))
    fit = evidence(reduced, gamma)
    same = ridge(reduced, (fit.alpha / fit.beta) ** 0.5 * gamma)
    torch.testing.assert_close(fit.weights, same.weights, rtol=1e-10, atol=1e-12)
    for name in ("residual_square", "n_effective"):
        torch.testing.assert_close(getattr(fit, name), getattr(same, name), rtol=1e-10, atol=0)
    torch.testing.assert_close(
        fit.covariance() * fit.beta, same.covariance() / same.noise_square, rtol=1e-9, atol=1e-12
    )


def test_mackays_fixed_point_is_fulfilled():
    fit = evidence(reduce(*planted(80, normal(6, 1, seed=3), 0.4)))
    assert fit.alpha == pytest.approx(fit.n_effective / float(fit.weights.square().sum()), rel=1e-5)
    assert fit.beta == pytest.approx((80 - fit.n_effective) / float(fit.residual_square), rel=1e-5)


def test_planted_noise_and_prior_are_found():
    fit = evidence(reduce(*planted(4000, 2.0 * normal(200, 1, seed=3), 0.3)))
    assert fit.beta**-0.5 == pytest.approx(0.3, rel=0.05)
    assert fit.alpha**-0.5 == pytest.approx(2.0, rel=0.15)


def test_noise_reduces_weights():
    weights = normal(30, 1, seed=3)
    norms = [float(evidence(reduce(*planted(40, weights, noise))).weights.norm()) for noise in (0.01, 5.0, 50.0)]
    least = [float(ridge(reduce(*planted(40, weights, noise)), 0.0).weights.norm()) for noise in (0.01, 5.0, 50.0)]
    assert norms[0] == pytest.approx(least[0], rel=1e-2)
    assert norms[2] < 0.5 * least[2]


def test_bounds_of_the_search_are_reported():
    assert evidence(reduce(*planted(40, normal(6, 1, seed=3), 0.0))).at_bound == "no noise"
    X = normal(200, 2)
    y = normal(200, 1, seed=8)
    y = y - X @ torch.linalg.lstsq(X, y).solution
    fit = evidence(reduce(X, y))
    assert fit.at_bound == "no signal" and float(fit.weights.abs().max()) < 1e-10


def test_repeated_columns_share_the_weight():
    X, y = planted(40, normal(6, 1, seed=3), 0.1)
    fit = evidence(reduce(torch.cat([X, X[:, :1]], dim=1), y))
    torch.testing.assert_close(fit.weights[0], fit.weights[6], rtol=1e-9, atol=0)


def test_zero_targets_and_singular_priors_are_refused():
    X, y = planted(40, normal(6, 1, seed=3), 0.1)
    with pytest.raises(FittingError, match="rows are zero"):
        evidence(reduce(X, 0 * y))
    for prior in (0.0, torch.ones(6, 6), torch.ones(2, 6)):
        with pytest.raises(FittingError, match="prior for every weight"):
            evidence(reduce(X, y), prior)
