import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.layers import LayerNorm
from atomgraph.testing import LayerLaws


class TestLayerNorm(LayerLaws):
    def layer(self):
        return LayerNorm(4)


def test_large_features_get_mean_zero_and_standard_deviation_one():
    h = 1e3 * torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    normal = LayerNorm(8).double()(h, None, None)
    assert normal.mean(dim=1).abs().max() < 1e-12
    assert (normal.std(dim=1, correction=0) - 1).abs().max() < 1e-6


def test_gradients_are_bounded_for_equal_features():
    h = torch.ones(1, 8, dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.functional.jacobian(lambda h: LayerNorm(8).double()(h, None, None), h)
    assert gradient.abs().max() < 0.1**-0.5


def test_one_channel_cannot_be_normalised():
    with pytest.raises(WiringError, match="two channels"):
        LayerNorm(1)
