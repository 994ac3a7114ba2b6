"""AtomicGraph: its fields, its labels, and how it lives in batches."""

import ase
import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from torch_geometric.data import Batch

from atomgraph.errors import GraphError
from atomgraph.graph import AtomicGraph
from atomgraph.graph.neighbours import matscipy_neighbours
from atomgraph.graph.structure import get_labels

LABELS = ("energy", "forces", "stress")


def stress():
    half = np.random.default_rng(3).random((3, 3))
    return half + half.T


def labelled(place="calculator", voigt=True, names=LABELS):
    """Two silicon atoms with labels on the calculator, or in info and arrays."""
    atoms, rng = bulk("Si"), np.random.default_rng(0)
    labels = {
        "energy": -10.25,
        "forces": rng.random((2, 3)),
        "stress": full_3x3_to_voigt_6_stress(stress()) if voigt else stress(),
    }
    labels = {name: labels[name] for name in names}
    if place == "calculator":
        atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms
    for name, value in labels.items():
        (atoms.arrays if name == "forces" else atoms.info)[name] = value
    return atoms


def same(first, second):
    return set(first.keys()) == set(second.keys()) and all(torch.equal(first[key], second[key]) for key in first.keys())  # noqa: SIM118


# fields


def test_fields_are_those_of_the_table():
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    graph = AtomicGraph.from_ase(atoms, 4.0)
    n_edges = graph.edge_index.shape[1]
    table = {
        "atomic_numbers": ((2,), torch.int64),
        "pos": ((2, 3), torch.float64),
        "edge_index": ((2, n_edges), torch.int64),
        "cell_shift": ((n_edges, 3), torch.int32),
        "cell": ((1, 3, 3), torch.float64),
        "pbc": ((1, 3), torch.bool),
        "cutoff": ((1,), torch.float64),
        "head": ((1,), torch.int64),
        "charge": ((1,), torch.float64),
        "spin": ((1,), torch.float64),
        "weight": ((1,), torch.float64),
        "label_weights": ((1, 3), torch.float64),
        "energy": ((1,), torch.float64),
        "energy_mask": ((1,), torch.bool),
        "forces": ((2, 3), torch.float64),
        "forces_mask": ((2,), torch.bool),
        "stress": ((1, 3, 3), torch.float64),
        "stress_mask": ((1,), torch.bool),
    }
    assert {key: (tuple(graph[key].shape), graph[key].dtype) for key in graph.keys()} == table  # noqa: SIM118
    assert (graph.n_atoms, graph.n_edges, graph.n_graphs) == (2, 36, 1)
    assert graph.atomic_numbers.tolist() == [11, 17] and graph.cutoff.tolist() == [4.0]
    assert graph.graph_of_atom.tolist() == [0, 0]
    np.testing.assert_array_equal(graph.cell[0], atoms.cell.array)


def test_edges_are_sorted_by_centre_and_both_rows_are_atoms():
    graph = AtomicGraph.from_ase(bulk("Si", cubic=True), 4.0)
    assert (graph.edge_index[1].diff() >= 0).all()
    assert set(graph.edge_index.unique().tolist()) == set(range(8))


def test_an_atom_alone_has_no_edges():
    graph = AtomicGraph.from_ase(ase.Atoms("Ar"), 5.0)
    assert graph.edge_index.shape == (2, 0) and graph.cell_shift.shape == (0, 3)
    assert not graph.cell.any() and not graph.pbc.any()


def test_moving_the_atoms_later_does_not_change_the_graph():
    atoms = labelled()
    graph = AtomicGraph.from_ase(atoms, 4.0)
    before = {key: value.clone() for key, value in graph.to_dict().items()}
    atoms.positions += 1.0
    atoms.cell[:] *= 2.0
    atoms.numbers[:] = 1
    atoms.pbc[:] = False
    atoms.calc.results["forces"] += 1.0
    assert same(graph, before)


def test_another_neighbour_list_can_be_used():
    def nearest_only(atoms, cutoff):
        return matscipy_neighbours(atoms, 2.5)

    assert AtomicGraph.from_ase(bulk("Si"), 5.0, neighbours=nearest_only).n_edges == 8


