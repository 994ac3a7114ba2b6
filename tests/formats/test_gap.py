"""GAP files: QUIP's own numbers, and every way in which a file can be wrong."""

import hashlib
import os
import shutil
from pathlib import Path

import ase
import numpy as np
import pytest
from helpers.references import agree, folder

from atomgraph import AtomicGraph, Potential, load
from atomgraph.errors import FormatError
from atomgraph.formats import gap
from atomgraph.formats.hints import FileHints

DESCRIPTORS = {
    "pair": ("distance_2b cutoff=5.0 cutoff_transition_width=1.0 covariance_type=ard_se Z1=42 Z2=74", 1, "1"),
    "triple": ("angle_3b cutoff=3.6 cutoff_transition_width=0.6 delta=0.5 Z=74 Z1=42 Z2=74", 3, "1"),
    "soap": ("soap l_max=2 n_max=2 atom_sigma=0.5 cutoff=4.0 n_species=2 Z=42 species_Z={42 74 }", 31, "2"),
}


def written(path, kinds=("pair", "triple", "soap"), n_points=4):
    """A small GAP of molybdenum and tungsten, with sparse files beside it."""
    random, coordinates = np.random.default_rng(1), []
    for i, kind in enumerate(kinds):
        line, dimensions, covariance = DESCRIPTORS[kind]
        points = np.abs(random.normal(2.0, 1.0, (n_points, dimensions)))
        points[:, -1] *= kind != "soap"
        text = "\n".join(f"{x:.17e}" for x in points.ravel())
        (path / f"small.xml.sparseX.{i}").write_text(text)
        theta = "" if kind == "soap" else f"<theta> {' '.join(['1.5'] * dimensions)} </theta>"
        rows = "".join(f'<sparseX i="{s + 1}" alpha="{0.1 * s - 0.2}" sparseCutoff="0.9"/>' for s in range(n_points))
        coordinates.append(
            f'<gpCoordinates dimensions="{dimensions}" signal_variance="0.5" signal_mean=".0E+000" n_permutations="1" '
            f'covariance_type="{covariance}" zeta="2.0" n_sparseX="{n_points}" sparseX_filename="small.xml.sparseX.{i}" '
            f'sparseX_md5sum="{hashlib.md5(text.encode()).hexdigest()}">{theta}<descriptor>{line}</descriptor>'
            f'<permutation i="1">1</permutation>{rows}</gpCoordinates>'
        )
    file = path / "small.xml"
    file.write_text(
        '<GAP_small><Potential label="GAP_small" init_args="IP GAP label=GAP_small"/><GAP_params gap_version="1769700636">'
        '<GAP_data do_core="F"><e0 Z="42" value="-1.5"/><e0 Z="74" value="-1.7"/></GAP_data>'
        f'<gpSparse n_coordinate="{len(kinds)}">{"".join(coordinates)}</gpSparse></GAP_params></GAP_small>'
    )
    return file


def alloy():
    return ase.Atoms("Mo2W2", [[0, 0, 0], [2.5, 0.2, 0], [0.1, 2.6, 0.3], [1.0, 1.2, 2.4]], cell=[7, 7.5, 8], pbc=True)


def test_opens_like_any_potential_and_its_forces_are_gradients(tmp_path):
    potential = load(written(tmp_path))
    assert potential.elements == ["Mo", "W"] and potential.cutoff == 5.0
    assert potential.metadata["origin"]["format"] == "GAP"
    forces = potential.predict([alloy()])[0]["forces"]
    for atom, axis in ((0, 0), (3, 2)):
        moved = [alloy(), alloy()]
        moved[0].positions[atom, axis] += 1e-4
        moved[1].positions[atom, axis] -= 1e-4
        high, low = (result["energy"] for result in potential.predict(moved))
        assert forces[atom, axis] == pytest.approx(-(high - low) / 2e-4, abs=1e-7)


