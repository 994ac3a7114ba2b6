"""When kernels are worth compiling: at once where they are kept, else when the model would take longer than the compiler."""

from __future__ import annotations

import time
from itertools import chain

import torch
from torch import Tensor

from atomgraph.compiled.compiled_potential import CompiledPotential
from atomgraph.compiled.compiling import compile as compiled
from atomgraph.compiled.mace.fused_model import FusedMACE, unsupported_reason
from atomgraph.compiled.precision import MIXED, OF_KERNELS, in_precision, precision
from atomgraph.errors import ConfigError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import can_compile, warn_once
from atomgraph.layers.mace import MACELayer
from atomgraph.potential import Potential

#: What the compiler takes, in seconds on a quiet machine, is this and a second for so many characters of source (measured for
#: models from 4 scalars to 24,000 terms; what it takes in the end is between two thirds and one and a half of it).
SECONDS, CHARACTERS_A_SECOND = 2.0, 150_000


def for_inference(
    potential: Potential,
    *,
    compile: bool | None = None,
    n_atoms: int = 0,
    dtype: str | torch.dtype | None = None,
    exact: Potential | None = None,
) -> Potential:
    """The potential as calculators and commands evaluate it: by compiled kernels where there are any and they pay.

    Args:
        compile: True compiles at once (``atomgraph.compile``), False never.
        n_atoms: That will be evaluated, over all structures and steps; 0 if unknown.
        dtype: ``float32``, ``float64``, or ``mixed`` (kernels in float32, sums and the model in float64); None: as it
            is.
        exact: The same potential before it was converted, if it was; it is not changed later. Kernels are made of its
            weights.

    Raises:
        ConfigError: For an unknown dtype, and for ``mixed`` where no kernels can be.
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
        found = compiled(exact, dtype=name or potential.model.dtype)
        return potential if found is exact else found
    return LazyCompiled(potential, n_atoms, name, exact)


def seconds_to_compile(fused: FusedMACE) -> float:
    """About how long the compiler will take for a model's kernels."""
    return SECONDS + len(fused.source()) / CHARACTERS_A_SECOND


class LazyCompiled(Potential):
    """A potential that is evaluated as it is, and by its kernels as soon as they are there or worth compiling.

    Says in one line, once, that it compiles, or which part of a MACE has no fused form. Where weights have changed since, the
    kernels are left. The potential itself is ``given``; its head and its model are this one's.

    Args:
        n_atoms, dtype, exact: As ``for_inference`` has them.
    """

    def __init__(self, given: Potential, n_atoms: int = 0, dtype: str | None = None, exact: Potential | None = None):
        super().__init__(given.model, given.metadata)
        self._given = (given,)  # not a second time among the submodules
        self.training = False  # the model's own mode stays as it is
        self._n_atoms, self._dtype = n_atoms, OF_KERNELS[dtype or given.model.dtype_name]
        self._tensors = list(chain(given.model.parameters(), given.model.buffers()))
        self._begin(exact or given)
        lack = unsupported_reason(given.model) if dtype == MIXED else None
        if lack is not None:
            warn_once(f"dtype mixed is that of kernels, but {lack} has no fused form; it runs in float64")

    @property
    def given(self) -> Potential:
        """The potential that was given."""
        return self._given[0]

    @property
    def head(self) -> str | None:
        """Of the given potential."""
        return self.given.head

    @head.setter
    def head(self, name: str | None) -> None:
        self.given.head = name

    def forward(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """``Potential.forward``, detached."""
        result = self.evaluated(graph, forces=forces, stress=stress)
        return {name: value for name, value in result.items() if name != "uncertainty"}

    def evaluated(self, graph: AtomicGraph, *, forces: bool = True, stress: bool = True) -> dict[str, Tensor]:
        """``Potential.evaluated``."""
        kernels = self._kernels()
        if kernels is not None:
            kernels.head = self.head
            return kernels.evaluated(graph, forces=forces, stress=stress)
        start = time.perf_counter()
        result = self.given.evaluated(graph, forces=forces, stress=stress)
        self._seconds += time.perf_counter() - start
        self._done += graph.n_atoms
        return result

    def _begin(self, exact: Potential) -> None:
        """exact: whose weights kernels are made of."""
        self._state, self._exact = self._weights(), (exact,)
        self._compiled: CompiledPotential | None = None
        self._is_settled = not any(
            isinstance(part, MACELayer) for part in self.model.modules()
        )  # all that is fused so far
        self._is_looked_for, self._worth = False, SECONDS
        self._lack: str | None = None
        self._done, self._seconds = 0, 0.0

    def _weights(self) -> list[tuple[int, int]]:
        """What changes when weights do."""
        return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in self._tensors]

    def _kernels(self) -> CompiledPotential | None:
        """The kernels, if it is time for them."""
        if self._weights() != self._state:
            self._begin(self.given)
        if self._is_settled:
            return self._compiled
        if not self._is_looked_for:
            self._is_looked_for, self._lack = True, unsupported_reason(self.model)
            if self._lack is None:
                fused = self._fused()
                self._worth = seconds_to_compile(fused)
                if fused.is_kept():
                    self._compile(fused)
        elif self._to_come() > self._worth:
            if self._lack is not None:
                warn_once(f"this model is not compiled: {self._lack} has no fused form; it runs as it is")
                self._is_settled = True
            else:
                if can_compile():
                    warn_once(
                        f"kernels are compiled for this model, once, which takes about {self._worth:.0f} s "
                        "(--no-compile or compile=False: never)"
                    )
                self._compile(self._fused())
        return self._compiled

    def _to_come(self) -> float:
        """Seconds of evaluations that are to come, as far as anybody knows."""
        if not self._n_atoms:
            return self._seconds
        return self._seconds * max(self._n_atoms - self._done, 0) / max(self._done, 1)

    def _fused(self) -> FusedMACE:
        return FusedMACE(self._exact[0].model, self._dtype)

    def _compile(self, fused: FusedMACE) -> None:
        self._compiled = CompiledPotential(self.given, fused) if fused.compile() else None
        self._is_settled, self._exact = True, (self.given,)
