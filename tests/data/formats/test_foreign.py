"""Formats of other programs, by examples whose numbers can be followed by hand."""

import numpy as np
import pytest
from ase.units import Bohr, GPa, Hartree, kcal, mol
from data.formats.test_mlip import CFG

from atomgraph.data import read
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

INPUT_DATA = """begin
comment one
lattice 9.4 0 0
lattice 0 9.4 0
lattice 0 0 9.4
atom 0 0 0 Cu 0 0 0.1 0 0
atom 0 0 4.7 Cu 0 0 -0.1 0 0
energy -1.0
charge 0
end
"""
STARS, LINE, DASHES = "*" * 50, "=" * 50, "-" * 50
ML_AB = f""" 1.0 Version
{STARS}
     The number of configurations
{DASHES}
          1
{STARS}
     The maximum number of atom type
{DASHES}
          2
{STARS}
     Configuration num.      1
{LINE}
     System name
{DASHES}
     rock salt
{LINE}
     The number of atom types
{DASHES}
          2
{LINE}
     The number of atoms
{DASHES}
          2
{STARS}
     Atom types and atom numbers
{DASHES}
     Mg_pv   1
     O       1
{LINE}
     CTIFOR
{DASHES}
   2.0E-03
{LINE}
     Primitive lattice vectors (ang.)
{DASHES}
  5.0  0.0  0.0
  0.0  5.0  0.0
  0.0  0.0  5.0
{LINE}
     Atomic positions (ang.)
{DASHES}
  0.0  0.0  0.0
  0.0  0.0  2.1
{LINE}
     Total energy (eV)
{DASHES}
  -12.5
{LINE}
     Forces (eV ang.^-1)
{DASHES}
  0.0  0.0  0.5
  0.0  0.0 -0.5
{LINE}
     Stress (kbar)
{DASHES}
     XX YY ZZ
{DASHES}
  1.0 2.0 3.0
{DASHES}
     XY YZ ZX
{DASHES}
  4.0 5.0 6.0
{STARS}
"""
QM9 = (
    "5\ngdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t-40.47893\t"
    "-40.476062\t-40.475117\t-40.498597\t6.469\t\n"
    "C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689\n"
    "H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921\n"
    "H\t 1.0117308433\t 1.4637511618\t 2.7657481*^-4\t 0.133922\n"
    "H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923\n"
    "H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 0.133923\n"
    "1341.307\t1341.3284\t1341.365\nC\tC\t\nInChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4\n"
)


@pytest.fixture
def write(tmp_path):
    def write(text, name):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_input_data_is_in_atomic_units_unless_others_are_stated(write):
    path = write(INPUT_DATA, "input.data")
    for units in ({}, {"energy": "Hartree", "length": "Bohr"}):
        (atoms,) = read(path, units=units)
        labels = get_labels(atoms)
        assert atoms.cell.lengths() == pytest.approx([9.4 * Bohr] * 3) and labels["energy"] == pytest.approx(-Hartree)
        assert labels["forces"][0, 0] == pytest.approx(0.1 * Hartree / Bohr)
    (atoms,) = read(path, units={"energy": "eV", "length": "Å"})
    assert atoms.cell.lengths() == pytest.approx([9.4] * 3) and get_labels(atoms)["energy"] == -1.0
    assert get_labels(atoms)["forces"][0, 0] == pytest.approx(0.1)


def test_input_data_may_state_its_columns(write):
    text = INPUT_DATA.replace("begin", "begin position(3) element forces(3)").replace("Cu 0 0", "Cu")
    (atoms,) = read(write(text, "input.data"), units={"energy": "eV", "length": "Å"})
    assert get_labels(atoms)["forces"].tolist() == [[0.1, 0, 0], [-0.1, 0, 0]]


def test_ml_ab_is_in_kbar_positive_in_compression(write):
    (atoms,) = read(write(ML_AB, "ML_AB"))
    labels = get_labels(atoms)
    assert str(atoms.symbols) == "MgO" and labels["energy"] == -12.5 and labels["forces"][0, 2] == 0.5
    np.testing.assert_allclose(labels["stress"], -0.1 * GPa * np.array([[1, 4, 6], [4, 2, 5], [6, 5, 3]]), rtol=1e-12)


