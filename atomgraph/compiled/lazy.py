"""Compile kernels when that saves time: immediately if they are cached, else after the model has run for a while."""

from __future__ import annotations

import time
from itertools import chain

import torch
from torch import Tensor

from atomgraph.compiled.compiled_potential import CompiledPotential
from atomgraph.compiled.compiling import compile as compile_kernels
from atomgraph.compiled.fused_forms import is_registered
from atomgraph.compiled.fused_model import FusedModel, unsupported_reason
from atomgraph.compiled.precision import KERNEL_DTYPES, MIXED, in_precision, precision
from atomgraph.compiled.wrapped_potential import WrappedPotential
from atomgraph.errors import ConfigError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import can_compile, warn_once
from atomgraph.old_names import OldAttribute
from atomgraph.potential import Potential

#: Estimated time of the compiler: SECONDS (s) plus the number of characters of the source, divided by
#: CHARACTERS_PER_SECOND (1/s).
#: Measured for models from 4 scalars to 24,000 terms; actual times are between 0.67 and 1.5 times the estimate.
SECONDS, CHARACTERS_PER_SECOND = 2.0, 150_000


def for_inference(
    potential: Potential | WrappedPotential,
    *,
    compile: bool | None = None,
    n_atoms: int = 0,
    dtype: str | torch.dtype | None = None,
    exact: Potential | None = None,
) -> Potential | WrappedPotential:
    """Return the form of a potential that calculators and commands evaluate: compiled if possible and if that saves time.

    Args:
        potential: A potential, compiled or not.
        compile: True compiles immediately (``atomgraph.compile``), False never, None if it saves time.
        n_atoms: Expected number of atoms, summed over all structures and steps; 0 if unknown.
        dtype: ``float32``, ``float64``, or ``mixed`` (kernels in float32, sums and the model in float64). None: the dtype
            of the potential.
        exact: The same potential before a conversion of its dtype. Its weights are the weights of the kernels. None:
            ``potential`` itself.

    Raises:
        ConfigError: For an unknown dtype, and for ``mixed`` if kernels cannot be used.
    """
    name = None if dtype is None else precision(dtype)
    if name == MIXED and (compile is False or potential.device.type != "cpu"):
        problem = "kernels are switched off (--no-compile, compile=False)"
        if compile is not False:
            problem = f"the potential is on {potential.device}"
        raise ConfigError(
            f"dtype mixed needs kernels (float32) on a CPU, with sums in float64, but {problem}; use float32 or float64"
        )
    if isinstance(potential, WrappedPotential):
        return potential if name is None else compile_kernels(exact or potential.potential, dtype=name)
    exact, potential = exact or potential, in_precision(potential, name)
    if compile is False or potential.device.type != "cpu":
        return potential
    if compile:
        result = compile_kernels(exact, dtype=name or potential.model.dtype)
        return potential if result is exact else result
    return LazyCompiled(potential, n_atoms, name, exact)


def seconds_to_compile(fused: FusedModel) -> float:
    """Estimated time of the compiler for the kernels of a model, s."""
    return SECONDS + len(fused.source()) / CHARACTERS_PER_SECOND


class LazyCompiled(WrappedPotential):
    """A potential that switches to compiled kernels as soon as they are cached or worth compiling.

    One warning is given when kernels are compiled, or if kernels do not support a part of a MACE model. If the weights of the
    potential change later, its kernels are discarded.

    Args:
        potential: The potential. Its head is also the head of this object.
        n_atoms: Expected number of atoms, summed over all structures and steps; 0 if unknown.
        dtype: ``float32``, ``float64`` or ``mixed``; None: the dtype of the potential.
        exact: The same potential before a conversion of its dtype. Its weights are the weights of the kernels. None:
            ``potential`` itself.
    """

    def __init__(
        self, potential: Potential, n_atoms: int = 0, dtype: str | None = None, exact: Potential | None = None
    ):
        super().__init__(potential)
        self._n_atoms, self._dtype = n_atoms, KERNEL_DTYPES[dtype or potential.model.dtype_name]
        self._tensors = list(chain(potential.model.parameters(), potential.model.buffers()))
        self._reset(exact or potential)
        reason = unsupported_reason(potential.model) if dtype == MIXED else None
        if reason is not None:
            warn_once(
                f"dtype mixed needs kernels, which do not support {reason}; the potential is evaluated in float64"
            )

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute the results of ``Potential.forward``. The results are detached from autograd."""
        result = self.evaluate(graph, forces=forces, stress=stress)
        return {name: value for name, value in result.items() if name != "uncertainty"}

    def evaluate(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """Compute ``forward`` in evaluation mode, with ``uncertainty`` if there is an estimator."""
        kernels = self._kernels()
        if kernels is not None:
            kernels.head = self.head
            return kernels.evaluate(graph, forces=forces, stress=stress)
        start = time.perf_counter()
        result = self.potential.evaluate(graph, forces=forces, stress=stress)
        self._seconds += time.perf_counter() - start
        self._n_evaluated_atoms += graph.n_atoms
        return result

    def _reset(self, exact: Potential) -> None:
        """Discard kernels and measured times. New kernels will get the weights of ``exact``."""
        self._weights_state, self._exact = self._read_weights_state(), exact
        self._compiled: CompiledPotential | None = None
        layers = chain.from_iterable(branch.layers for branch in self.model.branches)
        # True if kernels exist, or if no kernels will be compiled
        self._is_decided = not any(is_registered(part) for layer in layers for part in layer.modules())
        self._cache_was_checked, self._compile_seconds = False, SECONDS
        self._reason: str | None = None  # description of a part that kernels do not support
        self._n_evaluated_atoms, self._seconds = 0, 0.0

    def _read_weights_state(self) -> list[tuple[int, int]]:
        """Return addresses and versions of the weights. They change when weights change."""
        return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in self._tensors]

    def _kernels(self) -> CompiledPotential | None:
        """Return the compiled potential if it exists or is worth compiling now."""
        if self._read_weights_state() != self._weights_state:
            self._reset(self.potential)
        if self._is_decided:
            return self._compiled
        if not self._cache_was_checked:
            self._cache_was_checked, self._reason = True, unsupported_reason(self.model)
            if self._reason is None:
                fused = self._fused()
                self._compile_seconds = seconds_to_compile(fused)
                if fused.is_cached():
                    self._compile(fused)
        elif self._remaining_seconds() > self._compile_seconds:
            if self._reason is not None:
                warn_once(
                    f"this model is not compiled: kernels do not support {self._reason}; it is evaluated without kernels"
                )
                self._is_decided = True
            else:
                if can_compile():
                    warn_once(
                        f"kernels are compiled for this model, once, which takes about {self._compile_seconds:.0f} s "
                        "(--no-compile or compile=False: never)"
                    )
                self._compile(self._fused())
        return self._compiled

    def _remaining_seconds(self) -> float:
        """Estimated time of the remaining evaluations, s; if ``n_atoms`` is unknown, the time of the previous ones."""
        if not self._n_atoms:
            return self._seconds
        n_remaining = max(self._n_atoms - self._n_evaluated_atoms, 0)
        return self._seconds * n_remaining / max(self._n_evaluated_atoms, 1)

    def _fused(self) -> FusedModel:
        return FusedModel(self._exact.model, self._dtype)

    def _compile(self, fused: FusedModel) -> None:
        self._compiled = CompiledPotential(self.potential, fused) if fused.compile() else None
        self._is_decided, self._exact = True, self.potential

    given = OldAttribute("potential")
