import gzip
import shutil

import ase.db
import ase.io
import numpy as np
import pytest
from ase.build import molecule
from helpers.labelled_structures import SILICON, crystals, labelled, mixed

from atomgraph.data import read
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

TWO_FRAMES = """2
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 pbc="T T T"
Cu 0.0 0.0 0.0 0.1 0.0 0.0
Cu 2.0 2.0 2.0 -.1 0.0 0.0
1
Properties=species:S:1:pos:R:3 energy=-0.5 config_type=atom
Cu 0.0 0.0 0.0
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.xyz"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def equal(first, second):
    np.testing.assert_allclose(first.positions, second.positions, atol=1e-8)
    np.testing.assert_allclose(first.cell.array, second.cell.array, atol=1e-8)
    assert (first.numbers == second.numbers).all() and (first.pbc == second.pbc).all()
    left, right = get_labels(first), get_labels(second)
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_allclose(left[name], right[name], atol=2e-8)


def test_bundled_silicon_is_what_its_readme_says():
    frames = read([SILICON / "train.xyz.gz", SILICON / "test.xyz.gz"])
    assert len(frames) == 239 and sum(map(len, frames)) == 13233 + 1525
    assert all(get_labels(atoms).keys() == {"energy", "forces", "stress"} for atoms in frames)
    assert frames[0].info["config_type"] == "Vacancy" and frames[214].info["source"].endswith("test.xyz.gz#0")
    assert get_labels(frames[0])["energy"] == pytest.approx(-295.49753016, abs=1e-9)
    assert get_labels(frames[0])["stress"][0, 1] == pytest.approx(-0.005671550665533216, abs=1e-15)


@pytest.mark.parametrize("suffix", [".xyz", ".extxyz", ".xyz.gz", ".xyz.bz2", ".xyz.xz", ".traj", ".db", ".json"])
def test_every_format_gives_the_same_frames(tmp_path, suffix):
    frames = mixed()
    path = tmp_path / f"frames{suffix}"
    if suffix in {".db", ".json"}:
        with ase.db.connect(path) as database:
            for atoms in frames:
                database.write(atoms, config_type=atoms.info["config_type"])
    else:
        ase.io.write(path, frames)
    result = read(path)
    assert [atoms.info["config_type"] for atoms in result] == [atoms.info["config_type"] for atoms in frames]
    for first, second in zip(result, frames, strict=True):
        equal(first, second)


def test_vasp_run_gives_energy_forces_and_stress(tmp_path):
    vectors = "".join(f"<v>{row}</v>" for row in ("4 0 0", "0 4 0", "0 0 4"))
    structure = (
        f'<structure><crystal><varray name="basis">{vectors}</varray><i name="volume">64</i></crystal>'
        '<varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray></structure>'
    )
    energies = "".join(f'<i name="{name}">{value}</i>' for name, value in (("e_fr_energy", -3.1), ("e_0_energy", -3.0)))
    (tmp_path / "vasprun.xml").write_text(
        '<?xml version="1.0"?><modeling><kpoints><varray name="kpointlist"><v>0 0 0</v></varray>'
        '<varray name="weights"><v>1</v></varray></kpoints><atominfo><atoms>2</atoms>'
        '<array name="atoms"><set><rc><c>Cu</c><c>1</c></rc>'
        f'<rc><c>Cu</c><c>1</c></rc></set></array></atominfo><structure name="initialpos">{structure[11:]}'
        f"<calculation><scstep><energy>{energies}</energy></scstep>{structure}"
        '<varray name="forces"><v>0.1 0 0</v><v>-0.1 0 0</v></varray>'
        '<varray name="stress"><v>10 0 0</v><v>0 10 0</v><v>0 0 10</v></varray>'
        f"<energy>{energies}</energy></calculation></modeling>"
    )
    labels = get_labels(read(tmp_path / "vasprun.xml")[0])
    assert labels["energy"] == pytest.approx(-3.0) and labels["forces"][0, 0] == pytest.approx(0.1)
    assert labels["stress"][0, 0] == pytest.approx(-1.0 * ase.units.GPa)  # VASP: kbar, positive in compression
    assert get_labels(read(tmp_path / "vasprun.xml", keys={"energy": "free_energy"})[0])["energy"] == pytest.approx(
        -3.1
    )


def test_patterns_lists_and_slices_keep_their_order(tmp_path):
    frames = crystals(6)
    ase.io.write(tmp_path / "b.xyz", frames[3:])
    ase.io.write(tmp_path / "a.xyz", frames[:3])
    sources = [atoms.info["source"].rpartition("/")[2] for atoms in read(str(tmp_path / "*.xyz"))]
    assert sources == ["a.xyz#0", "a.xyz#1", "a.xyz#2", "b.xyz#0", "b.xyz#1", "b.xyz#2"]
    chosen = read([f"{tmp_path}/b.xyz@-1", f"{tmp_path}/a.xyz@:2"])
    assert [atoms.info["source"].rpartition("/")[2] for atoms in chosen] == ["b.xyz#2", "a.xyz#0", "a.xyz#1"]


def test_frames_without_labels_are_kept(write):
    result = read(write(TWO_FRAMES))
    assert [sorted(get_labels(atoms)) for atoms in result] == [["energy", "forces"], ["energy"]]
    assert [atoms.info["config_type"] for atoms in result] == ["default", "atom"]


def test_plain_xyz_is_read(write):
    (atoms,) = read(write("2\nany comment at all\nH 0 0 0\nH 0 0 0.74\n"))
    assert str(atoms.symbols) == "H2" and not get_labels(atoms)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: "", "is empty"),
        (lambda t: "\n\n", "is empty"),
        (lambda t: t[: t.index("Cu 2.0")], "frame 0 .* cut short: it should have 2 atoms, but has 1"),
        (lambda t: t[: t.index("Properties=species:S:1:pos:R:3 e")], "frame 1 .* cut short"),
        (lambda t: t[:-10], "frame 1.*4 columns"),
        (lambda t: t.replace("-.1 0.0 0.0", "-.1 0.0"), "frame 0, line 4: .*should have 7 columns.* has 6"),
        (lambda t: t.replace("2\n", "3\n", 1), "frame 0.*7 columns"),
        (
            lambda t: t.replace("2\n", "1\n", 1),
            "line 4: frame 1 should begin with its number of atoms.*frame 0 has more",
        ),
        (lambda t: t.replace("2.0 2.0 2.0", "2.0 nan 2.0"), "frame 0: positions hold NaN"),
        (lambda t: t.replace("-1.5", "inf"), "frame 0: energy holds NaN or inf"),
        (lambda t: t.replace("0.1 0.0 0.0\n", "inf 0.0 0.0\n"), "frame 0: forces holds? NaN"),
        (lambda t: t.replace("forces:R:3", "forces:R:2:tag:R:1"), r"frame 0: forces should have shape \(2, 3\)"),
        (lambda t: t.replace("2.0 2.0 2.0", "4.0 0.0 0.0"), "frame 0: .*same position"),
        (lambda t: t.replace("4 0 0 0 4 0 0 0 4", "4 0 0 0 4 0 0 4 0"), "frame 0: .*zero volume"),
        (lambda t: t.replace("4 0 0 0 4 0 0 0 4", "4 0 0 0 4 0 0 0 0"), "frame 0: .*periodic along c"),
        (lambda t: t.replace("4 0 0 0 4 0 0 0 4", "4 0 0 0 4 0"), "frame 0"),
        (lambda t: t.replace("-1.5", "minus"), "frame 0.*energy should be numbers"),
        (lambda t: t.replace("Cu 2.0", "Xx 2.0"), "frame 0"),
        (lambda t: t.replace("Cu 2.0", "X 2.0"), "frame 0: atom 1 has no element"),
        (lambda t: t.replace("energy=-1.5", 'stress="1 1 1 0 0 0"'), "stress should be nine numbers"),
        (lambda t: t.replace("energy=-1.5", 'virial="1 1 0 0 1 0 0 0 1"'), "virial is not symmetric"),
        (lambda t: t.replace("energy=-1.5", 'virial="1 1 1 0 0 0"'), "virial should be nine numbers"),
    ],
)
def test_errors_in_a_file_are_described_in_one_line_with_the_location(write, change, said):
    path = write(change(TWO_FRAMES))
    with pytest.raises(DataError, match=said) as caught:
        read(path)
    assert "a.xyz" in str(caught.value) and "\n" not in str(caught.value)


def test_silent_truncation_inside_the_last_number_is_noticed(write):
    lines = [
        "2",
        "Properties=species:S:1:pos:R:3",
        "Cu 0.00000000 0.00000000 0.00000000",
        "Cu 2.00000000 2.00000000 2.5000",
    ]
    with pytest.raises(DataError, match="cut short within its last line"):
        read(write("\n".join(lines)))
    assert len(read(write("\n".join([*lines[:3], "Cu 2.00000000 2.00000000 2.50000000"]), "whole.xyz"))) == 1


def test_a_cut_archive_is_noticed(tmp_path):
    whole = (SILICON / "test.xyz.gz").read_bytes()
    (tmp_path / "cut.xyz.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "false.xyz.gz").write_bytes(gzip.decompress(whole)[:5000])
    with pytest.raises(DataError, match="cut short"):
        read(tmp_path / "cut.xyz.gz")
    with pytest.raises(DataError, match="not the compressed file"):
        read(tmp_path / "false.xyz.gz")


def test_a_missing_file_is_an_error_that_lists_files(tmp_path):
    shutil.copy(SILICON / "test.xyz.gz", tmp_path)
    for name, said in {
        "tset.xyz.gz": "no file .*; in .* are test.xyz.gz",
        "*.traj": "no file matches",
        "": "is a folder",
        "test.xyz.gz@1:x": "selected by a number or a slice",
        "test.xyz.gz@1000:": "holds no frame",
    }.items():
        with pytest.raises(DataError, match=said):
            read(f"{tmp_path}/{name}")
    with pytest.raises(DataError, match="no data file is given"):
        read([])


def test_files_of_unknown_content_are_refused(tmp_path):
    (tmp_path / "a.traj").write_bytes(b"rubbish")
    (tmp_path / "OUTCAR").write_text("rubbish\n")
    (tmp_path / "a.xyz").write_bytes(bytes(range(256)))
    for name in ("a.traj", "OUTCAR", "a.xyz"):
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)


def test_faults_can_be_collected_instead(write):
    broken = TWO_FRAMES.replace("2.0 2.0 2.0", "0.0 0.0 0.0")
    faults = []
    frames = read(write(broken), faults=faults)
    assert len(frames) == 1 and len(faults) == 1 and "same position" in faults[0]


def test_molecules_have_no_stress(tmp_path):
    water = labelled(molecule("H2O"), energy=-14.0, stress=np.zeros(6))
    ase.io.write(tmp_path / "a.traj", water)
    assert get_labels(read(tmp_path / "a.traj")[0]).keys() == {"energy"}


def test_an_atomic_number_beyond_the_elements_is_named(tmp_path):
    atoms = crystals(1)[0]
    atoms.numbers[2] = 217
    ase.io.write(tmp_path / "a.traj", atoms)
    with pytest.raises(DataError, match="atom 2 has the atomic number 217"):
        read(tmp_path / "a.traj")


def test_structures_are_read_from_any_iterable():
    frames = crystals(3)
    for given in (frames, tuple(frames), iter(frames), (atoms for atoms in frames)):
        result = read(given)
        assert len(result) == 3 and result[1].info["source"] == "structure 1"
        equal(result[1], frames[1])
    assert len(read(frames[0])) == 1
    with pytest.raises(DataError, match="structure 0: positions hold NaN"):
        frames[0].positions[0] = np.nan
        read(frames)
    for given in (3, [1, 2], [frames[1], "a.xyz"]):
        with pytest.raises(DataError, match="data should be"):
            read(given)
