"""Compile kernels when it pays: at once if they are cached, else when the model would take longer than the compiler."""

from __future__ import annotations

import time
from itertools import chain

import torch
from torch import Tensor

from atomgraph.compiled.compiled_potential import CompiledPotential
from atomgraph.compiled.compiling import compile as compiled
from atomgraph.compiled.fused_forms import is_registered
from atomgraph.compiled.mace.fused_model import FusedMACE, unsupported_reason
from atomgraph.compiled.precision import MIXED, OF_KERNELS, in_precision, precision
from atomgraph.errors import ConfigError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import can_compile, warn_once
from atomgraph.potential import Potential

#: Estimated seconds of the compiler: a constant, and one second for this many characters of source. Measured on a quiet
#: machine for models from 4 scalars to 24,000 terms; actual times are between two thirds and one and a half of it.
SECONDS, CHARACTERS_A_SECOND = 2.0, 150_000


def for_inference(
    potential: Potential,
    *,
    compile: bool | None = None,
    n_atoms: int = 0,
    dtype: str | torch.dtype | None = None,
    exact: Potential | None = None,
) -> Potential:
    """The potential as calculators and commands evaluate it: compiled if that is possible and saves time.

    Args:
        compile: True compiles at once (``atomgraph.compile``), False never; None when it pays.
        n_atoms: Expected number of atoms, summed over all structures and steps; 0 if unknown.
        dtype: ``float32``, ``float64``, or ``mixed`` (kernels in float32, sums and the model in float64); None: the
            potential's.
        exact: The same potential before a conversion of its dtype. Kernels are made of its weights.

    Raises:
        ConfigError: For an unknown dtype, and for ``mixed`` if kernels cannot be used.
    """
    name = None if dtype is None else precision(dtype)
    if name == MIXED and (compile is False or potential.device.type != "cpu"):
        where = "without kernels (--no-compile, compile=False)" if compile is False else f"on {potential.device}"
        raise ConfigError(
            f"dtype mixed is kernels in float32 and sums in float64, on CPUs, but this is {where}; take float32 or float64"
        )
    if isinstance(potential, CompiledPotential | LazyCompiled):
        return potential if name is None else compiled(exact or potential, dtype=name)
    exact, potential = exact or potential, in_precision(potential, name)
    if compile is False or potential.device.type != "cpu":
        return potential
    if compile:
        result = compiled(exact, dtype=name or potential.model.dtype)
        return potential if result is exact else result
    return LazyCompiled(potential, n_atoms, name, exact)


def seconds_to_compile(fused: FusedMACE) -> float:
    """Estimated time of the compiler for the kernels of a model, s."""
    return SECONDS + len(fused.source()) / CHARACTERS_A_SECOND


class LazyCompiled(Potential):
    """A potential that switches to compiled kernels as soon as they are cached or worth compiling.

    One warning says that it compiles, or which part of a MACE has no fused form. If weights change afterwards, the kernels
    are no longer used. ``given`` is the potential itself; both have the same model and the same head.

    Args:
        n_atoms, dtype, exact: See ``for_inference``.
    """

    def __init__(self, given: Potential, n_atoms: int = 0, dtype: str | None = None, exact: Potential | None = None):
        super().__init__(given.model, given.metadata)
        self._given = (given,)  # not a second time among the submodules
        self.training = False  # the model's own mode stays as it is
        self._n_atoms, self._dtype = n_atoms, OF_KERNELS[dtype or given.model.dtype_name]
        self._tensors = list(chain(given.model.parameters(), given.model.buffers()))
        self._begin(exact or given)
        reason = unsupported_reason(given.model) if dtype == MIXED else None
        if reason is not None:
            warn_once(f"dtype mixed is that of kernels, but {reason} has no fused form; it runs in float64")

    @property
    def given(self) -> Potential:
        """The potential that was given."""
        return self._given[0]

    @property
    def head(self) -> str | None:
        """The head of the given potential."""
        return self.given.head

    @head.setter
    def head(self, name: str | None) -> None:
        self.given.head = name

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """As ``Potential.forward``; results are detached."""
        result = self.evaluate(graph, forces=forces, stress=stress)
        return {name: value for name, value in result.items() if name != "uncertainty"}

    def evaluate(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """As ``Potential.evaluate``."""
        kernels = self._kernels()
        if kernels is not None:
            kernels.head = self.head
            return kernels.evaluate(graph, forces=forces, stress=stress)
        start = time.perf_counter()
        result = self.given.evaluate(graph, forces=forces, stress=stress)
        self._seconds += time.perf_counter() - start
        self._done += graph.n_atoms
        return result

    def _begin(self, exact: Potential) -> None:
        """Start to count; kernels will be made of the weights of ``exact``."""
        self._state, self._exact = self._weights(), (exact,)
        self._compiled: CompiledPotential | None = None
        layers = chain.from_iterable(branch.layers for branch in self.model.branches)
        self._is_settled = not any(is_registered(part) for layer in layers for part in layer.modules())
        self._is_looked_for, self._compile_seconds = False, SECONDS
        self._reason: str | None = None
        self._done, self._seconds = 0, 0.0

    def _weights(self) -> list[tuple[int, int]]:
        """Addresses and versions of the weights: they change when weights change."""
        return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in self._tensors]

    def _kernels(self) -> CompiledPotential | None:
        """The compiled potential, if it exists or is worth compiling now."""
        if self._weights() != self._state:
            self._begin(self.given)
        if self._is_settled:
            return self._compiled
        if not self._is_looked_for:
            self._is_looked_for, self._reason = True, unsupported_reason(self.model)
            if self._reason is None:
                fused = self._fused()
                self._compile_seconds = seconds_to_compile(fused)
                if fused.is_kept():
                    self._compile(fused)
        elif self._remaining_seconds() > self._compile_seconds:
            if self._reason is not None:
                warn_once(f"this model is not compiled: {self._reason} has no fused form; it runs as it is")
                self._is_settled = True
            else:
                if can_compile():
                    warn_once(
                        f"kernels are compiled for this model, once, which takes about {self._compile_seconds:.0f} s "
                        "(--no-compile or compile=False: never)"
                    )
                self._compile(self._fused())
        return self._compiled

    def _remaining_seconds(self) -> float:
        """Estimated time of the evaluations that remain, s; without a number of atoms, the time spent so far."""
        if not self._n_atoms:
            return self._seconds
        return self._seconds * max(self._n_atoms - self._done, 0) / max(self._done, 1)

    def _fused(self) -> FusedMACE:
        return FusedMACE(self._exact[0].model, self._dtype)

    def _compile(self, fused: FusedMACE) -> None:
        self._compiled = CompiledPotential(self.given, fused) if fused.compile() else None
        self._is_settled, self._exact = True, (self.given,)
