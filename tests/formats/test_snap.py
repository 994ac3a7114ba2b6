"""SNAP's files: LAMMPS's numbers from them, the same numbers after writing, one line for whatever is wrong with them."""

import warnings

import ase
import numpy as np
import pytest
import torch
from helpers.references import agree, folder, reference

from atomgraph.errors import FormatError
from atomgraph.featurizers import RadialDensity
from atomgraph.formats import snap
from atomgraph.formats.hints import FileHints
from atomgraph.models import SNAP, Baseline, Branch, EnergyModel
from atomgraph.nn.repulsion.zbl import ZBL
from atomgraph.potential import Potential
from atomgraph.readouts import Linear
from atomgraph.testing.graphs import crystal, make_graph, molecule

MLEARN = [f"Mo@{name}" for name in ("mo15_vac", "mo1_tri", "mo54", "one_Mo", "two_Mo")]
MLEARN += [f"Si@{name}" for name in ("one_Si", "si2_tri", "si64", "si8", "two_Si", "two_far_Si")]
LAMMPS_BAR, BAR = (
    1 / 1.6021765e6,
    1 / 1.602176634e6,
)  # eV/Å³: LAMMPS's constant, and the one that undid it in the reference
PARAMETERS = "# a comment\n\nrcutfac 4.0\ntwojmax 2\nrfac0 0.99\nrmin0 0  # at the end\nbzeroflag 0\ndiagonalstyle 3\n"
COEFFICIENTS = "# a comment\n\n2 6\nSi 0.5 1.0\n-4.5\n1\n2\n3e-1\n4\n5\nC 0.45 0.7 # B\n1.5\n0\n-1\n2\n0\n.25 # B[5]\n"


@pytest.fixture
def files(tmp_path):
    """Write both files, changed by whoever asks, and give the path of the first."""

    def write(coefficients=COEFFICIENTS, parameters=PARAMETERS):
        (tmp_path / "SiC.snapparam").write_text(parameters)
        (tmp_path / "SiC.snapcoeff").write_text(coefficients)
        return tmp_path / "SiC.snapcoeff"

    return write


def read(path):
    return snap.read(path, FileHints())


@pytest.mark.parametrize("suffix", [".snapcoeff", ".snapparam"])
def test_either_file_finds_the_other(files, suffix):
    path = files().with_suffix(suffix)
    assert snap.recognises(path, path.read_bytes())
    model, metadata = read(path)
    assert model.elements == ["Si", "C"] and model.dtype == torch.float64
    assert metadata["origin"]["files"] == ["SiC.snapcoeff", "SiC.snapparam"]
    readout = model.branches[0].readouts[0]
    assert readout.bias.tolist() == [[-4.5], [1.5]]
    assert readout.weight[:, :, 0].tolist() == [[1, 2, 0.3, 4, 5], [0, -1, 2, 0, 0.25]]
    assert model.branches[0].featurizer.arguments["radii"] == {"Si": 0.5, "C": 0.45}
    assert model.cutoff == 4.0


def test_an_atom_alone_has_lammps_energy(files):
    """β₀ + Σ β B with B = 2j + 1 of an atom alone; only β₀ where bzeroflag is 1, which is LAMMPS's default."""
    model, _ = read(files())
    assert model(make_graph(ase.Atoms("Si"), 4.0)).item() == pytest.approx(-4.5 + 1 + 2 * 2 + 0.3 * 3 + 4 * 3 + 5 * 3)
    model, _ = read(files(parameters=PARAMETERS.replace("bzeroflag 0", "")))
    assert model(make_graph(ase.Atoms("Si"), 4.0)).item() == pytest.approx(-4.5)