def test_survives_saving(tmp_path):
    potential = load(written(tmp_path))
    potential.save(tmp_path / "small.safetensors")
    again = load(tmp_path / "small.safetensors")
    assert again.predict([alloy()])[0]["energy"] == potential.predict([alloy()])[0]["energy"]


def test_a_pair_is_its_formula(tmp_path):
    potential = load(written(tmp_path, ["pair"]))
    points = np.loadtxt(tmp_path / "small.xml.sparseX.0")
    r = 4.3
    kernel = 0.25 * 0.9 * np.exp(-0.5 * ((r - points) / 1.5) ** 2) @ (0.1 * np.arange(4) - 0.2)
    fade = 0.5 * (np.cos(np.pi * (r - 4.0)) + 1.0)
    result = potential.predict([ase.Atoms("MoW", [[0, 0, 0], [0, 0, r]])])[0]["energy"]
    assert result == pytest.approx(2 * fade * kernel - 3.2, abs=1e-12)


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ('do_core="F"', 'do_core="T"', "core potential"),
        ("1769700636", "1400000000", "before 2015"),
        ('covariance_type="2"', 'covariance_type="3"', "covariance_type 3; supported is 2"),
        ("angle_3b ", "angle_4b ", "'angle_4b' is not supported; supported are distance_2b, angle_3b, soap"),
        ("atom_sigma=0.5", "atom_sigma=0.5 radial_decay=2", "radial_decay=2, which is not supported"),
        ("l_max=2", "l_max=3", "41 dimensions, the file says 31|dimensions"),
        ('alpha="-0.2"', 'alpha="many"', "alpha should be a number, but is 'many'"),
        ('alpha="-0.2"', 'alpha="nan"', "alpha should be finite"),
        ('n_sparseX="4"', 'n_sparseX="5"', "should have 5 sparse points, but has 4"),
        ('signal_mean=".0E+000"', 'signal_mean="1.0"', "signal_mean"),
        ('n_coordinate="3"', 'n_coordinate="2"', "should have 2 gpCoordinates, but has 3"),
        ("<gpSparse ", '<Glue_params file="x"/><gpSparse ', "Glue_params"),
        ("</GAP_small>", "", "not complete XML"),
        ("species_Z={42 74 }", "species_Z={42 }", "has species Mo, but the file has Mo, W"),
        ("sparseX_filename", "sparseX_name", "sparse_separate_file=T"),
    ],
)
def test_unsupported_settings_are_refused(tmp_path, was, becomes, message):
    file = written(tmp_path)
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, becomes))
    with pytest.raises(FormatError, match=message):
        gap.read(file, FileHints())


def test_refuses_sparse_files_that_are_missing_short_or_changed(tmp_path):
    file = written(tmp_path)
    sparse = tmp_path / "small.xml.sparseX.1"
    content = sparse.read_text()
    sparse.write_text(content.replace("1", "2", 1))
    with pytest.raises(FormatError, match="another checksum"):
        gap.read(file, FileHints())
    sparse.unlink()
    with pytest.raises(FormatError, match=r"small\.xml\.sparseX\.1 is not in the same folder"):
        gap.read(file, FileHints())
    short = "\n".join(content.split()[:-1])
    sparse.write_text(short)
    was = hashlib.md5(content.encode()).hexdigest()
    file.write_text(file.read_text().replace(was, hashlib.md5(short.encode()).hexdigest()))
    with pytest.raises(FormatError, match="4 x 3 finite numbers, but holds 11"):
        gap.read(file, FileHints())


def test_elements_that_contradict_the_file_are_refused(tmp_path):
    with pytest.raises(FormatError, match="is for Mo, W, but the user states Mo"):
        load(written(tmp_path), elements=["Mo"])


