"""Extended XYZ as programs and people write it; each input is a fault that somebody ran into."""

import bz2
import gzip
import lzma

import ase.io
import numpy as np
import pytest
from helpers.labelled_structures import crystals

from atomgraph.data import read
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

LATTICE = 'Lattice="5 0 0 0 5 0 0 0 5"'
WITH_FORCES = f"{LATTICE} Properties=species:S:1:pos:R:3:forces:R:3"
ATOMS = "Cu 0 0 0 0.1 0 0\nCu 0 0 2.5 -0.1 0 0\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.xyz"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_stress_of_nan_on_a_molecule_is_no_label(write):
    stress = " ".join(["nan"] * 9)
    path = write(f'2\nProperties=species:S:1:pos:R:3 energy=1.0 stress="{stress}" pbc="F F F"\nCu 0 0 0\nCu 0 0 2.5\n')
    notes = ReadingNotes()
    (atoms,) = read(path, notes=notes)
    assert get_labels(atoms).keys() == {"energy"}
    assert notes.lines() == ["stress is NaN in 1 frame, which counts as a missing label"]


def test_a_frame_with_an_energy_of_nan_is_read_without_energy(write):
    path = write(f"2\n{LATTICE} Properties=species:S:1:pos:R:3 energy=nan\nCu 0 0 0\nCu 0 0 2.5\n")
    assert get_labels(read(path)[0]) == {} and len(read(path, labels=False)[0]) == 2


def test_a_label_with_some_nan_entries_is_an_error_if_labels_are_read(write):
    path = write(f"2\n{WITH_FORCES}\nCu 0 0 0 nan 0 0\nCu 0 0 2.5 -0.1 0 0\n")
    with pytest.raises(DataError, match="frame 0: forces holds NaN"):
        read(path)
    assert len(read(path, labels=False)) == 1


def test_bad_labels_are_ignored_if_only_positions_are_read(write):
    path = write(
        f'2\n{LATTICE} Properties=species:S:1:pos:R:3 energy=low stress="1 2 3" virial=none\nCu 0 0 0\nCu 0 0 2.5\n'
    )
    (atoms,) = read(path, labels=False)
    assert atoms.calc is None and not {"energy", "stress", "virial"} & set(atoms.info)


@pytest.mark.parametrize("numbers", ["5 5 5", "5 5 5 90 90 90", "5", "a b c"])
def test_a_lattice_of_other_than_nine_numbers_is_named_as_the_lattice(write, numbers):
    path = write(f'2\nLattice="{numbers}" Properties=species:S:1:pos:R:3 energy=-1\nCu 0 0 0\nCu 0 0 2.5\n')
    with pytest.raises(DataError, match=r"frame 0 .*Lattice should be nine numbers") as caught:
        read(path)
    assert "stress" not in str(caught.value)


def test_lattice_properties_and_pbc_are_read_in_upper_and_lower_case(write):
    path = write('1\nlattice="5 0 0 0 6 0 0 0 7" properties=species:S:1:pos:R:3 PBC="T T F"\nCu 0 0 0\n')
    (atoms,) = read(path)
    assert atoms.cell.lengths() == pytest.approx([5, 6, 7]) and atoms.pbc.tolist() == [True, True, False]


def test_the_lattice_has_vectors_in_rows(write):
    (atoms,) = read(write('1\nLattice="5 1 0 0 6 2 3 0 7" Properties=species:S:1:pos:R:3\nCu 0 0 0\n'))
    assert atoms.cell.array.tolist() == [[5, 1, 0], [0, 6, 2], [3, 0, 7]]


@pytest.mark.parametrize("key", ["cell", "Cell", "box", "unit_cell", "lattice_vectors", "CellVectors"])
@pytest.mark.parametrize(
    "numbers", ['"5 0 0 0 5 0 0 0 5"', '"5 5 5 90 90 90"', '"5.0 5.0 5.0"', '"[5,0,0,0,5,0,0,0,5]"']
)
def test_a_cell_under_another_name_was_passed_over(write, key, numbers):
    text = f"2\n{key}={numbers} Properties=species:S:1:pos:R:3 energy=-1{{}}\nCu 0 0 0\nCu 0 0 2.5\n"
    with pytest.raises(DataError, match=rf"frame 0 .*{key} has \d numbers and may be the cell.*Lattice=\"ax ay az"):
        read(write(text.format("")))
    for alone in (' pbc="F F F"', f" {LATTICE}"):  # no cell, and a second word for one
        assert len(read(write(text.format(alone)))) == 1
    assert len(read(write(text.replace("=" + numbers, '="0 0 0"').format("")))) == 1


