"""What the laws measure with: parts as their constructors make them, features turned with the frame."""

from contextlib import contextmanager

import pytest
import torch
from e3nn import o3

from atomgraph.old_names import old_names_of
from atomgraph.testing.graphs import generator

BY_STRUCTURE = pytest.mark.parametrize("name", ["molecule", "crystal", "slab", "wire"])


@contextmanager
def default_dtype(dtype):
    """Some user's default dtype; parts must not care."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def constructed(make, dtype=torch.float32):
    """A part as its constructor makes it, the same at every call."""
    with torch.random.fork_rng(), default_dtype(dtype):
        torch.manual_seed(0)
        return make()


def reach_of(part) -> float:
    """Å: the largest cutoff in the part, 3.5 if it has none."""
    reaches = [getattr(module, "cutoff", None) for module in part.modules()]
    return max((float(reach) for reach in reaches if isinstance(reach, int | float)), default=3.5)


@torch.no_grad()
def generic(part, seed=1):
    """Move every parameter away from where it starts, in place: no zero, no symmetry is left."""
    noise = generator(seed)
    for parameter in part.parameters():
        spread = parameter.std(correction=0).item() if parameter.numel() > 1 else 0.0
        step = torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
        parameter += ((0.5 * spread if spread > 0 else 0.3) * step).to(parameter)
    return part


def irreps(of) -> o3.Irreps:
    return o3.Irreps(of)


def turned(h, of, matrix):
    """Features (n_atoms, dim) after the frame was turned: each irrep times its D(R)."""
    matrix = torch.as_tensor(matrix, dtype=h.dtype)
    sign = torch.linalg.det(matrix).sign()
    blocks = []
    for columns, (multiplicity, irrep) in zip(irreps(of).slices(), irreps(of), strict=True):
        parity = irrep.p if sign < 0 else 1
        block = h[:, columns].reshape(len(h), multiplicity, irrep.dim) @ wigner(irrep.l, sign * matrix).T
        blocks.append(parity * block.flatten(1))
    return torch.cat(blocks, dim=1)


def wigner(degree, matrix):
    """D of a proper rotation from what it does to spherical harmonics (e3nn's own D is off by 1e-7, its constants are)."""
    x = torch.randn(8 * degree + 8, 3, generator=generator(1), dtype=torch.float64)
    before, after = (
        o3.spherical_harmonics(degree, x @ turn.T, normalize=True) for turn in (torch.eye(3).to(x), matrix)
    )
    return torch.linalg.lstsq(before, after).solution.T


def relative(a, b) -> float:
    return float(((a - b).abs().max() / b.abs().max().clamp(min=1e-300)).detach())


__getattr__ = old_names_of(__name__)
