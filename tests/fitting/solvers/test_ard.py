import numpy as np
import pytest
import torch
from helpers.linear_problems import normal, planted, reduce
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from atomgraph.fitting.solvers.ard import ard
from atomgraph.fitting.solvers.evidence import evidence
from atomgraph.fitting.solvers.fit_errors import FittingError

RELEVANT = [2, 7, 11, 30]


def sparse_weights(n=40, k=1):
    weights = torch.zeros(n, k, dtype=torch.float64)
    weights[RELEVANT] = torch.tensor([1.0, -2.0, 0.7, 3.0], dtype=torch.float64)[:, None]
    return weights


@pytest.mark.parametrize("k", [1, 3])
def test_irrelevant_columns_are_removed_and_planted_weights_recovered(k):
    fit = ard(reduce(*planted(150, sparse_weights(k=k), 0.1)), significance=12.0)
    assert fit.converged and fit.relevant_columns.tolist() == RELEVANT
    torch.testing.assert_close(fit.weights, sparse_weights(k=k), rtol=0, atol=0.04)
    assert fit.beta**-0.5 == pytest.approx(0.1, rel=0.2)
    assert torch.isinf(fit.alpha).sum() == 36


def test_significance_one_keeps_all_signal_and_little_noise():
    fit = ard(reduce(*planted(150, sparse_weights(), 0.1)), significance=1.0)
    assert fit.converged and set(RELEVANT) <= set(fit.relevant_columns.tolist()) and len(fit.relevant_columns) < 24
    others = [j for j in range(40) if j not in RELEVANT]
    assert float(fit.weights[others].abs().max()) < 0.04
    assert fit.log_evidence > evidence(reduce(*planted(150, sparse_weights(), 0.1))).log_evidence


def test_the_evidence_is_the_brute_force_maximum_over_all_precisions():
    X, y = planted(30, torch.tensor([[1.0], [0.0], [-2.0]], dtype=torch.float64), 0.3, seed=2)
    fit = ard(reduce(X, y), significance=1.0, tolerance=1e-9)

    def loss(logs):
        covariance = np.eye(30) * np.exp(logs[3]) + (X.numpy() * np.exp(logs[:3])) @ X.numpy().T
        return -multivariate_normal(np.zeros(30), covariance).logpdf(y.numpy()[:, 0])

    options = {"xatol": 1e-7, "fatol": 1e-11, "maxiter": 20000, "maxfev": 20000}
    brute = minimize(loss, [0.0, -3.0, 0.0, -2.0], method="Nelder-Mead", options=options)
    assert fit.converged and fit.log_evidence == pytest.approx(-brute.fun, abs=1e-6)
    own = np.append(-np.log(fit.alpha.numpy()).clip(-100, 100), -np.log(fit.beta))
    assert -loss(np.maximum(own, -60)) == pytest.approx(fit.log_evidence, abs=1e-8)


def test_relevant_weights_are_ridge_weights_with_separate_precisions():
    X, y = planted(150, sparse_weights(), 0.1)
    fit = ard(reduce(X, y))
    kept = X[:, fit.relevant_columns]
    precision = fit.beta * kept.T @ kept + fit.alpha[fit.relevant_columns].diag()
    torch.testing.assert_close(
        fit.weights[fit.relevant_columns], fit.beta * torch.linalg.solve(precision, kept.T @ y), rtol=1e-10, atol=1e-12
    )
    torch.testing.assert_close(
        fit.covariance()[fit.relevant_columns][:, fit.relevant_columns],
        torch.linalg.inv(precision),
        rtol=1e-9,
        atol=1e-14,
    )
    torch.testing.assert_close(fit.residual_square, (X @ fit.weights - y).square().sum(0), rtol=1e-10, atol=0)


def test_units_of_columns_do_not_matter():
    X, y = planted(150, sparse_weights(), 0.1)
    units = torch.logspace(-5, 5, 40, dtype=torch.float64)
    first, two = ard(reduce(X, y)), ard(reduce(X * units, y))
    assert first.relevant_columns.tolist() == two.relevant_columns.tolist()
    torch.testing.assert_close(first.weights, two.weights * units[:, None], rtol=1e-4, atol=1e-7)


def test_repeated_columns_share_the_signal():
    X, y = planted(150, sparse_weights(), 0.1)
    X = torch.cat([X, X[:, 30:31]], dim=1)
    fit = ard(reduce(X, y), significance=12.0)
    assert set(fit.relevant_columns.tolist()) - {30, 40} == {2, 7, 11}
    assert float(fit.weights[[30, 40]].sum()) == pytest.approx(3.0, abs=0.04)


def test_planted_columns_are_found_with_fewer_rows_than_columns():
    weights = torch.zeros(100, 1, dtype=torch.float64)
    weights[RELEVANT] = sparse_weights()[RELEVANT]
    fit = ard(reduce(*planted(60, weights, 0.02)), significance=9.0)
    assert set(RELEVANT) <= set(fit.relevant_columns.tolist()) and len(fit.relevant_columns) < 20
    torch.testing.assert_close(fit.weights, weights, rtol=0, atol=0.05)


@pytest.mark.parametrize(("n_rows", "n"), [(100, 40), (60, 100)])
def test_weak_columns_are_kept_despite_large_initial_noise(n_rows, n):
    weights = torch.zeros(n, 1, dtype=torch.float64)
    weights[RELEVANT, 0] = torch.tensor([3.0, 0.3, 0.03, 0.01], dtype=torch.float64)
    for seed in range(0, 50, 10):
        fit = ard(reduce(*planted(n_rows, weights, 1e-3, seed=seed)))
        assert fit.converged and set(RELEVANT) <= set(fit.relevant_columns.tolist()) and len(fit.relevant_columns) < 16
        torch.testing.assert_close(fit.weights, weights, rtol=0, atol=2e-3)


def test_zero_columns_are_removed_and_pure_noise_may_leave_no_column():
    X, y = planted(150, sparse_weights(), 0.1)
    X[:, 5] = 0
    assert 5 not in ard(reduce(X, y)).relevant_columns.tolist()
    fit = ard(reduce(normal(200, 3), normal(200, 1, seed=8)), significance=30.0)
    assert len(fit.relevant_columns) == 0 and not fit.weights.any() and fit.converged
    assert float(fit.variance(normal(2, 3)).max()) == 0


def test_interrupted_search_is_not_converged():
    assert not ard(reduce(*planted(150, sparse_weights(), 0.1)), max_steps=2).converged
    with pytest.raises(FittingError, match="no column can be relevant"):
        ard(reduce(normal(20, 3), torch.zeros(20, 1)))
    with pytest.raises(FittingError, match="at least one step"):
        ard(reduce(*planted(150, sparse_weights(), 0.1)), max_steps=0)