def test_gpumd_has_force_and_a_virial_positive_in_compression(write):
    text = """2
energy=-1.0 Virial="1 0 0 0 2 0 0 0 3" pbc="T T T" lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:force:R:3
Cu 0 0 0 0.1 0 0
Cu 0 0 2.5 -0.1 0 0
"""
    labels = get_labels(read(write(text, "train.xyz"))[0])
    assert labels["forces"][0, 0] == 0.1 and labels["stress"][2, 2] == pytest.approx(-3 / 125)


def test_qm9_is_in_hartree_and_its_energy_is_that_at_zero_kelvin(write):
    (atoms,) = read(write(QM9, "dsgdb9nsd_000001.xyz"))
    assert str(atoms.symbols) == "CH4" and atoms.positions[2, 2] == pytest.approx(2.7657481e-4)
    assert get_labels(atoms)["energy"] == pytest.approx(-40.47893 * Hartree)
    assert atoms.info["gap"] == 0.5048 and atoms.info["smiles"] == "C"
    with pytest.raises(DataError, match="fixed units"):
        read(write(QM9, "dsgdb9nsd_000001.xyz"), units={"energy": "eV"})


def rmd17(tmp_path, **more):
    random = np.random.default_rng(0)
    arrays = {
        "nuclear_charges": np.array([8, 1, 1], dtype=np.uint8),
        "coords": random.random((4, 3, 3)) + np.arange(3)[:, None],
        "energies": random.random(4),
        "forces": random.random((4, 3, 3)),
    }
    np.savez(tmp_path / "rmd17_water.npz", **(arrays | more))
    return tmp_path / "rmd17_water.npz", arrays


def test_rmd17_is_in_kcal_per_mol_unless_others_are_stated(tmp_path):
    path, arrays = rmd17(tmp_path)
    frames = read(path)
    assert len(frames) == 4 and str(frames[0].symbols) == "OH2"
    for atoms, energy, forces in zip(frames, arrays["energies"], arrays["forces"], strict=True):
        assert get_labels(atoms)["energy"] == pytest.approx(energy * kcal / mol)
        np.testing.assert_allclose(get_labels(atoms)["forces"], forces * kcal / mol)
    assert get_labels(read(path, units={"energy": "eV"})[1])["energy"] == arrays["energies"][1]


def test_units_that_an_npz_states_are_fixed(tmp_path):
    path, arrays = rmd17(tmp_path, e_unit=np.array("eV"), r_unit=np.array("Ang"))
    assert get_labels(read(path)[0])["energy"] == arrays["energies"][0]
    with pytest.raises(DataError, match="fixed units"):
        read(path, units={"energy": "kcal/mol"})


def test_an_npz_that_is_no_molecule_lists_its_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.zeros(3))
    with pytest.raises(DataError, match=r"should hold nuclear_charges and coords .*but holds weights"):
        read(tmp_path / "a.npz")


def deepmd(tmp_path):
    folder = tmp_path / "water"
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("0\n1\n1\n")
    (folder / "type_map.raw").write_text("O\nH\n")
    positions = np.array([[0, 0, 0, 0, 0, 0.96, 0.93, 0, -0.24]] * 2)
    arrays = {
        "coord": positions.astype(np.float32),
        "box": np.tile(6.0 * np.eye(3).ravel(), (2, 1)),
        "energy": np.array([-1.0, -2.0]),
        "force": np.arange(18.0).reshape(2, 9),
        "virial": np.tile(np.diag([1.0, 2.0, 3.0]).ravel(), (2, 1)),
    }
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array)
    return folder


def test_deepmd_folder_has_a_virial_positive_in_compression(tmp_path):
    folder = deepmd(tmp_path)
    frames = read(folder)
    assert [str(atoms.symbols) for atoms in frames] == ["OH2", "OH2"] and frames[0].pbc.all()
    labels = get_labels(frames[1])
    assert labels["energy"] == -2.0 and labels["forces"].tolist() == np.arange(9.0, 18.0).reshape(3, 3).tolist()
    assert labels["stress"][2, 2] == pytest.approx(-3 / 216)
    assert len(read(f"{folder}@1:")) == 1


def test_deepmd_folder_without_names_of_types_is_refused(tmp_path):
    folder = deepmd(tmp_path)
    (folder / "type_map.raw").unlink()
    with pytest.raises(DataError, match="has types 0, 1, and no elements"):
        read(folder)
    assert str(read(folder, types="O H")[0].symbols) == "OH2"
    (folder / "type_map.raw").write_text("O\nH\n")
    assert len(read(folder, types="O H")) == 2
    with pytest.raises(DataError, match="has the elements O H, but types are stated as H O"):
        read(folder, types="H O")


