"""Perceptrons of several elements are as many perceptrons of one."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.mlp import ACTIVATIONS, MLP


def perceptron(n_elements=3, activation="silu"):
    return MLP(4, (5, 6), 2, activation, n_elements=n_elements).double()


def test_each_atom_uses_the_weights_of_its_element():
    mlp, x = perceptron(), torch.randn(7, 4, dtype=torch.float64)
    element = torch.tensor([2, 0, 2, 0, 0, 2, 2])  # no atom of element 1
    for i, z in enumerate(element):
        h = x[i]
        for t in range(3):
            h = torch.nn.functional.silu(h) if t else h
            h = h @ mlp.weights[t][z] + mlp.biases[t][z]
        torch.testing.assert_close(mlp(x, element)[i], h, rtol=1e-12, atol=1e-14)


def test_shared_weights_need_no_elements():
    mlp, x = perceptron(1), torch.randn(5, 4, dtype=torch.float64)
    assert torch.equal(mlp(x), mlp(x, torch.zeros(5, dtype=torch.int64)))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_first_and_second_derivatives_agree_with_finite_differences(activation):
    mlp, element = perceptron(activation=activation), torch.tensor([2, 0, 2])
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)

    def outputs(x, *parameters):
        named = dict(zip(dict(mlp.named_parameters()), parameters, strict=True))
        return torch.func.functional_call(mlp, named, (x, element))

    inputs = (x, *(p.detach().requires_grad_() for p in mlp.parameters()))
    assert torch.autograd.gradcheck(outputs, inputs)
    assert torch.autograd.gradgradcheck(lambda x: mlp(x, element), (x,))


def test_an_element_without_atoms_gets_a_zero_gradient():
    mlp = perceptron()
    mlp(torch.randn(4, 4, dtype=torch.float64), torch.tensor([0, 2, 2, 0])).sum().backward()
    for parameter in mlp.parameters():
        assert torch.equal(parameter.grad[1], torch.zeros_like(parameter.grad[1]))
        assert parameter.grad[0].abs().sum() > 0


def test_new_weights_keep_the_size_of_normal_inputs():
    for name in ACTIVATIONS:
        mlp, x = MLP(64, (64, 64), 64, name), torch.randn(2000, 64)
        assert 0.3 < mlp(x).std() < 3.0, name


@pytest.mark.parametrize("change", [{"activation": "sillu"}, {"hidden": (0,)}, {"n_elements": 0}])
def test_invalid_arguments_raise(change):
    with pytest.raises(WiringError):
        MLP(**{"n_in": 3, "hidden": (4,), "n_out": 1} | change)


def test_several_networks_require_the_elements():
    with pytest.raises(WiringError, match="needs each atom's element"):
        MLP(2, [], 1, n_elements=2)(torch.ones(3, 2))
