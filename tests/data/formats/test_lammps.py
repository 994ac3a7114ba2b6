"""LAMMPS's files know types, and types are no elements."""

import pytest
from ase.units import kcal, mol

from atomgraph.data import read
from atomgraph.errors import DataError
from atomgraph.graph.structure import labels_of

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
    with pytest.raises(DataError, match="has type 2, but only 1 elements are given: Cu"):
        read(path, types="Cu")
    with pytest.raises(DataError, match="types should be chemical symbols such as Cu Au, but one of them is 'Xx'"):
        read(path, types="Cu Xx")


def test_elements_of_a_dump_are_taken(write):
    text = DUMP.replace("type x", "element x").replace("\n1 1", "\n1 Cu").replace("\n2 2", "\n2 Au")
    assert str(read(write(text))[0].symbols) == "CuAu"


def test_masses_of_elements_name_them_and_others_do_not(write):
    assert str(read(write(DATA.replace("Atoms", MASSES + "Atoms"), "a.data"))[0].symbols) == "CuAu"
    with pytest.raises(DataError, match=r"mass 1 of type 1 is no element's.*--types"):
        read(write(DATA.replace("Atoms", MASSES.replace("63.546", "1.0") + "Atoms"), "a.data"))


def test_a_dump_with_forces_has_no_energy_and_the_units_that_it_states(write):
    text = (
        DUMP.replace("x y z", "x y z fx fy fz").replace("0 0 0\n", "0 0 0 1 0 0\n").replace("0 0 2.5", "0 0 2.5 -1 0 0")
    )
    labels = labels_of(read(write(text), types="Cu Au")[0])
    assert labels.keys() == {"forces"} and labels["forces"][0, 0] == 1.0
    real = {"energy": "kcal/mol", "length": "Å"}
    assert labels_of(read(write(text), types="Cu Au", units=real)[0])["forces"][0, 0] == pytest.approx(kcal / mol)
    stated = "ITEM: UNITS\nreal\n" + text
    assert labels_of(read(write(stated), types="Cu Au")[0])["forces"][0, 0] == pytest.approx(kcal / mol)
    with pytest.raises(DataError, match="units of its own"):
        read(write(stated), types="Cu Au", units={"energy": "eV"})
