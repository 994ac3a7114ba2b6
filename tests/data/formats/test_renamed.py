"""Files of every format that is recognised by content, packed and under names that say nothing."""

import bz2
import gzip
import lzma

import ase.io
import numpy as np
import pytest
from data.formats.test_foreign import INPUT_DATA, ML_AB, QM9
from data.formats.test_lammps import DATA, DUMP
from data.formats.test_mlip import CFG
from data.formats.test_vasp import OUTCAR
from helpers.labelled_structures import crystals

from atomgraph.data import read
from atomgraph.data.formats.format_table import find_format
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

GPUMD = """1
energy=-1.0 virial="1 0 0 0 2 0 0 0 3" Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:force:R:3
Cu 0 0 0 0.1 0 0
"""
STEP = """<calculation>{loops}
<structure><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 8</v></varray></crystal>
<varray name="positions"><v>0 0 0</v><v>0 0 0.5</v></varray></structure>
<varray name="forces"><v>{force} 0 0</v><v>-{force} 0 0</v></varray>
<energy><i name="e_fr_energy">{energy}</i><i name="e_0_energy">{energy}</i></energy></calculation>
"""
LOOP = '<scstep><energy><i name="e_fr_energy">{0}</i><i name="e_0_energy">{0}</i></energy></scstep>'
VASPRUN = (
    """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling><kpoints><varray name="kpointlist"><v>0 0 0</v></varray><varray name="weights"><v>1</v></varray></kpoints>
<parameters><separator name="electronic"><i type="int" name="NELM">    3</i></separator></parameters>
<atominfo><array name="atoms"><set><rc><c>Cu</c><c>1</c></rc><rc><c>Cu</c><c>1</c></rc></set></array></atominfo>
<structure name="initialpos"><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 8</v></varray></crystal>
<varray name="positions"><v>0 0 0</v><v>0 0 0.5</v></varray></structure>
"""
    + STEP.format(loops=2 * LOOP.format(-3.0), force=0.1, energy=-3.0)
    + STEP.format(loops=3 * LOOP.format(-9.0), force=9.0, energy=-9.0)
    + "</modeling>\n"
)
# Text, the name of the format, the name that its files usually have, and elements of types where it names none.
SAMPLES = {
    "mlip-cfg": (CFG, "train.cfg", "Cu Au"),
    "vasp-ml-ab": (ML_AB, "ML_AB", None),
    "n2p2": (INPUT_DATA, "input.data", None),
    "lammps-dump-text": (DUMP, "dump.lammpstrj", "Cu Au"),
    "lammps-data": (DATA, "a.data", "Cu Au"),
    "qm9": (QM9, "a.xyz", None),
    "gpumd": (GPUMD, "train.xyz", None),
    "vasp-out": (OUTCAR, "OUTCAR", None),
    "vasp-xml": (VASPRUN, "vasprun.xml", None),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    ("rename", "pack"),
    [
        (lambda name: f"{name}.gz", gzip.compress),
        (lambda name: f"{name}.bz2", bz2.compress),
        (lambda name: name, lzma.compress),  # packed, and called as if it were not
        (lambda name: f"relax.{'xyz' if name == 'train.xyz' else 'out'}", bytes),
        (lambda name: f"my.{'xyz' if name == 'train.xyz' else 'xml'}.gz", gzip.compress),
    ],
)
def test_the_same_frames_are_read_from_packed_and_renamed_files(tmp_path, name, rename, pack):
    text, usual, types = SAMPLES[name]
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / usual).write_text(text)
    expected = read(tmp_path / "plain" / usual, types=types)
    path = tmp_path / rename(usual)
    path.write_bytes(pack(text.encode()))
    assert find_format(path).name == name
    for atoms, second in zip(read(path, types=types), expected, strict=True):
        assert atoms.positions.tolist() == second.positions.tolist() and str(atoms.symbols) == str(second.symbols)
        for label, numbers in get_labels(second).items():
            np.testing.assert_array_equal(get_labels(atoms)[label], numbers)


@pytest.mark.parametrize("name", ["vasprun.xml.gz", "my.xml.gz", "my.xml", "vasprun.xml.bak"])
def test_packed_and_renamed_vaspruns_kept_steps_that_did_not_converge(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(VASPRUN.encode()) if name.endswith(".gz") else VASPRUN.encode())
    for format in (None, "vasp-xml"):
        notes = ReadingNotes()
        (atoms,) = read(path, notes=notes, format=format)
        assert get_labels(atoms)["energy"] == -3.0 and notes.unconverged == {str(path): 1}


@pytest.mark.parametrize("name", ["OUTCAR.gz", "relax.out", "relax.out.gz", "a.log"])
def test_packed_and_renamed_outcars_kept_steps_that_did_not_converge(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(OUTCAR.encode()) if name.endswith(".gz") else OUTCAR.encode())
    notes = ReadingNotes()
    assert len(read(path, notes=notes)) == 2 and notes.unconverged == {str(path): 1}


@pytest.mark.parametrize(("name", "format"), [("a.traj", "traj"), ("a.db", "db"), ("a.npz", "md17")])
def test_binary_files_are_read_under_another_name_and_refused_packed(tmp_path, name, format):
    atoms = crystals(1)[0]
    if format == "md17":
        np.savez(tmp_path / name, z=atoms.numbers, R=atoms.positions[None])
    else:
        ase.io.write(tmp_path / name, atoms)
    data = (tmp_path / name).read_bytes()
    if format != "md17":
        (tmp_path / "renamed").write_bytes(data)
        assert read(tmp_path / "renamed")[0].positions.tolist() == atoms.positions.tolist()
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
    with pytest.raises(DataError, match="is compressed; decompress it"):
        read(tmp_path / f"{name}.gz")


def test_a_packed_hdf5_file_is_refused(tmp_path):
    (tmp_path / "a.h5.gz").write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n" + bytes(100)))
    with pytest.raises(DataError, match="is compressed; decompress it"):
        read(tmp_path / "a.h5.gz")


def test_a_file_whose_first_line_is_a_number_is_read_strictly(tmp_path):
    """ASE's own reader took it, which stops silently at a blank line."""
    (tmp_path / "structures").write_text("1\n\nCu 0 0 0\n\n1\n\nCu 0 0 0\n")
    assert find_format(tmp_path / "structures").name == "extxyz" and len(read(tmp_path / "structures")) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.xyz", "a.cfg", "POSCAR"])
def test_the_encoding_of_text_that_is_not_utf_8_is_named(tmp_path, encoding, name):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / name).write_bytes((mark + "2\n\nCu 0 0 0\nCu 0 0 2\n").encode(encoding))
    with pytest.raises(DataError, match=f"not a text file in UTF-8, but in {encoding[:6].upper()}: iconv"):
        read(tmp_path / name)