def test_old_files_without_elements_are_for_those_with_an_energy(tmp_path):
    file = written(tmp_path, ["soap"])
    line = "soap l_max=2 n_max=2 atom_sigma=0.5 cutoff=4.0"
    text = file.read_text().replace(DESCRIPTORS["soap"][0], line).replace('dimensions="31"', 'dimensions="10"')
    points = np.random.default_rng(0).random((4, 10))
    points[:, -1] = 0.0
    content = "\n".join(map(repr, points.ravel().tolist()))
    was = hashlib.md5((tmp_path / "small.xml.sparseX.0").read_bytes()).hexdigest()
    (tmp_path / "small.xml.sparseX.0").write_text(content)
    file.write_text(text.replace(was, hashlib.md5(content.encode()).hexdigest()))
    potential = load(file)
    same = [
        result["energy"]
        for result in potential.predict([ase.Atoms("Mo2", [[0] * 3, [0, 0, 2]]), ase.Atoms("W2", [[0] * 3, [0, 0, 2]])])
    ]
    assert same[0] + 3.0 == pytest.approx(same[1] + 3.4, abs=1e-12)


FILES = [("gap_Si_soap", "Si_soap"), ("gap_Mo_soap_zeta2", "Mo_soap_zeta2"), ("gap_Si_2b_only", "Si_2b_only")]


@pytest.mark.refs
@pytest.mark.parametrize(("file", "model"), FILES)
def test_equal_to_quip(file, model):
    """Weights of Si_2b_only cancel: see the test after this one."""
    tolerance = 5e-8 if model == "Si_2b_only" else 1e-8
    compare(folder() / f"{file}.npz", folder() / "gap_models" / model / f"{model}.xml", tolerance)