# labels


@pytest.mark.parametrize("place", ["calculator", "info and arrays"])
@pytest.mark.parametrize("voigt", [True, False], ids=["Voigt", "3x3"])
def test_labels_are_found_where_they_are(place, voigt):
    graph = AtomicGraph.from_ase(labelled(place, voigt), 4.0)
    assert graph.energy.tolist() == [-10.25]
    np.testing.assert_array_equal(graph.forces.numpy(), np.random.default_rng(0).random((2, 3)))
    np.testing.assert_allclose(graph.stress[0].numpy(), stress(), atol=1e-15)
    assert graph.energy_mask.all() and graph.forces_mask.all() and graph.stress_mask.all()


@pytest.mark.parametrize("name", LABELS)
def test_each_label_may_be_alone_and_the_others_are_masked_zeros(name):
    graph = AtomicGraph.from_ase(labelled(names=(name,)), 4.0)
    for second in LABELS:
        assert graph[f"{second}_mask"].all().item() == (second == name)
        assert graph[second].any().item() == (second == name)


def test_labels_in_a_file_are_found_after_reading(tmp_path):
    atoms, path = labelled(), tmp_path / "one.xyz"
    ase.io.write(path, atoms, format="extxyz")
    before, after = get_labels(atoms), get_labels(ase.io.read(path))
    assert set(after) == set(LABELS)
    for name in LABELS:
        np.testing.assert_allclose(after[name], before[name], atol=1e-7)


def test_labels_of_the_calculator_come_before_those_in_info():
    atoms = labelled()
    atoms.info["energy"] = 99.0
    assert AtomicGraph.from_ase(atoms, 4.0).energy.tolist() == [-10.25]


def test_results_of_another_structure_are_no_labels():
    atoms = labelled()
    atoms.positions[0, 0] += 0.1
    graph = AtomicGraph.from_ase(atoms, 4.0)
    assert not (graph.energy_mask.any() or graph.forces_mask.any() or graph.stress_mask.any())


def test_nothing_is_computed_for_a_label():
    class Watched(SinglePointCalculator):
        def calculate(self, *args, **kwargs):
            raise AssertionError("computed")

    atoms = bulk("Si")
    atoms.calc = Watched(atoms)
    assert get_labels(atoms) == {}


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("energy", [1.0, 2.0], r"energy should have shape \(\) for 2 atoms, but has \(2,\)"),
        ("forces", np.zeros((3, 3)), r"forces should have shape \(2, 3\) for 2 atoms, but has \(3, 3\)"),
        ("forces", np.zeros(6), r"forces should have shape \(2, 3\)"),
        ("stress", np.zeros(5), r"stress should have shape \(3, 3\)"),
        ("energy", "low", "energy should be numbers, but is 'low'"),
        ("energy", np.inf, "energy holds NaN or infinite numbers"),
        ("forces", np.array([[0, 0, 0], [0, np.nan, 0]]), "forces holds NaN or infinite numbers"),
        ("forces", np.array([[0, 0, 0], [0, np.inf, 0]]), "forces holds NaN or infinite numbers"),
        ("stress", np.full(6, np.inf), "stress holds NaN or infinite numbers"),
    ],
)
def test_labels_of_wrong_shape_or_not_finite_are_refused(name, value, match):
    atoms = bulk("Si")
    (atoms.arrays if name == "forces" else atoms.info)[name] = value
    with pytest.raises(GraphError, match=match):
        AtomicGraph.from_ase(atoms, 4.0)


@pytest.mark.parametrize(
    ("name", "value"), [("energy", np.nan), ("stress", np.full(6, np.nan)), ("forces", np.full((2, 3), np.nan))]
)
def test_a_label_that_is_nan_throughout_is_missing(name, value):
    atoms = bulk("Si")
    (atoms.arrays if name == "forces" else atoms.info)[name] = value
    assert not AtomicGraph.from_ase(atoms, 4.0)[f"{name}_mask"].any()


