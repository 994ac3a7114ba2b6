"""Functions of the tests: construction of parts with random parameters, rotation of features, relative differences."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from e3nn import o3

from atomgraph.old_names import old_names_of
from atomgraph.testing.graphs import generator

#: Run a test for each structure of ``sample_structures``; ``name`` is the name of the structure.
BY_STRUCTURE = pytest.mark.parametrize("name", ["molecule", "crystal", "slab", "wire"])


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Use a default dtype within a ``with`` block; results of parts must not depend on it."""
    previous_dtype = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(previous_dtype)


def construct(make: Callable, dtype: torch.dtype = torch.float32):
    """Construct a part with seed 0, so that equal calls give equal parameters.

    Args:
        make: Function that constructs the part.
        dtype: Default dtype during the construction.
    """
    with torch.random.fork_rng(), default_dtype(dtype):
        torch.manual_seed(0)
        return make()


def largest_cutoff(part: torch.nn.Module) -> float:
    """Return the largest cutoff of the modules in a part, Å; 3.5 Å if there is none."""
    cutoffs = [getattr(module, "cutoff", None) for module in part.modules()]
    return max((float(cutoff) for cutoff in cutoffs if isinstance(cutoff, int | float)), default=3.5)


@torch.no_grad()
def randomise(part, seed: int = 1):
    """Add random numbers to all parameters in place, and return the part.

    Zeros and symmetries of the initial parameters then do not hide errors.

    Args:
        part: The part; changed in place.
        seed: Seed of the random numbers.
    """
    rng = generator(seed)
    for parameter in part.parameters():
        std = parameter.std(correction=0).item() if parameter.numel() > 1 else 0.0
        noise = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
        parameter += ((0.5 * std if std > 0 else 0.3) * noise).to(parameter)
    return part


def rotate_features(h: torch.Tensor, irreps: o3.Irreps | str, matrix) -> torch.Tensor:
    """Return features after a rotation of the structure: each irrep is multiplied by its matrix D(R).

    Args:
        h: Features, (n_atoms, dim).
        irreps: Irreps of the features.
        matrix: Rotation R, with or without a reflection, (3, 3).
    """
    matrix = torch.as_tensor(matrix, dtype=h.dtype)
    sign = torch.linalg.det(matrix).sign()
    irreps = o3.Irreps(irreps)
    blocks = []
    for columns, (multiplicity, irrep) in zip(irreps.slices(), irreps, strict=True):
        parity = irrep.p if sign < 0 else 1  # with a reflection, odd irreps (p = −1) change sign
        block = h[:, columns].reshape(len(h), multiplicity, irrep.dim) @ wigner_d(irrep.l, sign * matrix).T
        blocks.append(parity * block.flatten(1))
    return torch.cat(blocks, dim=1)


def wigner_d(degree: int, matrix: torch.Tensor) -> torch.Tensor:
    """Return the matrix D of a rotation, computed from rotated spherical harmonics.

    The matrices of e3nn have errors of 1e-7, because its constants have seven digits.

    Args:
        degree: Degree l.
        matrix: Rotation without reflection, (3, 3).

    Returns:
        D, (2 l + 1, 2 l + 1).
    """
    x = torch.randn(8 * degree + 8, 3, generator=generator(1), dtype=torch.float64)
    harmonics, rotated_harmonics = (
        o3.spherical_harmonics(degree, x @ rotation.T, normalize=True) for rotation in (torch.eye(3).to(x), matrix)
    )
    return torch.linalg.lstsq(harmonics, rotated_harmonics).solution.T


def relative_difference(value: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest absolute difference divided by the largest expected absolute value."""
    return float(((value - expected).abs().max() / expected.abs().max().clamp(min=1e-300)).detach())


__getattr__ = old_names_of(__name__)
