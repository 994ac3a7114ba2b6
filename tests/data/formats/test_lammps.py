"""LAMMPS's files know types, and types are no elements."""

import ase.io
import numpy as np
import pytest
from ase.units import kcal, mol

from atomgraph.data import read
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0 5
0 5
0 5
ITEM: ATOMS id type x y z
1 1 0 0 0
2 2 0 0 2.5
"""
DATA = """LAMMPS data file

2 atoms
2 atom types
0 5 xlo xhi
0 5 ylo yhi
0 5 zlo zhi

Atoms # atomic

1 1 0 0 0
2 2 0 0 2.5
"""
MASSES = "Masses\n\n1 63.546\n2 196.967 # gold\n\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.lammpstrj"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(("text", "name"), [(DUMP, "a.lammpstrj"), (DATA, "a.data"), (DUMP, "dump.xyz.dat")])
def test_types_without_elements_are_refused_with_the_way_out(write, text, name):
    path = write(text, name)
    for labels in (True, False):
        with pytest.raises(DataError, match=r'types 1, 2, and no elements.*--types "Cu Au".*data.types: \[Cu, Au\]'):
            read(path, labels=labels)
    for types in ("Cu Au", "Cu,Au", ["Cu", "Au"]):
        (atoms,) = read(path, types=types)
        assert str(atoms.symbols) == "CuAu" and atoms.get_masses()[1] > 190
    with pytest.raises(DataError, match="has type 2, but only 1 elements are stated: Cu"):
        read(path, types="Cu")
    with pytest.raises(DataError, match=r"types should be chemical symbols such as Cu Au, .*'Xx' is no element"):
        read(path, types="Cu Xx")


def test_elements_of_a_dump_are_read(write):
    text = DUMP.replace("type x", "element x").replace("\n1 1", "\n1 Cu").replace("\n2 2", "\n2 Au")
    assert str(read(write(text))[0].symbols) == "CuAu"


def test_elements_are_found_from_masses_of_elements_only(write):
    assert str(read(write(DATA.replace("Atoms", MASSES + "Atoms"), "a.data"))[0].symbols) == "CuAu"
    with pytest.raises(DataError, match=r"mass 1 of type 1 is not the mass of exactly one element.*--types"):
        read(write(DATA.replace("Atoms", MASSES.replace("63.546", "1.0") + "Atoms"), "a.data"))


def test_a_dump_with_forces_has_no_energy_and_the_units_that_it_states(write):
    text = (
        DUMP.replace("x y z", "x y z fx fy fz").replace("0 0 0\n", "0 0 0 1 0 0\n").replace("0 0 2.5", "0 0 2.5 -1 0 0")
    )
    labels = get_labels(read(write(text), types="Cu Au")[0])
    assert labels.keys() == {"forces"} and labels["forces"][0, 0] == 1.0
    real = {"energy": "kcal/mol", "length": "Å"}
    assert get_labels(read(write(text), types="Cu Au", units=real)[0])["forces"][0, 0] == pytest.approx(kcal / mol)
    stated = "ITEM: UNITS\nreal\n" + text
    assert get_labels(read(write(stated), types="Cu Au")[0])["forces"][0, 0] == pytest.approx(kcal / mol)
    with pytest.raises(DataError, match="fixed units"):
        read(write(stated), types="Cu Au", units={"energy": "eV"})


def test_a_triclinic_dump_is_the_cell_that_ase_finds(write, tmp_path):
    """Scaled positions, tilts of both signs, atoms in any order, an origin beside zero."""
    text = """ITEM: TIMESTEP
7
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS xy xz yz pp pp ff
-1.5 6.5 1.0
0.25 7.0 -0.5
1 8 0.75
ITEM: ATOMS id type xs ys zs fx fy fz vx vy vz c_pe
3 1 0.1 0.2 0.3 1 2 3 1 0 0 -1
1 2 0.5 0.5 0.5 4 5 6 0 2 0 -2
2 1 0.9 0.1 0.6 7 8 9 0 0 3 -3
"""
    (atoms,) = read(write(text * 1), types="Cu Au")
    expected = ase.io.read(write(text, "b.lammpstrj"), format="lammps-dump-text")
    np.testing.assert_allclose(atoms.cell.array, expected.cell.array, atol=1e-12)
    assert atoms.pbc.tolist() == [True, True, False] == expected.pbc.tolist()
    np.testing.assert_allclose(atoms.get_all_distances(mic=True), expected.get_all_distances(mic=True), atol=1e-12)
    assert str(atoms.symbols) == "AuCu2" and get_labels(atoms)["forces"].tolist() == [[4, 5, 6], [7, 8, 9], [1, 2, 3]]
    np.testing.assert_allclose(atoms.get_velocities(), expected.get_velocities(), rtol=1e-12)
    assert atoms.arrays["c_pe"].tolist() == [-2, -3, -1]
    assert len(read(write(text * 3, "c.lammpstrj"), types="Cu Au")) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t.replace("\n2\nITEM", "\n9999999999\nITEM"),
            "cut short: it should have 9999999999 atoms, but has 2",
        ),
        (
            lambda t: t.replace("\n2\nITEM", "\ntwo\nITEM"),
            "line 4: this line should be the number of atoms, but is 'two'",
        ),
        (lambda t: t.replace("2 2 0 0 2.5", "2 2 0 0"), "line 11: an atom should have 5 columns, but has 4"),
        (lambda t: t.replace("2 2 0 0 2.5", "2 2 0 0 x"), "line 1, cannot be read"),
        (lambda t: t.replace("x y z", "a b c"), "no positions"),
        (lambda t: t + "rubbish\n", "line 12: a section should begin with ITEM:"),
    ],
)
def test_a_damaged_dump_is_named_with_its_line(write, change, said):
    with pytest.raises(DataError, match=said):
        read(write(change(DUMP)), types="Cu Au")
