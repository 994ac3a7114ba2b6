"""What tests of compiled potentials share: how kernels are made quickly, and how their numbers are compared with a model's."""

import os
import warnings

import torch

import atomgraph
from atomgraph.compiled import CompiledPotential
from atomgraph.kernels import KernelWarning


def unoptimised(monkeypatch):
    """Kernels that are compiled in a fraction of the time and run slower; other tests take them as users do."""
    monkeypatch.setenv("ATOMGRAPH_KERNEL_FLAGS", f"{os.environ.get('ATOMGRAPH_KERNEL_FLAGS', '')} -O0")


def compiled(of, **arguments):
    """The compiled potential; nothing is said, nothing is left to the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", KernelWarning)
        result = atomgraph.compile(of, **arguments)
    assert isinstance(result, CompiledPotential)
    return result


def difference(result, expected, name):
    """The largest, by the root mean square of what is wanted; NaN is NaN in both."""
    assert torch.equal(result[name].isnan(), expected[name].isnan()), name
    scale = max(float(expected[name].nan_to_num().square().mean().sqrt()), 1e-3)
    return float((result[name] - expected[name]).nan_to_num().abs().max()) / scale


def same(result, expected, tolerance):
    """Energies, forces and stresses agree."""
    for name in ("energy", "node_energy", "forces", "stress"):
        assert difference(result, expected, name) <= tolerance, name
