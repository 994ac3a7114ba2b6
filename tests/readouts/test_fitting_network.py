"""Fitting network: the laws of readouts, residual layers, excluded elements, the last layer as a linear readout."""

import torch

from atomgraph.nn.deepmd_activation import get_deepmd_activation
from atomgraph.nn.residual_mlp import ResidualMLP
from atomgraph.readouts.fitting_network import FittingNetwork
from atomgraph.testing import ReadoutLaws
from atomgraph.testing.graphs import ELEMENTS


class TestFittingNetwork(ReadoutLaws):
    def readout(self):
        return FittingNetwork(ELEMENTS, 5, [5, 10, 4], n_outputs=2)


class TestSharedFittingNetwork(ReadoutLaws):
    def readout(self):
        return FittingNetwork(ELEMENTS, 5, [6], "gelu_tanh", timestep=False, shared=True, excluded_elements=["H"])


def test_residual_layers_match_the_equation():
    torch.manual_seed(0)
    mlp = ResidualMLP(3, [3, 6, 5], 2, n_networks=2, timestep=True).double()
    x = torch.randn(7, 3, dtype=torch.float64)
    for row, network in enumerate(mlp.networks()):
        weights, biases = [w[row] for w in mlp.weights], [b[row] for b in mlp.biases]
        y = torch.tanh(x @ weights[0] + biases[0]) * mlp.timesteps["0"][row] + x
        y = torch.tanh(y @ weights[1] + biases[1]) * mlp.timesteps["1"][row] + torch.cat([y, y], dim=1)
        y = torch.tanh(y @ weights[2] + biases[2])
        torch.testing.assert_close(mlp.apply_network(network, x), y @ weights[3] + biases[3], rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(mlp.apply_all(x.expand(2, -1, -1))[row], y @ weights[3] + biases[3])
    assert set(mlp.timesteps) == {"0", "1"}


def test_silu_with_a_tanh_tail_is_smooth_at_its_threshold():
    function = get_deepmd_activation("silut:3.0")
    x = torch.tensor([3.0 - 1e-6, 3.0 + 1e-6], dtype=torch.float64, requires_grad=True)
    values = function(x)
    (derivatives,) = torch.autograd.grad(values.sum(), x)
    torch.testing.assert_close(values[0], values[1], atol=3e-6, rtol=0.0)
    torch.testing.assert_close(derivatives[0], derivatives[1], atol=3e-6, rtol=0.0)


def test_basis_times_weights_is_the_output():
    torch.manual_seed(0)
    readout = FittingNetwork(["H", "O"], 4, [4], excluded_elements=["H"])
    h = torch.randn(5, 4)
    for element in range(2):
        table = torch.cat([readout.mlp.weights[-1][element, :, 0], readout.mlp.biases[-1][element]])
        expected = readout.mlp.apply_network(readout.mlp.networks()[element], h)[:, 0] * float(element == 1)
        torch.testing.assert_close(readout.basis(h, element) @ table, expected)