VARIANTS = {
    "linear": {},
    "quadratic": {"quadratic": True, "bzero": True},
    "channels": {"chem": {"H": 0, "C": 1, "O": 2, "Si": 3}, "bnorm": True, "wselfall": True},
    "quadratic channels": {"chem": {"H": 0, "C": 1, "O": 2, "Si": 3}, "twojmax": 1, "quadratic": True},
    "inner": {"inner": {"H": [0.9, 0.1], "C": [1.2, 0.3], "O": [1.3, 0.2], "Si": [1.6, 0.4]}, "switch": False},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_written_and_read_again_gives_the_same_numbers(tmp_path, variant):
    usual = {
        "twojmax": 3,
        "radii": {"H": 0.4, "C": 0.5, "O": 0.5, "Si": 0.5},
        "weights": {"H": 1.0, "C": 1.0, "O": -0.3, "Si": 1.0},
        "rmin0": 0.1,
    }
    model = SNAP(["H", "C", "O", "Si"], 3.3, **(usual | VARIANTS[variant])).double()
    torch.nn.init.normal_(model.branches[0].readouts[0].bias)
    paths = snap.write(model, tmp_path / "mine.v2")
    assert [path.name for path in paths] == ["mine.v2.snapcoeff", "mine.v2.snapparam"]
    again, _ = read(paths[0])
    for atoms in (crystal(), molecule()):
        first, second = (Potential(m).predict([atoms])[0] for m in (model, again))
        for quantity in ("energy", "forces", "stress"):
            np.testing.assert_allclose(first[quantity], second[quantity], rtol=1e-11, atol=1e-11)
    contents = [path.read_text() for path in paths]
    snap.write(again, tmp_path / "mine.v2.snapparam")
    assert "channels" in variant or [path.read_text() for path in paths] == contents


def test_coefficients_with_lammps_forces_that_are_no_gradients_give_a_warning(files):
    rng = np.random.default_rng(0)
    rows = [symbol + "\n" + "\n".join(map(repr, rng.random(41).tolist())) for symbol in ("Si 0.5 1", "C 0.5 1")]
    path = files("\n".join(["2 41", *rows]), PARAMETERS + "chemflag 1\n")
    with pytest.warns(UserWarning, match="coefficients of equal components differ"):
        model, metadata = read(path)
    assert "those of LAMMPS are not" in metadata["origin"]["forces"]
    snap.write(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again, metadata = read(path)
    assert "forces" not in metadata["origin"]
    graph = make_graph(ase.Atoms("SiCC", positions=[[0, 0, 0], [1.1, 1.2, 0.3], [-1.0, 1.5, 0.2]]), 4.0)
    torch.testing.assert_close(again(graph), model(graph), rtol=1e-12, atol=1e-12)


def test_energies_of_atoms_and_scale_go_into_the_coefficients(tmp_path):
    model = SNAP(["C", "Si"], 3.3, twojmax=2).double()
    model.baseline.set_e0({"C": -3.0, "Si": 2.0})
    model.baseline.set_scale(0.7, shift=0.4)
    again, _ = read(snap.write(model, tmp_path / "x")[0])
    atoms = ase.Atoms("CSi", positions=[[0, 0, 0], [1.1, 1.2, 0.3]])
    graph = make_graph(atoms, 3.3)
    torch.testing.assert_close(again(graph), model(graph), rtol=1e-13, atol=1e-13)


OTHER_PARTS = EnergyModel(["Si"], Branch(3.0, RadialDensity(["Si"], 3.0), readouts=[Linear(9)]))
INEXPRESSIBLE = {
    "other parts": lambda: OTHER_PARTS,
    "heads": lambda: SNAP(["Si"], 3.0, baseline=Baseline(["Si"], heads=["a", "b"])),
    "repulsion": lambda: SNAP(["Si"], 3.0, baseline=Baseline(["Si"], repulsion=ZBL(["Si"]))),
    "channel": lambda: SNAP(["Si", "C"], 3.0, twojmax=2, chem={"Si": 1, "C": 0}),
}


@pytest.mark.parametrize("what", INEXPRESSIBLE)
def test_a_model_that_is_no_snap_is_not_written(tmp_path, what):
    with pytest.raises(FormatError, match=what):
        snap.write(INEXPRESSIBLE[what](), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    model = SNAP(["Si"], 3.0)
    torch.nn.init.constant_(model.branches[0].readouts[0].weight, float("nan"))
    with pytest.raises(FormatError, match="not finite"):
        snap.write(model, tmp_path / "x")


WRONG_PARAMETERS = {  # what is changed to what, and what the complaint says
    "unknown": ("rfac0 0.99", "rfac 0.99", "no keyword 'rfac'; did you mean rfac0"),
    "twice": ("twojmax 2", "twojmax 2\ntwojmax 4", "set twice"),
    "no number": ("rfac0 0.99", "rfac0 small", "finite number, but got 'small'"),
    "not a number": ("rcutfac 4.0", "rcutfac nan", "finite number, but got 'nan'"),
    "no value": ("rfac0 0.99", "rfac0", "needs 1 values, but has 0"),
    "two values": ("rfac0 0.99", "rfac0 0.99 1", "needs 1 values, but has 2"),
    "no cutoff": ("rcutfac 4.0", "", "lacks rcutfac"),
    "negative": ("rcutfac 4.0", "rcutfac -4.0", "should be positive"),
    "out of range": ("rmin0 0 ", "rmin0 9 ", "rmin0 from 0 to below"),
    "flag": ("bzeroflag 0", "bzeroflag 2", "should be 0 or 1, but is 2"),
    "half": ("twojmax 2", "twojmax 2.5", "whole number"),
    "large": ("twojmax 2", "twojmax 99", "up to 12"),
    "old style": ("diagonalstyle 3", "diagonalstyle 0", "only 3 is read"),
    "counts": ("twojmax 2", "twojmax 3", r"has 6 coefficients per element, but \S+ needs 9"),
    "counts of squares": ("bzeroflag 0", "quadraticflag 1", r"has 6 coefficients per element, but \S+ needs 21"),
    "counts of channels": ("bzeroflag 0", "chemflag 1", r"has 6 coefficients per element, but \S+ needs 41"),
    "inner alone": ("bzeroflag 0", "switchinnerflag 1", "with neither"),
    "inner forgotten": ("bzeroflag 0", "sinner 1 1\ndinner 1 1", "with sinner and dinner"),
    "inner too short": ("bzeroflag 0", "switchinnerflag 1\nsinner 1\ndinner 1 1", "needs 2 values, but has 1"),
    "inner of no width": ("bzeroflag 0", "switchinnerflag 1\nsinner 1 1\ndinner 1 0", "D positive"),
}
WRONG_COEFFICIENTS = {
    "no header": ("2 6\n", "", "begin with the numbers"),
    "header of words": ("2 6", "two six", "whole number of at least 1, but got 'two'"),
    "cut short": (".25 # B[5]\n", "", r"should have 15 lines .* has 14"),
    "more": (".25 # B[5]\n", ".25\n7\n", r"should have 15 lines .* has 16"),
    "element line": ("C 0.45 0.7", "C 0.45", "an element, its radius and its weight"),
    "unknown element": ("C 0.45 0.7", "Cx 0.45 0.7", "unknown chemical symbol 'Cx'"),
    "element twice": ("C 0.45 0.7", "Si 0.45 0.7", "repeats a symbol"),
    "radius": ("C 0.45 0.7", "C -0.45 0.7", "should be positive"),
    "two on a line": ("3e-1\n", "3e-1 2\n", "expected one coefficient"),
    "no number": ("3e-1\n", "three\n", "finite number, but got 'three'"),
    "infinite": ("3e-1\n", "1e999\n", "finite number, but got '1e999'"),
}


@pytest.mark.parametrize("what", WRONG_PARAMETERS)
def test_wrong_parameters_are_refused(files, what):
    old, new, complaint = WRONG_PARAMETERS[what]
    with pytest.raises(FormatError, match=complaint) as caught:
        read(files(parameters=PARAMETERS.replace(old, new)))
    assert "\n" not in str(caught.value) and "SiC.snap" in str(caught.value)


@pytest.mark.parametrize("what", WRONG_COEFFICIENTS)
def test_wrong_coefficients_are_refused(files, what):
    old, new, complaint = WRONG_COEFFICIENTS[what]
    with pytest.raises(FormatError, match=complaint) as caught:
        read(files(coefficients=COEFFICIENTS.replace(old, new)))
    assert "\n" not in str(caught.value) and "SiC.snap" in str(caught.value)


@pytest.mark.parametrize("suffix", [".snapcoeff", ".snapparam"])
def test_a_missing_second_file_is_named(files, suffix):
    path = files()
    path.with_suffix(suffix).unlink()
    second = ".snapparam" if suffix == ".snapcoeff" else ".snapcoeff"
    with pytest.raises(FormatError, match=f"needs a second file .*SiC{suffix}"):
        read(path.with_suffix(second))


def test_parameters_under_another_name_are_told_to_take_theirs(files):
    path = files().with_suffix(".snapparam").rename(files().with_name("parameters.txt"))
    assert snap.recognises(path, path.read_bytes())
    with pytest.raises(FormatError, match=r"name the two files parameters\.snapparam and"):
        read(path)


def test_a_binary_file_is_refused(files):
    path = files()
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FormatError, match="is not a text file"):
        read(path)


def test_other_elements_or_units_than_the_files_are_refused(files):
    with pytest.raises(FormatError, match="is for Si, C, but the user states Si"):
        snap.read(files(), FileHints.from_user(["Si"]))
    with pytest.raises(FormatError, match="is in eV"):
        snap.read(files(), FileHints.from_user(units="real"))


@pytest.mark.refs
@pytest.mark.parametrize("kind, case", [(kind, case) for kind in ("snap", "qsnap") for case in MLEARN])
def test_equal_to_lammps_on_mlearns_models(kind, case):
    """Energies, forces and stress to 1e-9 of LAMMPS's own."""
    arrays, _ = reference(f"lammps_mlearn_{kind}")
    model, _ = read(folder() / "snap_models" / f"{case.split('@')[0]}_{kind}" / "SNAPotential.snapcoeff")
    atoms = ase.Atoms(**{key: arrays[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})
    (result,) = Potential(model).predict([atoms])
    assert result["energy"] == pytest.approx(float(arrays[f"{case}/energy"]), rel=0, abs=1e-9 * len(atoms))
    file, local = f"lammps_mlearn_{kind}", model(make_graph(atoms, model.cutoff)).detach()
    agree(file, "atomic energy", local, arrays[f"{case}/atomic_energy"], atol=1e-9, case=case)
    agree(file, "forces", result["forces"], arrays[f"{case}/forces"], atol=1e-9, case=case)
    if atoms.pbc.all():
        stress = arrays[f"{case}/stress"] * (LAMMPS_BAR / BAR)
        agree(file, "stress", result["stress"], stress, atol=1e-9, case=case)
