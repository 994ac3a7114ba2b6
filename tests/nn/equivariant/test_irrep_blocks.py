"""Features by irrep, channels last, and back."""

import torch
from e3nn import o3

from atomgraph.nn.equivariant.irrep_blocks import channels_per_irrep, from_blocks, to_blocks


def test_from_blocks_inverts_to_blocks():
    irreps = o3.Irreps("3x0e+2x1o+1x2e")
    h = torch.randn(5, irreps.dim)
    blocks = to_blocks(h, irreps)
    assert {str(irrep): tuple(block.shape) for irrep, block in blocks.items()} == {
        "0e": (5, 1, 3),
        "1o": (5, 3, 2),
        "2e": (5, 5, 1),
    }
    assert torch.equal(from_blocks(blocks, irreps), h)


def test_an_irrep_that_is_listed_twice_has_the_channels_of_both():
    irreps = o3.Irreps("2x1o+1x0e+1x1o")
    h = torch.arange(10.0)[None]
    block = to_blocks(h, irreps)[o3.Irrep("1o")]
    assert torch.equal(block[0].T, torch.tensor([[0.0, 1, 2], [3, 4, 5], [7, 8, 9]]))
    assert channels_per_irrep(irreps) == {o3.Irrep("1o"): 3, o3.Irrep("0e"): 1}
