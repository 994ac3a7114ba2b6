"""A potential whose physics is known: Morse pairs, faded out at the cutoff. A featurizer of one column, read as it is."""

import torch
from e3nn import o3

from atomgraph.models import Branch, EnergyModel
from atomgraph.nn.protocols import Featurizer
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to
from atomgraph.potential import Potential
from atomgraph.readouts import Linear

DEPTH, STIFFNESS, BOND = 0.33, 1.38, 2.75  # eV, 1/Å, Å: near to Girifalco and Weizer's copper


class Morse(Featurizer):
    r""":math:`h_i = \tfrac12 \sum_j D\,[e^{-2a(r_{ij}-r_0)} - 2 e^{-a(r_{ij}-r_0)}]\, f(r_{ij})`."""

    def __init__(self, cutoff: float = 5.5):
        super().__init__()
        self.cutoff, self.irreps_out = cutoff, o3.Irreps("1x0e")

    def forward(self, graph, edges):
        decay = torch.exp(-STIFFNESS * (edges.length - BOND))
        pair = 0.5 * DEPTH * (decay**2 - 2.0 * decay) * polynomial_cutoff(edges.length, self.cutoff)
        return sum_to(pair, edges.centre, edges.n_atoms)[:, None]


def morse_potential(elements=("Cu",), cutoff=5.5, dtype=torch.float64) -> Potential:
    """Copper, or anything that holds together like it."""
    readout = Linear(1)
    with torch.no_grad():
        readout.weight.fill_(1.0)
    model = EnergyModel(list(elements), Branch(cutoff, Morse(cutoff), readouts=[readout]))
    return Potential(model).to(dtype).eval()