def test_deepmd_arrays_that_do_not_fit_are_named(tmp_path):
    folder = deepmd(tmp_path)
    np.save(folder / "set.000" / "force.npy", np.zeros((2, 6)))
    with pytest.raises(DataError, match=r"force.npy should have shape \(2, 3, 3\), but has \(2, 6\)"):
        read(folder)
    (folder / "nopbc").write_text("")
    (atoms, _) = read(folder, labels=False)
    assert not atoms.pbc.any()


def test_ani_h5_is_in_hartree_and_nan_counts_as_missing(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is an extra: pip install 'atomgraph[hdf5]'")
    positions = np.array([[[0, 0, 0], [0, 0, 0.74]], [[0, 0, 0], [0, 0, 0.8]]])
    with h5py.File(tmp_path / "ani.h5", "w") as file:
        group = file.create_group("gdb11_s01/H2")
        group["species"] = np.array([b"H", b"H"])
        group["coordinates"], group["energies"] = positions, np.array([-1.0, np.nan])
        second = file.create_group("HF")
        second["atomic_numbers"], second["coordinates"] = np.array([1, 9]), positions
        second["wb97x_dz.energy"], second["wb97x_dz.forces"] = np.array([-2.0, -3.0]), positions
    frames = read(tmp_path / "ani.h5")
    assert [str(atoms.symbols) for atoms in frames] == ["HF", "HF", "H2", "H2"]
    assert get_labels(frames[1])["energy"] == pytest.approx(-3 * Hartree)
    assert get_labels(frames[1])["forces"][1, 2] == pytest.approx(0.8 * Hartree)
    assert get_labels(frames[2])["energy"] == pytest.approx(-Hartree) and get_labels(frames[3]) == {}


def test_an_hdf5_file_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *arguments, **more):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *arguments, **more)

    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pip install 'atomgraph\[hdf5\]'"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("text", "name", "types"),
    [(INPUT_DATA, "input.data", None), (CFG, "a.cfg", "Cu Au"), (ML_AB, "ML_AB", None), (QM9, "q.xyz", None)],
)
def test_files_that_are_cut_anywhere_are_refused_in_one_line(write, text, name, types):
    lines = text.splitlines(keepends=True)
    for end in range(1, len(lines) - 1):
        try:
            frames = read(write("".join(lines[:end]), name), types=types)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert len(frames) == 1  # nothing but a line that does not matter is missing
            assert end >= len(lines) - 4


def test_structures_without_atoms_are_refused_however_many_there_are(tmp_path):
    """Their number is bounded by nothing in the file."""
    none = np.zeros((10**9, 0, 3))
    np.savez(tmp_path / "none.npz", z=np.zeros(0, int), R=none)
    folder = tmp_path / "system" / "set.000"
    folder.mkdir(parents=True)
    (tmp_path / "system" / "type.raw").write_text("")
    (tmp_path / "system" / "type_map.raw").write_text("Cu")
    np.save(folder / "coord.npy", none)
    np.save(folder / "box.npy", np.zeros((0, 9)))
    for path in (tmp_path / "none.npz", tmp_path / "system"):
        with pytest.raises(DataError, match="structures without atoms"):
            read(str(path))


def test_an_hdf5_file_may_not_be_larger_in_memory_than_its_content(tmp_path):
    """Names that lead to one group many times, data sets that were never written, conformers without atoms."""
    h5py = pytest.importorskip("h5py")

    def conformers(group, n=1, n_atoms=1):
        group["coordinates"] = np.zeros((n, n_atoms, 3))
        group["species"] = np.ones(n_atoms, dtype=int)

    with h5py.File(tmp_path / "names.h5", "w") as file:
        conformers(file.create_group("g0").create_group("conformers"))
        for i in range(1, 50):
            group = file.create_group(f"g{i}")
            group["a"] = group["b"] = file[f"g{i - 1}"]
    assert len(read(str(tmp_path / "names.h5"))) == 1
    with h5py.File(tmp_path / "unwritten.h5", "w") as file:
        group = file.create_group("conformers")
        group["coordinates"] = np.zeros((1, 1, 3))
        group.create_dataset("species", shape=(10**9,), dtype="i8", chunks=(10**6,))
    with h5py.File(tmp_path / "none.h5", "w") as file:
        conformers(file.create_group("conformers"), 10**9, 0)
    for name, message in (("unwritten.h5", "far larger than the file"), ("none.h5", "structures without atoms")):
        with pytest.raises(DataError, match=message):
            read(str(tmp_path / name))
