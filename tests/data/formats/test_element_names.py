"""Elements are read or stated, never guessed; what is stated is used or refused."""

import ase.io
import numpy as np
import pytest
from helpers.labelled_structures import crystals

from atomgraph.data import read
from atomgraph.errors import DataError

DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0 5
0 5
0 5
ITEM: ATOMS id type element x y z
1 1 E1 0 0 0
2 2 E2 0 0 2.5
"""
POSCAR = """H He
1.0
5 0 0
0 5 0
0 0 5
1 1
Direct
0 0 0
0 0 0.5
"""
PDB = (
    "ATOM      1  CA  ALA A   1       0.000   0.000   0.000  1.00  0.00          {:>2}\n"
    "ATOM      2  N   ALA A   1       0.000   0.000   1.500  1.00  0.00          {:>2}\nEND\n"
)
GRO = "protein\n    1\n    1ALA     CA    1   0.000   0.000   0.000\n   2.0   2.0   2.0\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.xyz"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def dump(first, second):
    return DUMP.replace("E1", first).replace("E2", second)


def symbols(path, **how):
    return str(read(path, **how)[0].symbols)


def test_digits_in_the_column_of_elements_of_a_dump_were_atomic_numbers(write):
    path = write(dump("1", "2"), "a.dump")
    with pytest.raises(DataError, match=r"types 1, 2, and no elements.*--types"):
        read(path)
    assert symbols(path, types="Cu Au") == "CuAu"
    alone = write(dump("1", "2").replace("id type element", "id mol element"), "b.dump")
    assert symbols(alone, types="Cu Au") == "CuAu"


def test_the_default_carbon_of_lammps_is_refused_for_several_types(write):
    path = write(dump("C", "C"), "a.dump")
    with pytest.raises(DataError, match=r"types 1, 2 all have the element C.*dump_modify element.*--types"):
        read(path)
    assert symbols(path, types="Cu Au") == "CuAu"
    assert symbols(write(dump("C", "C").replace("2 2 C", "2 1 C"), "b.dump")) == "C2"
    assert symbols(write(dump("Si", "Si"), "c.dump")) == "Si2"  # somebody said so


def test_stated_types_that_a_dump_contradicts_are_refused(write):
    path = write(dump("Cu", "Au"), "a.dump")
    assert symbols(path, types="Cu Au") == symbols(path) == "CuAu"
    with pytest.raises(DataError, match="the file has the element Cu for type 1, but the stated types have Au"):
        read(path, types="Au Cu")
    without = write(dump("Cu", "Au").replace("id type element", "id mol element"), "b.dump")
    with pytest.raises(DataError, match=r"names elements, but types \(Au Cu\) are stated"):
        read(without, types="Au Cu")


def test_labels_of_types_are_elements_where_all_of_them_are(write):
    labels = dump("Cu", "Au").replace("type element", "type typelabel")
    assert symbols(write(labels, "a.dump")) == "CuAu"
    assert symbols(write(labels.replace("Au 0", "Au1 0"), "b.dump"), types="Cu Au") == "CuAu"


@pytest.mark.parametrize("word", ["1.0", "1e0", "a"])
def test_a_type_that_is_no_whole_number_is_named(write, word):
    path = write(
        dump("Cu", "Au").replace("type element", "type c_1").replace("1 1 Cu", f"1 {word} 0").replace("Au", "0")
    )
    with pytest.raises(DataError, match=f"a type should be a whole number, but is '{word}'"):
        read(path, types="Cu Au", format="lammps-dump-text")


@pytest.mark.parametrize("lost", ["0 5\n", "0 5\n0 5\n"])
def test_a_dump_with_too_few_box_lines_is_named(write, lost):
    path = write(dump("Cu", "Au").replace(lost, "", 1), "a.dump")
    with pytest.raises(DataError, match="box bounds should be three lines of two, three or four numbers"):
        read(path)


@pytest.mark.parametrize("column", ["type:I:1", "Type:I:1", "atom_types:I:1", "type:S:1"])
def test_types_in_a_column_of_xyz_left_atoms_without_elements(write, column):
    path = write(f"2\nProperties={column}:pos:R:3\n1 0 0 0\n2 0 0 2.5\n")
    with pytest.raises(DataError, match=r"frame 0 .*types 1, 2, and no elements.*--types"):
        read(path)
    assert symbols(path, types="Cu Au") == "CuAu"
    with pytest.raises(DataError, match="has type 2, but only 1 elements are stated"):
        read(path, types="Cu")


def test_xyz_without_any_column_of_elements_is_named(write):
    with pytest.raises(DataError, match=r"no column of elements.*species:S:1, but has tag, pos"):
        read(write("1\nProperties=tag:I:1:pos:R:3\n1 0 0 0\n"))


def test_types_of_lammps_extended_xyz_are_no_atomic_numbers(write):
    path = write('2\nTimestep=0 pbc="F F F" Properties=species:S:1:pos:R:3\n1 0 0 0\n2 0 0 2.5\n')
    with pytest.raises(DataError, match="types 1, and no elements"):
        read(path)
    assert symbols(path, types="Cu Au") == "CuAu"


@pytest.mark.parametrize("column", ["Z", "z", "numbers", "atomic_numbers"])
def test_symbols_and_atomic_numbers_that_differ_are_refused(write, column):
    path = write(f"1\nProperties=species:S:1:pos:R:3:{column}:I:1\nCu 0 0 0 79\n")
    with pytest.raises(DataError, match=r"atom 0 is Cu by its symbol, but its column .* has 79"):
        read(path)
    assert symbols(write(f"1\nProperties=species:S:1:pos:R:3:{column}:I:1\nCu 0 0 0 29\n")) == "Cu"
    assert symbols(write(f"1\nProperties={column}:I:1:pos:R:3\n29 0 0 0\n")) == "Cu"


def test_columns_of_xyz_are_read_in_upper_and_lower_case(write):
    assert symbols(write("1\nproperties=Species:s:1:Pos:r:3\nCu 0 0 0\n")) == "Cu"


def test_a_poscar_of_vasp_4_took_elements_from_its_title_and_from_other_files(write):
    write(" TITEL  = PAW_PBE Fe 06Sep2000\n TITEL  = PAW_PBE Co 06Sep2000\n", "POTCAR")
    for title in ("H He", "a title"):
        path = write(POSCAR.replace("H He", title), "POSCAR")
        with pytest.raises(DataError, match=r"is a file of VASP 4.*--types \"Cu Au\".*or add this line"):
            read(path)
        assert symbols(path, types="Cu Au") == "CuAu"
        with pytest.raises(DataError, match="has 2 numbers of atoms, but 1 elements are stated"):
            read(path, types="Cu")


def test_a_poscar_of_vasp_5_names_its_elements(write):
    path = write(POSCAR.replace("1 1\n", "Cu Au\n1 1\n"), "a.vasp")
    assert symbols(path) == symbols(path, types="Cu Au") == "CuAu"
    with pytest.raises(DataError, match="names elements, but types"):
        read(path, types="Au Cu")


def test_names_of_atoms_in_a_protein_are_no_elements(write):
    assert symbols(write(PDB.format("C", "N"), "a.pdb")) == "CN"
    for word, said in (("", "nothing"), ("Qq", "'Qq'")):
        with pytest.raises(
            DataError, match=f"line 1: columns 77 and 78 should hold the element of atom 'CA', but hold {said}"
        ):
            read(write(PDB.format(word, "N"), "a.pdb"))
    with pytest.raises(DataError, match=r"a GROMACS .gro file, which contains no elements"):
        read(write(GRO, "a.gro"))


@pytest.mark.parametrize("name", ["a.traj", "a.db", "a.json", "a.xyz", "a.cif", "a.gen", "POSCAR"])
def test_types_are_refused_where_elements_are_named(tmp_path, name):
    """They were passed over without a word."""
    atoms = crystals(1)[0]
    ase.io.write(tmp_path / name, atoms)
    with pytest.raises(DataError, match=r"names elements, but types .* remove them"):
        read(tmp_path / name, types="H He")


def test_types_are_refused_beside_structures_and_arrays_with_elements(tmp_path):
    with pytest.raises(DataError, match="an ASE structure names elements"):
        read(crystals(1), types="Cu")
    np.savez(tmp_path / "a.npz", z=np.array([29]), R=np.zeros((1, 1, 3)))
    with pytest.raises(DataError, match="names elements"):
        read(tmp_path / "a.npz", types="Cu")
