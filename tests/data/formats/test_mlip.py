"""MLIP's configurations: types from zero, a virial in the order of its columns, and sections that are not read."""

import numpy as np
import pytest

from atomgraph.data import read
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

CFG = """BEGIN_CFG
 Size
    2
 Supercell
   5 0 0
   0 5 0
   0 0 5
 AtomData:  id type cartes_x cartes_y cartes_z fx fy fz
   1 0 0 0 0 0.1 0 0
   2 1 0 0 2.5 -0.1 0 0
 Energy
   -1.0
 PlusStress:  xx yy zz yz xz xy
   1 2 3 4 5 6
 Feature   EFS_by  VASP
END_CFG
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_mlip_cfg_has_a_virial_in_the_order_of_its_columns_and_types_from_zero(write):
    path = write(CFG, "train.cfg")
    with pytest.raises(DataError, match="types 0, 1, and no elements"):
        read(path)
    (atoms,) = read(path, types=["Cu", "Au"])
    labels = get_labels(atoms)
    assert str(atoms.symbols) == "CuAu" and labels["energy"] == -1.0 and labels["forces"][1, 0] == -0.1
    expected = -np.array([[1, 6, 5], [6, 2, 4], [5, 4, 3]]) / 125.0  # positive in tension
    np.testing.assert_allclose(labels["stress"], expected, atol=1e-12)
    second = write(CFG.replace("xx yy zz yz xz xy", "xx xy xz yy yz zz"), "b.cfg")
    np.testing.assert_allclose(get_labels(read(second, types="Cu Au")[0])["stress"][0], np.array([-1, -2, -3]) / 125)


def test_configurations_of_mlip_that_did_not_converge_are_left_out_and_counted(write):
    path = write(CFG + CFG.replace("EFS_by  VASP", "EFS_by  VASP_not_converged"), "train.cfg")
    notes = ReadingNotes()
    assert len(read(path, types="Cu Au", notes=notes)) == 1
    assert notes.lines()[0] == f"{path}: 1 unconverged step left out"
    assert len(read(path, types="Cu Au", labels=False)) == 2


@pytest.mark.parametrize("heading", ["MinusStress:", "Stress:", "Virial:", "Unknown"])
def test_sections_of_mlip_that_are_not_read_are_named(write, heading):
    """Stresses under another heading were passed over without a word."""
    path = write(CFG.replace("PlusStress:", heading), "train.cfg")
    notes = ReadingNotes()
    (atoms,) = read(path, types="Cu Au", notes=notes)
    assert get_labels(atoms).keys() == {"energy", "forces"}
    assert f"{path}: {heading.rstrip(':')} in 1 frame is not read" in notes.lines()
    assert not any("is not read" in line for line in notes_of(write(CFG, "train.cfg")))


def notes_of(path):
    notes = ReadingNotes()
    read(path, types="Cu Au", notes=notes)
    return notes.lines()


@pytest.mark.parametrize("column", ["type", "cartes_y", "cartes_z", "fx", "fz"])
def test_a_column_that_an_mlip_file_lacks_is_named(write, column):
    path = write(CFG.replace(f" {column}", " other"), "train.cfg")
    with pytest.raises(DataError, match=f"has no column {column}; its columns are id, .*other"):
        read(path, types="Cu Au")
