"""Sparse kernels: laws, the two kernels written out, second derivatives, refusals."""

import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.readouts import SparseKernel
from atomgraph.testing import ReadoutLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


def with_points(readout):
    """Its points set to plain numbers, some of them below zero."""
    readout.points.copy_(torch.linspace(-8, 24, readout.points.numel()).round().view_as(readout.points) / 16)
    return readout


class TestSparseKernel(ReadoutLaws):
    def readout(self):
        return with_points(SparseKernel(ELEMENTS, 5, 3, n_outputs=2))


class TestSquaredExponential(ReadoutLaws):
    def readout(self):
        return with_points(SparseKernel(ELEMENTS, 5, 3, kernel="squared_exponential"))


@pytest.fixture
def atoms():
    graph = make_graph(crystal(), 3.0)
    return graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


@pytest.mark.parametrize("kernel", ["dot_product", "squared_exponential"])
def test_written_out(atoms, kernel):
    graph, edges = atoms
    readout = with_points(SparseKernel(ELEMENTS, 5, 3, kernel, zeta=2)).double()
    readout.delta.copy_(torch.tensor([1.0, 0.5, 2.0, 1.5]))
    h = torch.randn(graph.n_atoms, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = []
    for row, element in zip(h, edges.element.tolist(), strict=True):
        points, delta = readout.points[element], readout.delta[element]
        likeness = (points @ row) ** 2 if kernel == "dot_product" else torch.exp(-0.5 * ((points - row) ** 2).sum(1))
        expected.append((delta**2 * likeness @ readout.weight[element, :, 0]).item())
    np.testing.assert_allclose(readout(h, graph, edges)[:, 0].detach(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("kernel", "zeta"), [("dot_product", 3), ("dot_product", 2.5), ("squared_exponential", 1)])
def test_second_derivatives(atoms, kernel, zeta):
    graph, edges = atoms
    readout = SparseKernel(ELEMENTS, 3, 2, kernel, zeta).double()
    readout.points += torch.arange(1, 25).view(4, 2, 3) / 16
    h = torch.rand(graph.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    h.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: readout(x, graph, edges), h)
    assert torch.autograd.gradgradcheck(lambda x: readout(x, graph, edges), h)


def test_invalid_kernels_are_refused():
    with pytest.raises(WiringError, match="dot_product or squared_exponential"):
        SparseKernel(["H"], 4, 3, "gaussian")
    with pytest.raises(WiringError, match="should be positive"):
        SparseKernel(["H"], 4, 3, zeta=0)


def test_cancelling_weights_lose_few_digits_near_the_mean_point():
    """Terms of 1e6 eV that add up to less than 1 eV: the sum over k(h, h_s) alone lost 1e-10 eV."""
    draw = np.random.default_rng(0)
    points = 1.0 + 0.02 * draw.standard_normal((60, 40))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    h = 1.0 + 0.02 * draw.standard_normal((20, 40))
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    kernel = SparseKernel(["Si"], 40, 60).double()
    weights = draw.standard_normal(60) * 1e5
    weights -= weights.mean()
    with torch.no_grad():
        kernel.points.copy_(torch.from_numpy(points)[None])
        kernel.set_weights(torch.from_numpy(weights))
        result = kernel._energies(torch.from_numpy(h), 0)[:, 0].numpy()
    exact = ((h.astype(np.longdouble) @ points.astype(np.longdouble).T) ** 4 @ weights.astype(np.longdouble)).astype(
        float
    )
    plain = (h @ points.T) ** 4 @ weights
    constant = (result - exact).mean()  # rounding of what is the same for all atoms moves no force
    assert np.abs(result - exact - constant).max() < 0.1 * np.abs(plain - exact).max()
    assert abs(constant) < 1e-8