@pytest.mark.parametrize("word", ["maybe", '"T T"', '"T T maybe"', "2", '"1 1 2"'])
def test_a_pbc_other_than_flags_is_refused(write, word):
    with pytest.raises(DataError, match="pbc should be one or three flags, T or F"):
        read(write(f"1\n{LATTICE} Properties=species:S:1:pos:R:3 pbc={word}\nCu 0 0 0\n"))


@pytest.mark.parametrize("word", ["T", "true", '"1 1 1"', '"T True t"'])
def test_flags_of_pbc_are_read_as_people_write_them(write, word):
    assert read(write(f"1\n{LATTICE} Properties=species:S:1:pos:R:3 pbc={word}\nCu 0 0 0\n"))[0].pbc.all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("word", ["nan", "inf"])
def test_a_lattice_that_is_not_finite_is_named_without_a_warning(write, word):
    with pytest.raises(DataError, match=r"Lattice should be nine finite numbers, but is 5.0 0.0 0.0 0.0 nan|inf"):
        read(write(f'1\nLattice="5 0 0 0 {word} 0 0 0 5" Properties=species:S:1:pos:R:3\nCu 0 0 0\n'))


def test_fortran_exponents_without_a_point_are_numbers_in_comments(write):
    stress = " ".join(["1d-2", "0d0", "0"] + ["0d0"] * 5 + ["1D-2"])
    lattice = "5d0 0 0 0 5D+00 0 0 0 50d-1"
    comment = (
        f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 energy=-1d0 stress="{stress}" config_type=2d1 uid=12d4'
    )
    (atoms,) = read(write(f"2\n{comment}\nCu 0 0 0\nCu 0 0 25d-1\n"))
    labels = get_labels(atoms)
    assert (
        labels["energy"] == -1.0 and atoms.cell.lengths() == pytest.approx([5, 5, 5]) and atoms.positions[1, 2] == 2.5
    )
    assert labels["stress"][2, 2] == 0.01 and atoms.info["config_type"] == "2d1" and atoms.info["uid"] == "12d4"


def test_nine_numbers_of_a_stress_are_rows(write):
    stress = "1 0.4 0.5 0.4 2 0.6 0.5 0.6 3"
    (atoms,) = read(write(f'2\n{WITH_FORCES} stress="{stress}"\n{ATOMS}'))
    assert get_labels(atoms)["stress"].ravel() == pytest.approx([float(word) for word in stress.split()])


@pytest.mark.parametrize("key", ["stress", "REF_stress"])
@pytest.mark.parametrize(
    ("order", "expected"),
    [("ase", [1, 6, 5, 2, 4, 3]), ("vasp", [1, 4, 6, 2, 5, 3]), ("lammps", [1, 4, 5, 2, 6, 3])],
)
def test_six_numbers_are_taken_in_a_stated_order_and_refused_without(write, key, order, expected):
    path = write(f'2\n{WITH_FORCES} energy=-1 {key}="1 2 3 4 5 6"\n{ATOMS}')
    with pytest.raises(DataError, match=f"{key} should be nine numbers.*six.*stress_order: ase"):
        read(path, keys={"stress": key})
    stress = get_labels(read(path, keys={"stress": key}, units={"stress_order": order})[0])["stress"]
    assert stress[np.triu_indices(3)].tolist() == expected


def test_six_numbers_of_a_virial_have_the_same_rule(write):
    path = write(f'2\n{WITH_FORCES} virial="1 2 3 4 5 6"\n{ATOMS}')
    with pytest.raises(DataError, match="virial should be nine numbers"):
        read(path)
    result = get_labels(read(path, units={"stress_order": "vasp"})[0])["stress"]
    assert result[0, 1] == pytest.approx(-4 / 125) and result[0, 2] == pytest.approx(-6 / 125)


