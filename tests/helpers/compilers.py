"""What tests of kernels share: a small source, whether there is a compiler, a process that has loaded nothing yet."""

import ctypes

import pytest

from atomgraph.kernels import toolchain
from atomgraph.kernels import warnings as explanation
from atomgraph.kernels.compiler import CompilerError, local_compiler

TWICE = 'extern "C" __attribute__((visibility("default"))) double twice(double x) { return 2 * x; }'


def has_compiler():
    try:
        return bool(local_compiler())
    except CompilerError:
        return False


needs_compiler = pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")


def forget(monkeypatch):
    """As if this process had loaded and said nothing yet."""
    monkeypatch.setattr(toolchain, "_loaded", {})
    monkeypatch.setattr(explanation, "_given", set())


def twice(library, x=21.0):
    library.twice.restype, library.twice.argtypes = ctypes.c_double, [ctypes.c_double]
    return library.twice(x)