@pytest.mark.parametrize("dtype", ["float32", ">f8", ">f4", "float16", "int64", "longdouble"])
def test_positions_of_any_numeric_type_make_the_same_graph(dtype):
    """Positions of float32 or of the other byte order ended in a traceback."""
    atoms = bulk("Si", a=8.0, cubic=True)
    expected = AtomicGraph.from_ase(atoms, 4.0)
    atoms.arrays["positions"] = atoms.positions.astype(dtype)
    atoms.arrays["numbers"] = atoms.numbers.astype(">i4")
    graph = AtomicGraph.from_ase(atoms, 4.0)
    assert graph.pos.equal(expected.pos) and graph.pos.dtype == expected.pos.dtype
    assert graph.edge_index.equal(expected.edge_index) and graph.atomic_numbers.equal(expected.atomic_numbers)


def test_complex_positions_are_refused():
    atoms = bulk("Si")
    atoms.arrays["positions"] = atoms.positions.astype(complex)
    with pytest.raises(GraphError, match="positions should be real numbers, but are complex128"):
        AtomicGraph.from_ase(atoms, 4.0)


def test_an_energy_in_an_array_of_one_and_a_flat_stress_are_understood():
    atoms = bulk("Si")
    atoms.info |= {"energy": np.array([-3.0]), "stress": stress().ravel()}
    graph = AtomicGraph.from_ase(atoms, 4.0)
    assert graph.energy.tolist() == [-3.0]
    np.testing.assert_array_equal(graph.stress[0], stress())


# batches and copies


def structures():
    return [
        labelled(),
        ase.Atoms("Ar"),
        labelled(names=("forces",)),
        molecule("CH3OH"),
        labelled("info", names=("energy",)),
    ]


def test_structures_with_different_labels_can_be_batched_and_separated():
    graphs = [AtomicGraph.from_ase(atoms, 4.0) for atoms in structures()]
    batch = Batch.from_data_list(graphs)
    assert isinstance(batch, AtomicGraph)
    assert batch.n_graphs == 5 and batch.n_atoms == 2 + 1 + 2 + 6 + 2
    assert batch.energy_mask.tolist() == [True, False, False, False, True]
    assert batch.forces_mask.tolist() == [True] * 2 + [False] + [True] * 2 + [False] * 8
    assert batch.stress_mask.tolist() == [True, False, False, False, False]
    assert batch.graph_of_atom.tolist() == [0, 0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4]
    assert (batch.edge_index[1].diff() >= 0).all()
    assert torch.equal(batch.graph_of_atom[batch.edge_index[0]], batch.graph_of_atom[batch.edge_index[1]])
    for graph, again in zip(graphs, batch.to_data_list(), strict=True):
        assert isinstance(again, AtomicGraph) and same(graph, again)


def test_a_shallow_copy_shares_tensors_and_nothing_else():
    for graph in (AtomicGraph.from_ase(labelled(), 4.0), Batch.from_data_list([AtomicGraph.from_ase(labelled(), 4.0)])):
        fields, pos = set(graph.keys()), graph.pos
        copy = graph.shallow_copy()
        assert copy.pos is pos and type(copy) is type(graph)
        copy.pos, copy.extra = torch.zeros(2, 3), torch.ones(1)
        del copy.energy
        assert graph.pos is pos and set(graph.keys()) == fields
        assert torch.equal(copy.graph_of_atom, graph.graph_of_atom)


def test_to_device_moves_all_tensors_of_the_copy_only():
    graph = AtomicGraph.from_ase(labelled(), 4.0)
    moved = graph.shallow_copy().to("meta")  # PyG moves in place, so a copy is moved
    assert isinstance(moved, AtomicGraph)
    assert {value.device.type for value in moved.to_dict().values()} == {"meta"}
    assert moved.graph_of_atom.device.type == "meta"
    assert {value.device.type for value in graph.to_dict().values()} == {"cpu"}


def test_written_and_read_without_pickle(tmp_path):
    graph = AtomicGraph.from_ase(labelled(), 4.0)
    torch.save(graph.to_dict(), tmp_path / "graph.pt")
    assert same(graph, AtomicGraph(**torch.load(tmp_path / "graph.pt", weights_only=True)))
