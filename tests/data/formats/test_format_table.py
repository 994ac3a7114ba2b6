"""Which format a file has, what may be stated of its units, and that the documentation lists all of them."""

import ase.io
import pytest
from helpers.labelled_structures import crystals

from atomgraph.data import read
from atomgraph.data.formats.format_table import FORMATS, FORMATS_BY_NAME, find_format
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels


def test_an_unknown_ending_lists_the_known_ones_and_the_format_can_be_said(tmp_path):
    path = tmp_path / "a.exyz"
    path.write_text("2\n\n1 0 0 0\n1 0 0 0.8\n")
    with pytest.raises(DataError, match=r"cannot find the format.*known endings are .*\.xyz.*\.traj.*--format extxyz"):
        read(path)
    for name in ("extxyz", "xyz"):
        assert str(read(path, format=name)[0].symbols) == "H2"
    with pytest.raises(DataError, match="unknown format 'extxzy'; did you mean extxyz"):
        read(path, format="extxzy")


def test_a_format_that_ase_converts_takes_no_units(tmp_path):
    atoms = crystals(1)[0]
    ase.io.write(tmp_path / "a.gen", atoms)
    assert len(read(tmp_path / "a.gen", units={"length": "Å"})) == 1
    with pytest.raises(DataError, match="has the fixed units"):
        read(tmp_path / "a.gen", units={"length": "Bohr"})


def test_a_trajectory_holds_what_was_put_into_it_and_takes_units(tmp_path):
    atoms = crystals(1)[0]
    ase.io.write(tmp_path / "a.traj", atoms)
    energy = get_labels(read(tmp_path / "a.traj", units={"energy": "meV"})[0])["energy"]
    assert energy == pytest.approx(1e-3 * atoms.get_potential_energy())


def test_names_of_formats_are_all_different():
    assert len({file_format.name for file_format in FORMATS}) == len(FORMATS) <= len(FORMATS_BY_NAME)


def test_the_content_decides_before_the_name(tmp_path):
    (tmp_path / "a.cfg").write_text("BEGIN_CFG\n")
    (tmp_path / "b.data").write_text("begin\n")
    (tmp_path / "c.data").write_text("LAMMPS\n\n2 atoms\n1 atom types\n")
    (tmp_path / "d.dat").write_text("ITEM: TIMESTEP\n")
    result = [find_format(tmp_path / name).name for name in ("a.cfg", "b.data", "c.data", "d.dat")]
    assert result == ["mlip-cfg", "n2p2", "lammps-data", "lammps-dump-text"]
