"""What a core could do at most: the speed of a product of two matrices, and the operations that MACE needs at least."""

import time

import numpy as np
import torch

from atomgraph import Potential

SIDE = 1000  # of the matrices


class Roof:
    """The speed of torch's matrix product in a dtype, measured in turns with what is held against it."""

    def __init__(self, dtype: str):
        self._matrix = torch.ones(SIDE, SIDE, dtype=getattr(torch, dtype))
        self._seconds: list[float] = []
        _ = self._matrix @ self._matrix

    def turn(self) -> None:
        start = time.process_time()
        _ = self._matrix @ self._matrix
        self._seconds.append(time.process_time() - start)

    @property
    def flops(self) -> float:
        """Floating-point operations a second."""
        return 2 * SIDE**3 / float(np.median(self._seconds))

    def part(self, operations: float, seconds: float) -> str:
        """How much of it so many operations in so many seconds are."""
        return f"{100 * operations / seconds / self.flops:.0f} %"


def operations(potential: Potential, n_atoms: int, n_edges: int) -> float:
    """Floating-point operations of MACE's energy and forces, the least that are known: weights as cubic splines."""
    of_edge = of_atom = 0.0
    for number, layer in enumerate(potential.model.branches[0].layers):
        gradients = 1 if number == 0 else 2  # nothing has a gradient by the first layer's features
        interaction, channels = layer.interaction, layer.interaction.convolution.channels
        for path in interaction.convolution.paths:
            coupled = path.feature.dim * (1 if path.harmonics.l == 0 else path.message.dim)
            of_edge += (
                2 * channels * (4 + 8 + (1 + gradients) * coupled)
            )  # weights, their gradients, messages and gradients
        maps = [interaction.mix, layer.mix, *([] if number == 0 else [interaction.up, interaction.skip])]
        for part in maps:
            for name, weight in part.weights.items():
                components = 1 if name.startswith("0") else 2 * int(name[0]) + 1
                of_atom += 2 * 2 * components * weight.shape[-2] * weight.shape[-1]
        product = layer.product
        terms = sum(
            int((np.abs(product.monomial_coupling(irrep, nu)).max(axis=2) > 1e-12).sum()) for irrep, nu in product.terms
        )
        of_atom += 2 * 3 * channels * terms
    return n_atoms * of_atom + n_edges * of_edge
