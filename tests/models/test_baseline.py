"""Baseline: E_i = E0 + scale ε_i + shift + repulsion, in float64 whatever the model computes in."""

import pytest
import torch
from ase import Atoms

from atomgraph.errors import WiringError
from atomgraph.models import Baseline
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.part import build, to_spec
from atomgraph.nn.repulsion.zbl import ZBL
from atomgraph.testing.graphs import ELEMENTS, crystal, generator, make_batch, make_graph, molecule

E0 = {"H": -13.6, "C": -1029.5, "O": -2041.9, "Si": -7870.1}


def inputs(*structures, heads=(0,)):
    graphs = [make_graph(atoms, 3.0) for atoms in structures]
    for graph, head in zip(graphs, heads, strict=False):
        graph.head = torch.tensor([head])
    graph = make_batch(graphs)
    return graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


def random(n_atoms, columns=1):
    return torch.randn(n_atoms, columns, generator=generator(), dtype=torch.float64)


def test_free_atoms_have_their_e0_and_nothing_is_invented_before_data():
    graph, edges = inputs(crystal())
    baseline = Baseline(ELEMENTS)
    local = random(graph.n_atoms)
    torch.testing.assert_close(baseline(local, graph, edges), local[:, 0], rtol=0, atol=0)
    baseline.set_e0(E0)
    expected = torch.tensor([E0[symbol] for symbol in crystal().symbols], dtype=torch.float64)
    torch.testing.assert_close(baseline(0 * local, graph, edges), expected, rtol=0, atol=0)


def test_the_equation_head_by_head():
    graph, edges = inputs(crystal(), molecule(), heads=(1, 0))
    baseline = Baseline(ELEMENTS, heads=["a", "b"])
    baseline.set_e0(E0, "a")
    baseline.set_e0({symbol: 2 * energy for symbol, energy in E0.items()}, "b")
    baseline.set_scale(0.5, 0.25, "a")
    baseline.set_scale(3.0, -1.0, "b")
    local = random(graph.n_atoms, 2)
    energy = baseline(local, graph, edges)
    for i, symbol in enumerate(crystal().symbols):
        assert energy[i].item() == pytest.approx(2 * E0[symbol] + 3.0 * local[i, 1].item() - 1.0, rel=1e-14)
    for i, symbol in enumerate(molecule().symbols, start=4):
        assert energy[i].item() == pytest.approx(E0[symbol] + 0.5 * local[i, 0].item() + 0.25, rel=1e-14)


def test_one_column_serves_every_head():
    graph, edges = inputs(crystal(), crystal(), heads=(0, 1))
    baseline = Baseline(ELEMENTS, heads=["a", "b"])
    baseline.set_e0(E0, "b")
    local = random(4).repeat(2, 1)
    energy = baseline(local, graph, edges)
    shift = torch.tensor([E0[symbol] for symbol in crystal().symbols], dtype=torch.float64)
    torch.testing.assert_close(energy[4:] - energy[:4], shift, rtol=1e-13, atol=0)


def test_scale_does_not_touch_the_repulsion():
    graph, edges = inputs(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.3]]))
    baseline = Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS))
    alone = baseline(torch.zeros(2, 1, dtype=torch.float64), graph, edges)
    baseline.set_scale(1000.0)
    torch.testing.assert_close(baseline(torch.zeros(2, 1, dtype=torch.float64), graph, edges), alone, rtol=0, atol=0)
    assert (alone > 1.0).all()
    assert baseline.cutoff > 0.3


@pytest.mark.parametrize("convert", [lambda b: b.float(), lambda b: b.half(), lambda b: b.to(torch.float32)])
def test_constants_stay_float64(convert):
    baseline = Baseline(ELEMENTS)
    baseline.set_e0({**E0, "Si": -7870.123456789})
    convert(baseline)
    assert {value.dtype for value in (baseline.e0, baseline.scale, baseline.shift)} == {torch.float64}
    assert baseline.e0[0, 3].item() == -7870.123456789
    assert {name for name, _ in baseline.named_buffers()} == {"e0", "scale", "shift"}


def test_constants_are_not_trained_but_saved():
    baseline = Baseline(ELEMENTS, heads=["a", "b"])
    baseline.set_e0(E0, "b")
    assert not list(baseline.parameters())
    again = build(to_spec(baseline))
    again.load_state_dict(baseline.state_dict())
    assert torch.equal(again.e0, baseline.e0) and again.heads == ["a", "b"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Baseline(ELEMENTS).set_e0({"H": 1.0, "C": 2.0}), "E0 is missing for O, Si"),
        (lambda: Baseline(ELEMENTS).set_e0({**E0, "C": float("nan")}), "E0 of C"),
        (lambda: Baseline(ELEMENTS).set_e0(E0, "PBE"), "unknown head 'PBE'; this model has default"),
        (lambda: Baseline(ELEMENTS).set_scale(0.0), "scale"),
        (lambda: Baseline(ELEMENTS).set_scale(float("nan")), "scale"),
        (lambda: Baseline(ELEMENTS).set_scale(1.0, float("inf")), "shift"),
        (lambda: Baseline(ELEMENTS, heads=[]), "heads"),
        (lambda: Baseline(ELEMENTS, heads=["a", "a"]), "distinct"),
        (lambda: Baseline(ELEMENTS, heads="default"), "heads"),
        (lambda: Baseline(["H", "Xx"]), "unknown chemical symbol 'Xx'"),
    ],
)
def test_what_makes_no_baseline_is_refused(make, message):
    with pytest.raises(WiringError, match=message):
        make()