@pytest.mark.refs
@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="this machine has no extended precision")
def test_pairs_whose_weights_cancel_are_off_by_rounding_alone():
    """Terms of 2.8e9 eV in all add up to 340, alike in 64 atoms: QUIP's sum is 2.3e-8 eV off there, ours 3.5e-8."""
    path = folder() / "gap_models" / "Si_2b_only" / "Si_2b_only.xml"
    potential = Potential(gap.read(path, FileHints())[0])
    with np.load(folder() / "gap_Si_2b_only.npz") as arrays:
        for case in sorted({key.split("/")[0] for key in arrays}):
            atoms = ase.Atoms(**{key: arrays[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})
            exact, size = in_extended_precision(potential, atoms)
            result = potential.predict([atoms])[0]["energy"]
            assert abs(result - exact) <= max(1e-8, 2e-17 * size), case
            agree("gap_Si_2b_only", "energy in 80 bits", result, exact, atol=5e-8, case=case)
            agree("gap_Si_2b_only", "QUIP's in 80 bits", arrays[f"{case}/energy"], exact, atol=5e-8, case=case)


def in_extended_precision(potential, atoms):
    """Energy of a GAP of pairs of one element, and the sum of its terms' sizes."""
    (branch,), graph, long = potential.model.branches, AtomicGraph.from_ase(atoms, potential.cutoff), np.longdouble
    kernel, (readout,) = branch.featurizer, branch.readouts
    neighbour, centre = graph.edge_index.numpy()
    pos, shift = graph.pos.numpy().astype(long), graph.cell_shift.numpy().astype(long)
    r = np.sqrt(((pos[centre] - pos[neighbour] + shift @ atoms.cell.array.astype(long)) ** 2).sum(1))
    r = r[r < kernel.cutoff][:, None]
    phase = np.clip((r - long(kernel.inner)) / (long(kernel.cutoff) - long(kernel.inner)), 0, 1)
    fade = (1 + np.cos(4 * np.arctan(long(1)) * phase)) / 2
    points, weight, theta, delta, linear = (
        values.detach().numpy().astype(long)
        for values in (kernel.points, kernel.point_weight, kernel.theta, kernel.delta, readout.weight[:, 0])
    )
    terms = fade * np.exp(-((r - points) ** 2) / (2 * theta**2)) * (delta**2 * weight * linear)
    e0 = long(float(potential.model.baseline.e0[0, 0]))
    return float(terms.sum() + e0 * len(atoms)), float(np.abs(terms).sum())


@pytest.mark.refs
def test_two_elements_with_pairs_triples_and_soap_equal_to_quip():
    """Made by tests/peers/quip/two_species.py."""
    built = os.environ.get("ATOMGRAPH_GAP_TWO_SPECIES", "")
    if not built:
        pytest.skip("ATOMGRAPH_GAP_TWO_SPECIES does not name the folder that tests/peers/quip/two_species.py made")
    compare(Path(built) / "mow.npz", Path(built) / "mow.xml", 1e-8)


def compare(numbers, file, tolerance):
    potential, name = Potential(gap.read(file, FileHints())[0]), numbers.stem
    with np.load(numbers) as arrays:
        for case in sorted({key.split("/")[0] for key in arrays}):
            atoms = ase.Atoms(**{key: arrays[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})
            result = potential.predict([atoms])[0]
            agree(name, "energy", result["energy"], arrays[f"{case}/energy"], atol=tolerance, case=case)
            agree(
                name, "atomic energy", result["node_energy"], arrays[f"{case}/atomic_energy"], atol=tolerance, case=case
            )
            agree(name, "forces", result["forces"], arrays[f"{case}/forces"], atol=1e-7, case=case)
            if atoms.pbc.all():
                agree(name, "stress", result["stress"], arrays[f"{case}/stress"], atol=1e-9, case=case)


@pytest.mark.refs
def test_a_copy_without_its_sparse_file_says_so(tmp_path):
    shutil.copy(folder() / "gap_models" / "Si_soap" / "Si_soap.xml", tmp_path)
    with pytest.raises(FormatError, match="is not in the same folder"):
        load(tmp_path / "Si_soap.xml")


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ('e0 Z="42"', 'e0 Z="1e9"', "Z of e0 should be a whole number from 1 to 118"),
        ('e0 Z="42"', 'e0 Z="42.5"', "Z of e0 should be a whole number"),
        ('e0 Z="42"', 'e0 Z="74"', "two E0 of W, -1.5 and -1.7"),
        ("l_max=2", "l_max=6.5", "l_max should be a whole number from 0 to 12"),
        ("l_max=2", "l_max=2 l_max=3", "two values of l_max"),
        ("n_max=2", "n_max=100000", "n_max should be a whole number"),
        ("atom_sigma=0.5", "atom_sigma=1e-300", "atom_sigma should lie between"),
        ("cutoff=4.0", "cutoff=-4.0", "cutoff should lie between"),
        (
            "cutoff_transition_width=0.6",
            "cutoff_transition_width=9",
            "cutoff_transition_width should lie between 0 and 3.6",
        ),
        ('dimensions="1"', 'dimensions="1e300"', "dimensions should be a whole number"),
        ("<theta> 1.5 ", "<theta> 0.0 ", "theta should lie between"),
        ('zeta="2.0"', 'zeta="-1"', "zeta should lie between"),
        ("<GAP_small>", '<!DOCTYPE x [<!ENTITY a "aaaa">]><GAP_small>', "declares a document type"),
    ],
)
def test_absurd_numbers_are_refused_by_their_name(tmp_path, was, becomes, message):
    file = written(tmp_path)
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, becomes))
    with pytest.raises(FormatError, match=message):
        load(file)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path, kind):
    file = written(tmp_path)
    for place in (tmp_path / "small.xml.sparseX.0", file):
        place.unlink()
        if kind == "pipe":
            os.mkfifo(place)
        else:
            place.symlink_to("/dev/zero")
        with pytest.raises(FormatError, match="not a regular file"):
            load(file)


def test_a_sparse_file_that_is_much_too_large_is_not_read(tmp_path):
    file = written(tmp_path)
    with (tmp_path / "small.xml.sparseX.0").open("wb") as content:
        content.truncate(10**12)
    with pytest.raises(FormatError, match="has 1000000000000 bytes"):
        load(file)
