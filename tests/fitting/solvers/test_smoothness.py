import pytest
import torch
from helpers.linear_problems import planted, reduce

from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.ridge import ridge
from atomgraph.fitting.solvers.smoothness import algebraic_roughness, smoothness_prior


def test_roughness_is_one_and_the_powers_of_all_degrees():
    n, l = torch.tensor([0, 1, 2]), torch.tensor([0, 0, 3])
    assert algebraic_roughness(n, l, power=2).tolist() == [1.0, 2.0, 14.0]
    assert algebraic_roughness(n, power=3).tolist() == [1.0, 2.0, 9.0]


def test_smoothness_prior_reduces_rough_weights_most():
    reduced = reduce(*planted(200, torch.ones(10, 1, dtype=torch.float64), 0.0))
    roughness = algebraic_roughness(torch.arange(10), power=2)
    shrunk = ridge(reduced, smoothness_prior(roughness, 0.5)).weights[:, 0]
    plain = ridge(reduced, 0.5).weights[:, 0]
    assert float(plain.min()) > 0.99
    assert float(shrunk[:2].min()) > 0.9 and float(shrunk[-1]) < 0.2
    assert float(torch.corrcoef(torch.stack([shrunk, roughness]))[0, 1]) < -0.9


def test_smoothness_prior_improves_interpolation_of_a_smooth_function():
    degrees = torch.arange(30)

    def row(x):
        return torch.cos(x[:, None] * degrees)

    x = torch.linspace(0, 3.0, 12, dtype=torch.float64)
    between = torch.linspace(0, 3.0, 200, dtype=torch.float64)
    reduced = reduce(row(x), torch.exp(torch.cos(x)))
    errors = [
        float((ridge(reduced, prior).predict(row(between))[:, 0] - torch.exp(torch.cos(between))).abs().max())
        for prior in (1e-4, smoothness_prior(algebraic_roughness(degrees, power=3), 1e-4))
    ]
    assert errors[1] < 0.05 * errors[0]


def test_invalid_degrees_and_roughness_are_refused():
    for bad in (lambda: algebraic_roughness(), lambda: algebraic_roughness(torch.tensor([-1.0]))):
        with pytest.raises(FittingError, match="degrees"):
            bad()
    for roughness, strength in ((torch.tensor([1.0, 0.0]), 1.0), (torch.ones(2), 0.0), (torch.ones(2, 2), 1.0)):
        with pytest.raises(FittingError, match="positive roughness"):
            smoothness_prior(roughness, strength)
