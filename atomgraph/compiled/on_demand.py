"""When kernels are worth compiling: at once where they are kept, else when the model would take longer than the compiler."""

from __future__ import annotations

import time
from itertools import chain

from torch import Tensor

from atomgraph.compiled.compiling import compile as compiled
from atomgraph.compiled.model import FusedMACE, not_fused
from atomgraph.compiled.potential import CompiledPotential
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import can_compile, explain_once
from atomgraph.layers.mace import MACELayer
from atomgraph.potential import Potential

#: Seconds of evaluations to come (or, where nobody knows how many, that have been) beyond which kernels are compiled: as long
#: as that takes. So nobody waits for a compiler longer than for the model, nor for both much longer than for the quicker one.
WORTH = 20.0


def for_inference(potential: Potential, *, compile: bool | None = None, n_atoms: int = 0) -> Potential:
    """The potential as calculators and commands evaluate it: by compiled kernels where there are any and they pay.

    compile: True compiles at once (``atomgraph.compile``), False never.
    n_atoms: that will be evaluated, over all structures and steps; 0 if unknown.
    """
    if compile is False or isinstance(potential, CompiledPotential | OnDemand) or potential.device.type != "cpu":
        return potential
    return compiled(potential) if compile else OnDemand(potential, n_atoms)


class OnDemand(Potential):
    """A potential that is evaluated as it is, and by its kernels as soon as they are there or worth compiling.

    Says in one line, once, that it compiles, or which part of a MACE has no fused form. Where weights have changed since, the
    kernels are left. The potential itself is ``given``; its head and its model are this one's.
    """

    def __init__(self, given: Potential, n_atoms: int = 0):
        super().__init__(given.model, given.metadata)
        self._given = (given,)  # not a second time among the submodules
        self.training = False  # the model's own mode stays as it is
        self._n_atoms = n_atoms
        self._tensors = list(chain(given.model.parameters(), given.model.buffers()))
        self._begin()

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

    def _begin(self) -> None:
        self._state = self._weights()
        self._compiled: CompiledPotential | None = None
        self._is_settled = not any(
            isinstance(part, MACELayer) for part in self.model.modules()
        )  # all that is fused so far
        self._is_looked_for = False
        self._done, self._seconds = 0, 0.0

    def _weights(self) -> list[tuple[int, int]]:
        """What changes when weights do."""
        return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in self._tensors]

    def _kernels(self) -> CompiledPotential | None:
        """The kernels, if it is time for them."""
        if self._weights() != self._state:
            self._begin()
        if not self._is_settled and not self._is_looked_for:
            self._is_looked_for = True
            if not_fused(self.model) is None:
                fused = FusedMACE(self.model, self.model.dtype)
                if fused.is_kept():
                    self._compile(fused)
        elif not self._is_settled and self._to_come() > WORTH:
            lack = not_fused(self.model)
            if lack is not None:
                explain_once(f"this model is not compiled: {lack} has no fused form; it runs as it is")
                self._is_settled = True
            else:
                if can_compile():
                    explain_once(
                        f"kernels are compiled for this model, once, which takes up to {WORTH:.0f} s "
                        "(--no-compile or compile=False: never)"
                    )
                self._compile(FusedMACE(self.model, self.model.dtype))
        return self._compiled

    def _to_come(self) -> float:
        """Seconds of evaluations that are to come, as far as anybody knows."""
        if not self._n_atoms:
            return self._seconds
        return self._seconds * max(self._n_atoms - self._done, 0) / max(self._done, 1)

    def _compile(self, fused: FusedMACE) -> None:
        self._compiled = CompiledPotential(self.given, fused) if fused.compile() else None
        self._is_settled = True