def test_atomic_numbers_in_the_column_of_species_are_elements(write):
    assert str(read(write("2\n\n1 0 0 0\n1 0 0 0.8\n"))[0].symbols) == "H2"
    assert str(read(write("2\nProperties=species:I:1:pos:R:3\n29 0 0 0\n8 0 0 1.8\n"))[0].symbols) == "CuO"
    assert str(read(write("1\nProperties=Z:I:1:pos:R:3\n79 0 0 0\n"))[0].symbols) == "Au"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("Cu1", "line 4: 'Cu1' is no element but the label.*write its element, Cu"),
        ("D", "'D' is an isotope.*element, H"),
    ]
    + [(word, f"'{word}' is no element") for word in ("Qq", "0", "119", "12345")],
)
def test_a_word_that_is_not_an_element_is_named_with_its_line(write, word, said):
    with pytest.raises(DataError, match=said):
        read(write(f"2\n\nCu 0 0 0\n{word} 0 0 2.8\n"))


def test_types_of_a_lammps_xyz_dump_are_no_atomic_numbers(write):
    path = write("2\nAtoms. Timestep: 0\n1 0 0 0\n2 0 0 2.5\n")
    with pytest.raises(DataError, match=r'no elements; state the element of each type.*--types "Cu Au"'):
        read(path)
    assert str(read(path, types="Cu Au")[0].symbols) == "CuAu"


def test_a_byte_order_mark_is_no_number_of_atoms(write):
    assert len(read(write("\ufeff2\n\nCu 0 0 0\nCu 0 0 2.8\n"))[0]) == 2


def test_blank_lines_between_frames_are_skipped(write):
    frame = "2\n\nCu 0 0 0\nCu 0 0 2.8\n"
    assert len(read(write(f"\n{frame}\n \n{frame}\n\n"))) == 2


def test_fortran_exponents_are_numbers(write):
    text = f"2\n{WITH_FORCES} energy=-1.0D+00 config_type=2d\n{ATOMS.replace('0.1', '0.1D+00')}"
    (atoms,) = read(write(text))
    labels = get_labels(atoms)
    assert labels["energy"] == -1.0 and labels["forces"][1, 0] == pytest.approx(-0.1)
    assert atoms.info["config_type"] == "2d"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_other_line_separators_inside_a_comment_end_no_line(write, separator):
    (atoms,) = read(write(f'2\n{WITH_FORCES} energy=-1.0 comment="a{separator}b"\n{ATOMS}'))
    assert get_labels(atoms)["energy"] == -1.0 and separator in atoms.info["comment"]


def test_a_word_among_numbers_is_named_with_its_line(write):
    with pytest.raises(DataError, match="frame 0, line 4: expected a number, but got 'two'"):
        read(write("2\n\nCu 0 0 0\nCu 0 0 two\n"))


def test_words_that_contain_stress_are_unchanged(write):
    (atoms,) = read(write(f'2\n{WITH_FORCES} comment="no stress = none" my_stress=high\n{ATOMS}'))
    assert atoms.info["comment"] == "no stress = none" and atoms.info["my_stress"] == "high"


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)])
def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path, suffix, pack):
    path = tmp_path / f"bomb.xyz{suffix}"
    with pack(path, "wb") as file:
        file.write(b"1999999\n\n")
        file.write(b"H 0 0 0\n" * 1_500_000)
    with pytest.raises(DataError, match="unpacks to more than 30 times its size"):
        read(path)
    with pack(path, "wb") as file:
        file.write(b"1000000000\n\nH 0 0 0\n")
    with pytest.raises(DataError, match="1000000000 atoms are too many for a compressed file"):
        read(path)


def test_frames_are_chosen_from_the_end_and_backwards(tmp_path):
    ase.io.write(tmp_path / "a.xyz", crystals(5))
    for index, expected in {"-2:": [3, 4], "::-2": [4, 2, 0], "1:4:2": [1, 3], "-1": [4], ":-3": [0, 1]}.items():
        result = read(f"{tmp_path}/a.xyz@{index}")
        assert [int(atoms.info["source"].rpartition("#")[2]) for atoms in result] == expected
