"""Core repulsion: its formula with an inner cutoff, the one that takes over, gradients, refusals."""

import ase
import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.graph import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.part import build, to_spec
from atomgraph.nn.repulsion.core_repulsion import CoreRepulsion

ELEMENTS = ["H", "O"]
OH = {"elements": ["O", "H"], "prefactor": 30.0, "exponent": 0.7, "cutoff": 3.0}
OO = {
    "elements": ["O", "O"],
    "prefactor": 1.0,
    "form": "zbl",
    "cutoff": 4.0,
    "width": 1.0,
    "inner": 2.0,
    "inner_width": 0.8,
}
WATER = ase.Atoms("OHHO", [[0, 0, 0], [0.8, 0.5, 0], [-0.7, 0.6, 0.1], [0.3, -1.6, 0.4]])


def edges_of(atoms, pos=None):
    graph = AtomicGraph.from_ase(atoms, 4.0)
    if pos is not None:
        graph.pos = pos
    return graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


def test_energy_of_a_pair_is_its_formula():
    r = 1.3
    core = CoreRepulsion(ELEMENTS, [OH | {"inner": 1.5, "inner_width": 0.5}])
    x = (r - 1.0) / 0.5
    expected = 30.0 / r * np.exp(-0.7 * r**2) * np.cos(np.pi * r / 6) ** 2 * (1 - x**3 * (10 - 15 * x + 6 * x**2))
    result = core(*edges_of(ase.Atoms("OH", [[0, 0, 0], [0, 0, r]])))
    np.testing.assert_allclose(result, [expected, expected], rtol=1e-13)


def test_missing_pairs_have_no_repulsion():
    core = CoreRepulsion(ELEMENTS, [OH])
    assert (core(*edges_of(ase.Atoms("H2", [[0, 0, 0], [0, 0, 0.5]]))) == 0).all()
    assert (CoreRepulsion(ELEMENTS, []).forward(*edges_of(WATER)) == 0).all()


def test_remaining_fraction_is_that_of_the_nearest_neighbour():
    """By its depth below the start of its own inner cutoff: O at 1.9 Å of 1.2 is nearer than H at 1.0 Å of 0.2."""
    pairs = [OO, OH | {"inner": 1.2, "inner_width": 1.0}]
    core = CoreRepulsion(ELEMENTS, pairs, replaces_energy=True)
    _, edges = edges_of(ase.Atoms("OHO", [[0, 0, 0], [0, 0, 1.0], [1.9, 0, 0]]))
    smooth = lambda x: x**3 * (10 - 15 * x + 6 * x**2)  # noqa: E731
    np.testing.assert_allclose(
        core.remaining_fraction(edges), [smooth(0.7 / 0.8), smooth(0.8), smooth(0.7 / 0.8)], rtol=1e-12
    )
    assert (core.remaining_fraction(edges_of(ase.Atoms("O"))[1]) == 1).all()


def test_repulsion_that_replaces_the_energy_has_no_inner_switch():
    atoms = ase.Atoms("O2", [[0, 0, 0], [0, 0, 2.5]])
    assert CoreRepulsion(ELEMENTS, [OO])(*edges_of(atoms)).sum() == 0
    assert CoreRepulsion(ELEMENTS, [OO], replaces_energy=True)(*edges_of(atoms)).sum() > 0.1


@pytest.mark.parametrize("replaces_energy", [False, True])
def test_gradients(replaces_energy):
    core = CoreRepulsion(ELEMENTS, [OH | {"inner": 1.5, "inner_width": 1.0}, OO], replaces_energy)
    assert to_spec(build(to_spec(core))) == to_spec(core)

    def of(pos):
        graph, edges = edges_of(WATER, pos)
        return core(graph, edges) + core.remaining_fraction(edges)

    pos = torch.tensor(WATER.positions, requires_grad=True)
    assert torch.autograd.gradcheck(of, pos)
    assert torch.autograd.gradgradcheck(of, pos)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ({"elements": ["O", "N"]}, "between two of H, O"),
        ({"elements": ["O"]}, "between two"),
        ({"cutof": 3.0}, "did you mean cutoff"),
        ({"form": "zpl"}, "did you mean zbl"),
        ({"cutoff": 0.0}, "needs cutoff > 0"),
        ({"form": "zbl"}, "for zbl, 0 < width ≤ cutoff"),
        ({"prefactor": "much"}, "should be numbers"),
        ({"exponent": float("nan")}, "finite"),
        ({"inner": 1.0, "inner_width": -1.0}, "inner_width ≥ 0"),
    ],
)
def test_invalid_pairs_raise(pair, message):
    with pytest.raises(WiringError, match=message):
        CoreRepulsion(ELEMENTS, [OH | pair])


def test_a_repeated_pair_raises():
    with pytest.raises(WiringError, match="twice"):
        CoreRepulsion(ELEMENTS, [OH, OH | {"elements": ["H", "O"]}])
