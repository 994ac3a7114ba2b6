"""Linear maps by irrep, against e3nn's."""

import pytest
import torch
from e3nn import o3

from atomgraph.errors import WiringError
from atomgraph.nn.equivariant.irrep_blocks import from_blocks, to_blocks
from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear

IN, OUT = o3.Irreps("4x0e+3x1o+2x2e"), o3.Irreps("2x0e+5x1o+1x3o")


def flat(weights, order=None):
    """e3nn's flat weights of our matrices, path after path."""
    return torch.cat([(w if order is None else w.permute(order)).flatten() for w in weights.values()])


def test_linear_map_is_e3nns_and_missing_irreps_are_zero():
    ours, theirs = EquivariantLinear(IN, OUT).double(), o3.Linear(IN, OUT).double()
    x = torch.randn(6, IN.dim, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(flat(ours.weights))
    y = from_blocks(ours(to_blocks(x, IN)), OUT)
    torch.testing.assert_close(y, theirs(x), rtol=1e-13, atol=1e-13)
    assert not y[:, -7:].any()


@pytest.mark.parametrize("n_elements", [1, 3])
def test_map_per_element_is_e3nns_with_one_hot_scalars(n_elements):
    ours = ElementLinear(n_elements, IN, OUT).double()
    theirs = o3.FullyConnectedTensorProduct(IN, f"{n_elements}x0e", OUT).double()
    x, element = torch.randn(6, IN.dim, dtype=torch.float64), torch.tensor([0, 2, 2, 1, 0, 2]) % n_elements
    with torch.no_grad():
        theirs.weight.copy_(flat(ours.weights, (1, 0, 2)))
    one_hot = torch.nn.functional.one_hot(element, n_elements).double()
    y = from_blocks(ours(to_blocks(x, IN), element), OUT)
    torch.testing.assert_close(y, theirs(x, one_hot), rtol=1e-13, atol=1e-13)


def test_second_derivatives():
    ours, element = ElementLinear(2, "2x0e+1x1o", "1x0e+2x1o").double(), torch.tensor([1, 0, 1])
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    weights = tuple(w.detach().requires_grad_() for w in ours.weights.values())

    def of(x, *weights):
        named = {f"weights.{name}": w for name, w in zip(ours.weights, weights, strict=True)}
        y = torch.func.functional_call(ours, named, (to_blocks(x, o3.Irreps("2x0e+1x1o")), element))
        return from_blocks(y, ours.irreps_out)

    assert torch.autograd.gradcheck(of, (x, *weights))
    assert torch.autograd.gradgradcheck(of, (x, *weights))


def test_no_atom_gives_no_rows():
    ours = ElementLinear(2, IN, OUT)
    y = ours(to_blocks(torch.zeros(0, IN.dim), IN), torch.zeros(0, dtype=torch.int64))
    assert from_blocks(y, OUT).shape == (0, OUT.dim)


def test_no_element_raises():
    with pytest.raises(WiringError, match="at least one element"):
        ElementLinear(0, IN, OUT)
