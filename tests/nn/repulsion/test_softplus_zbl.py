"""ZBL with trained constants: its initial values are those of the universal repulsion."""

import math

import ase
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.graph import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.repulsion.softplus_zbl import SoftplusZBL
from atomgraph.testing.measures import construct


@pytest.mark.parametrize("trainable", [True, False])
def test_pair_energy_is_the_universal_repulsion(trainable):
    repulsion = construct(lambda: SoftplusZBL(["O", "Si"], 3.0, trainable=trainable), torch.float64).double()
    graph = AtomicGraph.from_ase(ase.Atoms("OSi", [[0, 0, 0], [0, 0.3, 1.1]]), 3.0)
    r = math.hypot(0.3, 1.1)
    t = r * (8**0.23 + 14**0.23) / (0.8854 * 0.52917721067)
    constants = zip((0.18175, 0.50986, 0.28022, 0.02817), (3.1998, 0.94229, 0.4029, 0.20162), strict=True)
    phi = sum(c * math.exp(-a * t) for c, a in constants) / 1.00000
    envelope = 0.5 * (1 + math.cos(math.pi * r / 3.0))
    energy = repulsion(graph, Edges.of(graph, ElementTable(["O", "Si"]), torch.float64))
    assert float(energy.sum()) == pytest.approx(14.399645351950548 * 8 * 14 / r * phi * envelope, rel=1e-9)
    assert float(energy[0]) == pytest.approx(float(energy[1]))
    assert any(True for _ in repulsion.parameters()) is trainable


def test_invalid_arguments():
    with pytest.raises(WiringError, match="cutoff must be positive"):
        SoftplusZBL(["O"], 0.0)
    with pytest.raises(WiringError, match="unknown envelope"):
        SoftplusZBL(["O"], 2.0, "cosin")
