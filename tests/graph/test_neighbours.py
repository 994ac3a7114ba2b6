"""Neighbour lists: pair for pair what ASE finds, for every kind of cell."""

import ase
import numpy as np
import pytest
from ase.build import bulk, fcc111, graphene, molecule
from ase.neighborlist import primitive_neighbor_list

from atomgraph.errors import GraphError
from atomgraph.graph.neighbours import edges_within, matscipy_neighbours, neighbours_within
from atomgraph.kernels import neighbour_kernel as kernel

needs_kernel = pytest.mark.skipif(not kernel.is_available(), reason="no C++ compiler")
LISTS = [
    pytest.param(neighbours_within, marks=needs_kernel, id="kernel"),
    pytest.param(matscipy_neighbours, id="matscipy"),
]


@pytest.fixture(params=LISTS)
def listed(request):
    """Either list, as it comes."""
    return request.param


@pytest.fixture
def pair_set(listed):
    """Either list as a set of pairs, its form looked at."""
    return lambda atoms, cutoff: to_pairs(listed, atoms, cutoff)


def to_pairs(listed, atoms, cutoff):
    centre, neighbour, shift = listed(atoms, cutoff)
    assert centre.dtype == neighbour.dtype == np.int64 and shift.dtype == np.int32
    assert shift.shape == (len(centre), 3)
    assert (np.diff(centre) >= 0).all(), "sorted by centre"
    pairs = list(zip(centre.tolist(), neighbour.tolist(), map(tuple, shift.tolist()), strict=True))
    assert len(set(pairs)) == len(pairs), "each pair once"
    return set(pairs)


def ase_pairs(atoms, cutoff):
    centre, neighbour, shift = primitive_neighbor_list(
        "ijS", atoms.pbc, atoms.cell.complete().array, atoms.positions, float(cutoff)
    )
    return set(zip(centre.tolist(), neighbour.tolist(), map(tuple, shift.tolist()), strict=True))


def scattered(n_atoms, size, seed=0):
    return np.random.default_rng(seed).random((n_atoms, 3)) * size


def tilted(**kwargs):
    cell = [[5.0, 0.0, 0.0], [2.1, 4.4, 0.0], [-1.3, 0.9, 6.2]]
    return ase.Atoms("C7", positions=scattered(7, 1.0) @ np.array(cell), cell=cell, **kwargs)


def left_handed():
    atoms = tilted(pbc=True)
    atoms.set_cell(atoms.cell.array[[1, 0, 2]])
    assert np.linalg.det(atoms.cell.array) < 0
    return atoms


def far_outside():
    atoms = tilted(pbc=True)
    atoms.positions += np.random.default_rng(1).integers(-4000, 4000, (7, 3)) @ atoms.cell.array
    return atoms


def wire(vector):
    atoms = ase.Atoms("Au4", positions=scattered(4, 2.5), cell=[vector, [0] * 3, [0] * 3], pbc=[True, False, False])
    atoms.positions[:, 1:] -= 40.0
    return atoms


def slab_with_vacuum():
    atoms = fcc111("Al", (2, 2, 3), vacuum=8.0)
    atoms.rattle(0.1, seed=0)
    return atoms


def slab_without_vector():
    atoms = slab_with_vacuum()
    atoms.cell[2] = 0.0
    atoms.positions[:, 2] -= 300.0
    return atoms


def slab_beyond_its_open_vector():
    atoms = slab_with_vacuum()
    atoms.cell[2] = [0.5, 0.3, 1.0]  # shorter than the slab is thick, and tilted
    return atoms


CASES = {
    "molecule without a cell": (molecule("CH3CH2OH"), 3.0),
    "molecule in a box": (ase.Atoms("C9", positions=scattered(9, 4.0), cell=[9, 9, 9]), 3.0),
    "molecule outside its box": (ase.Atoms("C9", positions=scattered(9, 4.0) + 70.0, cell=[3, 3, 3]), 3.0),
    "two molecules far apart": (ase.Atoms("H4", positions=[[0, 0, 0], [0, 0, 1], [1e4, 0, 0], [1e4, 1, 0]]), 3.0),
    "atoms in one plane": (ase.Atoms("C6", positions=scattered(6, 3.0) * [1, 1, 0]), 2.0),
    "one atom": (ase.Atoms("Ar"), 6.0),
    "one atom in a box": (ase.Atoms("Ar", cell=[20, 20, 20], pbc=True), 6.0),
    "two atoms beyond the cutoff": (ase.Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 6.1]]), 6.0),
    "no edge in a crystal": (bulk("Ar", cubic=True), 2.0),
    "cell much smaller than the cutoff": (bulk("Cu"), 8.0),
    "an atom and its own images": (ase.Atoms("Cu", cell=[1.3, 1.1, 1.2], pbc=True), 4.0),
    "triclinic": (tilted(pbc=True), 4.0),
    "left-handed": (left_handed(), 4.0),
    "very oblique": (
        ase.Atoms("C3", positions=scattered(3, 3.0), cell=[[3, 0, 0], [11, 3, 0], [7, -9, 3]], pbc=True),
        3.5,
    ),
    "atoms far outside the cell": (far_outside(), 4.0),
    "wire": (wire([2.5, 0, 0]), 4.0),
    "oblique wire": (wire([1.5, 1.5, 1.0]), 4.0),
    "wire along c": (ase.Atoms("C2", positions=[[0, 0, 0], [0, 1, 1]], cell=[0, 0, 2.2], pbc=[0, 0, 1]), 4.0),
    "slab with vacuum": (slab_with_vacuum(), 5.0),
    "slab without a vector": (slab_without_vector(), 5.0),
    "slab beyond its open vector": (slab_beyond_its_open_vector(), 5.0),
    "graphene": (graphene(vacuum=None), 6.0),
    "periodic along a and c only": (tilted(pbc=[True, False, True]), 4.0),
    "huge vacuum": (ase.Atoms("C9", positions=scattered(9, 4.0), cell=[150, 150, 150], pbc=True), 3.0),
}


