import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list
from helpers.labelled_structures import SILICON, crystals
from scipy.spatial.transform import Rotation

from atomgraph.data import read
from atomgraph.data.checks.duplicates import find_duplicates, find_shared, group_pairs, invariants


def turned(atoms, seed=0, mirror=False):
    """The same structure, rotated (and reflected), moved, renumbered, with atoms in other cells."""
    random = np.random.default_rng(seed)
    rotation = Rotation.random(random_state=seed).as_matrix() * (-1 if mirror else 1)
    copy = atoms[random.permutation(len(atoms))]
    copy.set_cell(atoms.cell.array @ rotation)
    copy.positions = copy.positions @ rotation + random.standard_normal(3)
    if copy.pbc.all():
        copy.positions += random.integers(-1, 2, (len(copy), 3)) @ copy.cell.array
    return copy


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("number", [0, 100, 150, 212])
def test_invariants_do_not_change_with_rotation_translation_and_order(number, mirror):
    atoms = read(f"{SILICON}/train.xyz.gz@{number}")[0]
    np.testing.assert_allclose(invariants(turned(atoms, mirror=mirror)), invariants(atoms), atol=1e-10)


def test_a_supercell_has_the_invariants_of_its_cell():
    atoms = crystals(1)[0]
    np.testing.assert_allclose(invariants(atoms.repeat((2, 1, 3))), invariants(atoms), atol=1e-10)


def test_invariants_use_the_neighbours_of_another_list():
    atoms = crystals(1)[0]
    centre = neighbor_list("i", atoms, 5.0)
    assert len(centre) > 100 and invariants(atoms).shape == (40,)


@pytest.mark.parametrize("strain", [[[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[1, 0, 0], [0, -1, 0], [0, 0, 0]], np.eye(3)])
@pytest.mark.parametrize("lattice", ["fcc", "bcc", "diamond"])
def test_perfect_crystals_respond_to_strain_in_first_order(lattice, strain):
    def moved(size):
        atoms = bulk("Si", lattice, a=4.5, cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + size * np.asarray(strain)), scale_atoms=True)
        return np.linalg.norm(invariants(atoms) - invariants(bulk("Si", lattice, a=4.5, cubic=True)))

    assert moved(1e-3) > 3e-4
    assert moved(2e-3) / moved(1e-3) == pytest.approx(2.0, rel=0.1)


def test_the_distance_of_a_pair_is_about_its_displacement():
    atoms = read(f"{SILICON}/train.xyz.gz@100")[0]
    near = atoms.copy()
    near.rattle(1e-3 / np.sqrt(3), seed=5)
    (pair,) = find_duplicates([atoms, near])
    assert 3e-4 < pair.distance < 3e-3
    far = atoms.copy()
    far.rattle(0.02, seed=5)
    assert find_duplicates([atoms, far]) == []


def test_the_known_duplicates_of_silicon_are_found_and_no_others():
    test, train = read(SILICON / "test.xyz.gz"), read(SILICON / "train.xyz.gz")
    result = {pair.first: pair.second for pair in find_shared(test, train)}
    known = {number for number, atoms in enumerate(test) if "twin_in_train" in atoms.info}
    assert set(result) == known and len(known) == 3
    for first, second in result.items():
        energies = test[first].get_potential_energy(), train[second].get_potential_energy()
        assert energies[0] == pytest.approx(energies[1], abs=1e-3)
        assert train[second].info["description"].endswith("strain 0.06")


def test_duplicates_share_composition_and_head():
    water = molecule("H2O")
    heavy = water.copy()
    heavy.symbols[0] = "S"
    second = water.copy()
    second.info["head"] = "scan"
    assert find_duplicates([water, heavy, second]) == []
    assert [(p.first, p.second) for p in find_duplicates([water, heavy, second, turned(water)])] == [(0, 3)]


def test_linked_pairs_are_one_group():
    frames = [*crystals(2), *(turned(crystals(1)[0], seed) for seed in range(4)), crystals(3)[2]]
    assert group_pairs(find_duplicates(frames)) == [[0, 2, 3, 4, 5]]