@pytest.mark.parametrize(("atoms", "cutoff"), CASES.values(), ids=CASES.keys())
def test_pairs_are_those_of_ase(pair_set, atoms, cutoff):
    before = atoms.copy()
    assert pair_set(atoms, cutoff) == ase_pairs(atoms, cutoff)
    assert (atoms.positions == before.positions).all() and (atoms.cell == before.cell).all()


def random_structure(rng):
    """Few atoms in a cell of any shape and size, periodic in any directions, partly outside, partly without vectors."""
    while True:
        n_atoms, pbc = rng.integers(1, 9), rng.random(3) < 0.6
        cell = rng.choice([1.8, 3.0, 5.0, 9.0]) * (np.eye(3) + rng.uniform(-0.6, 0.6, (3, 3)))
        positions = (rng.random((n_atoms, 3)) * 1.4 - 0.2) @ cell
        if rng.random() < 0.3:
            positions += (rng.integers(-3, 4, (n_atoms, 3)) * pbc) @ cell
        cell[~pbc & (rng.random(3) < 0.5)] = 0.0
        if rng.random() < 0.3:
            cell[0] *= -1.0
        skewed = pbc.any() and np.linalg.cond(cell[pbc]) > 15.0
        atoms = ase.Atoms(["C"] * n_atoms, positions=positions, cell=cell, pbc=pbc)
        if not skewed and abs(np.linalg.det(atoms.cell.complete().array)) > 0.5:
            return atoms


@pytest.mark.parametrize("seed", range(8))
def test_pairs_are_those_of_ase_in_twenty_five_random_cells(pair_set, seed):
    rng, n_pairs = np.random.default_rng(seed), 0
    for _ in range(25):
        atoms, cutoff = random_structure(rng), rng.uniform(1.5, 5.0)
        result = pair_set(atoms, cutoff)
        assert result == ase_pairs(atoms, cutoff), (
            f"{atoms!r} {atoms.cell.array.tolist()} {atoms.positions.tolist()} {cutoff}"
        )
        n_pairs += len(result)
    assert n_pairs > 300


def test_each_pair_is_listed_in_both_directions(pair_set):
    pairs = pair_set(tilted(pbc=True), 4.0)
    assert {(j, i, tuple(-s for s in shift)) for i, j, shift in pairs} == pairs


def test_a_pair_exactly_at_the_cutoff_is_no_edge(pair_set):
    atoms = ase.Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2.0]])
    assert pair_set(atoms, 2.0) == set()
    assert len(pair_set(atoms, np.nextafter(2.0, 3.0))) == 2


def test_shifts_point_at_images_nearer_than_the_cutoff(listed):
    atoms = far_outside()
    centre, neighbour, shift = listed(atoms, 4.0)
    vector = atoms.positions[neighbour] + shift @ atoms.cell.array - atoms.positions[centre]
    assert np.linalg.norm(vector, axis=1).max() < 4.0


def test_numpy_and_integer_cutoffs_are_accepted(pair_set):
    atoms = tilted(pbc=True)
    assert pair_set(atoms, np.float32(4.0)) == pair_set(atoms, 4) == pair_set(atoms, 4.0)


def test_cell_vectors_of_open_directions_are_ignored(pair_set):
    free = ase.Atoms("C9", positions=scattered(9, 4.0))
    parallel = ase.Atoms("C9", positions=free.positions, cell=[[3, 0, 0], [6, 0, 0], [0, 0, 1]])
    assert pair_set(parallel, 3.0) == pair_set(free, 3.0)


@pytest.mark.parametrize("size", [1e3, 1e5])
def test_an_empty_box_takes_no_memory_or_time(pair_set, size):
    atoms = ase.Atoms("C9", positions=scattered(9, 4.0), cell=[size] * 3, pbc=True)
    assert pair_set(atoms, 3.0) == pair_set(ase.Atoms("C9", positions=atoms.positions), 3.0)


def test_a_far_atom_takes_no_memory_or_time(pair_set):
    positions = scattered(9, 4.0)
    positions[4] = [1e9, -1e9, 1e9]
    assert pair_set(ase.Atoms("C9", positions=positions), 3.0) == {
        pair for pair in pair_set(ase.Atoms("C9", positions=scattered(9, 4.0)), 3.0) if 4 not in pair[:2]
    }


def test_invalid_cutoffs_are_refused(listed):
    for cutoff in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(GraphError, match="cutoff must be positive"):
            listed(molecule("H2O"), cutoff)


def test_edges_of_a_graph_are_the_same_pairs_with_shifts_of_the_other_sign(listed):
    atoms = tilted(pbc=True)
    (neighbour, centre), cell_shift = edges_within(atoms, 4.0)
    result = zip(centre.tolist(), neighbour.tolist(), map(tuple, (-cell_shift).tolist()), strict=True)
    assert set(result) == to_pairs(listed, atoms, 4.0)


def random_atoms(n_atoms, seed=0):
    """Atoms anywhere in a large oblique cell, 40 within 5 Å of each."""
    cell = np.cbrt(n_atoms * 13.0) * np.array([[1.0, 0.0, 0.0], [0.3, 0.9, 0.1], [-0.2, 0.2, 1.1]])
    return ase.Atoms(
        ["C"] * n_atoms, positions=scattered(n_atoms, 1.0, seed) @ cell, cell=cell, pbc=[True, True, False]
    )


@needs_kernel
@pytest.mark.parametrize("cutoff", [3.0, 6.0, 9.0])
def test_many_atoms_have_the_pairs_of_matscipy(cutoff):
    atoms = random_atoms(400)
    assert to_pairs(neighbours_within, atoms, cutoff) == to_pairs(matscipy_neighbours, atoms, cutoff)


@needs_kernel
def test_the_list_does_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(kernel, "_PARALLEL_FROM", 0)
    atoms = random_atoms(1000)
    first, three = (kernel.find_pairs(atoms.positions, atoms.cell.array, atoms.pbc, 4.0, n_threads=n) for n in (1, 3))
    assert (first.edge_index == three.edge_index).all() and (first.shift == three.shift).all()


@needs_kernel
@pytest.mark.parametrize("size", [3.0, 30.0, 3e4])
def test_pairs_within_rounding_of_the_cutoff_are_listed_in_both_directions_or_neither(size):
    """A simple cubic lattice whose shells lie at the cutoff, shifted so that every distance is rounded."""
    atoms = ase.Atoms("C8", positions=np.indices((2, 2, 2)).reshape(3, 8).T + 0.1, cell=[2.0] * 3, pbc=True)
    atoms = atoms.repeat(2)
    atoms.positions += size / 7.0
    for cutoff in (np.sqrt(3.0), 2.0, np.sqrt(5.0)):
        pairs = to_pairs(neighbours_within, atoms, cutoff)
        assert {(j, i, tuple(-s for s in shift)) for i, j, shift in pairs} == pairs
        centre, neighbour, shift = neighbours_within(atoms, cutoff + 0.1)
        vector = atoms.positions[neighbour] - atoms.positions[centre] + shift @ atoms.cell.array
        assert len(pairs) == (np.linalg.norm(vector, axis=1) < cutoff).sum()


@needs_kernel
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_give_no_list(bad):
    positions = scattered(4, 3.0)
    positions[2, 1] = bad
    assert kernel.find_pairs(positions, np.eye(3), np.ones(3, bool), 2.0, checked=True) is None


def test_without_kernels_the_list_is_from_matscipy(monkeypatch):
    monkeypatch.setattr(kernel, "is_available", lambda: False)
    monkeypatch.setattr(kernel, "find_pairs", lambda *_, **__: pytest.fail("the kernel was called"))
    assert to_pairs(neighbours_within, tilted(pbc=True), 4.0) == ase_pairs(tilted(pbc=True), 4.0)


@pytest.mark.parametrize("far", [1e13, 1e100, 1e300])
def test_a_molecule_with_an_absurd_position_is_refused_and_does_not_hang(far):
    atoms = ase.Atoms("OH2", [[0, 0, 0], [0, 0, 0.9], [far, -far, far]])
    with pytest.raises(GraphError, match="too far from the cell"):
        neighbours_within(atoms, 1.0)


@pytest.mark.parametrize("length", [1e11, -1e13, 1e100, -1e300])
@pytest.mark.parametrize("pbc", [True, (True, True, False), (False, False, True)])
def test_a_cell_of_absurd_length_is_refused_and_does_not_end_the_process(length, pbc):
    """A LAMMPS data file with such a box ended in a segmentation fault."""
    atoms = ase.Atoms("HHe", [(0, 0, 0), (0, 0, 2.5)], cell=np.diag([5.0, 5.0, length]), pbc=pbc)
    if atoms.pbc[2]:
        with pytest.raises(GraphError, match="is the cell in Å"):
            neighbours_within(atoms, 1.0)
    else:
        assert len(neighbours_within(atoms, 3.0)[0]) == 2
