import numpy as np
import pytest
from ase.build import molecule
from helpers.labelled_structures import SILICON, crystals, labelled, morse

from atomgraph.data import read
from atomgraph.data.checks import examine
from atomgraph.data.checks.findings import WARNING, WRONG
from atomgraph.data.checks.label_findings import reading_findings
from atomgraph.data.reading_notes import ReadingNotes


@pytest.fixture(scope="module")
def silicon():
    return read(SILICON / "train.xyz.gz")


def findings_of(frames, check, **options):
    return [finding for finding in examine(frames, **options) if finding.check == check]


def relabelled(atoms, **labels):
    results = {name: value for name, value in (atoms.calc.results | labels).items() if value is not None}
    copy = labelled(atoms, **results)
    copy.info = dict(atoms.info)
    return copy


def test_published_silicon_has_only_symmetry_copies_as_findings(silicon):
    findings = examine(silicon)
    assert {finding.check for finding in findings} == {"duplicates"}
    assert all(finding.severity == "note" for finding in findings)


def test_three_test_frames_are_in_the_training_set(silicon):
    leaks = findings_of(read(SILICON / "test.xyz.gz"), "leakage", against=silicon)
    assert [leak.frames[0].rpartition("#")[2] for leak in leaks] == ["22", "23", "24"]
    assert all(leak.severity == "wrong" and "train.xyz.gz" in leak.frames[1] for leak in leaks)


def test_the_same_structure_with_another_energy_is_a_contradiction():
    atoms = crystals(1)[0]
    second = atoms[[3, 0, 2, 1]]
    frames = [atoms, labelled(second, energy=atoms.get_potential_energy() + 0.1), *crystals(4, seed=3)]
    (finding,) = findings_of(frames, "contradiction")
    assert finding.severity == "wrong" and finding.value == pytest.approx(0.025) and len(finding.frames) == 2
    same = labelled(second, energy=atoms.get_potential_energy())
    assert not findings_of([atoms, same], "contradiction") and findings_of([atoms, same], "duplicates")


def test_energies_per_atom_of_cell_and_supercell_agree():
    atoms = crystals(1)[0]
    assert not findings_of([atoms, morse(atoms.repeat((2, 1, 1)))], "contradiction")


def test_short_contacts_are_measured_against_covalent_radii():
    water = molecule("H2O")
    assert not findings_of([water], "short contact")
    for distance, severity in ((0.55, "warning"), (0.2, "wrong")):
        water.set_distance(0, 1, distance, fix=0)
        (finding,) = findings_of([water], "short contact")
        assert finding.severity == severity and finding.value == pytest.approx(distance)
        assert "atoms 0 and 1 (O-H)" in finding.message


def test_forces_that_do_not_add_up_are_found_by_their_sum(silicon):
    frames = silicon[100:110]
    size = len(frames[4])
    for push, severity in ((0.02, "warning"), (0.3, "wrong")):
        forces = frames[4].get_forces() + np.array([push, 0.0, 0.0])
        changed = [*frames[:4], relabelled(frames[4], forces=forces), *frames[5:]]
        (finding,) = findings_of(changed, "net force")
        assert finding.severity == severity and finding.value == pytest.approx(push, abs=1e-4)
    assert size == 64 and not findings_of(frames, "net force")


def test_an_energy_of_another_reference_is_an_outlier(silicon):
    for shift, severity in ((0.5, "warning"), (-0.5, "warning"), (100.0, "wrong")):
        energy = silicon[185].get_potential_energy() + 64 * shift
        (finding,) = findings_of([*silicon[147:185], relabelled(silicon[185], energy=energy)], "energy outlier")
        assert finding.severity == severity and finding.value == pytest.approx(shift, abs=0.1)
        assert finding.frames[0].endswith("#185")


def test_outliers_do_not_hide_behind_many_compositions():
    random = np.random.default_rng(0)
    names = ["H2O", "CH4", "CO2", "C2H6", "CH3OH", "C2H4", "H2CO", "HCOOH"] * 4
    true = {"H": -15.0, "C": -1030.0, "O": -2040.0}
    frames = []
    for name in names:
        atoms = molecule(name)
        atoms.rattle(0.05, seed=int(random.integers(10**6)))
        frames.append(labelled(atoms, energy=sum(true[s] for s in atoms.symbols) + 0.05 * random.standard_normal()))
    assert not findings_of(frames, "energy outlier")
    frames[5] = labelled(frames[5], energy=frames[5].get_potential_energy() + 9.0)
    (finding,) = findings_of(frames, "energy outlier")
    assert finding.frames == ["frame 5"]


def test_a_force_far_above_all_others_is_an_outlier(silicon):
    frames = [atoms.copy() for atoms in silicon[:20]]
    frames = [labelled(atoms, **raw.calc.results) for atoms, raw in zip(frames, silicon, strict=False)]
    forces = frames[7].get_forces().copy()
    forces[0] += 80.0
    forces[1] -= 80.0
    frames[7] = labelled(frames[7], forces=forces)
    (finding,) = findings_of(frames, "force outlier")
    assert finding.value > 100 and finding.severity == "warning"


def test_perfect_crystals_have_no_forces_and_that_is_no_placeholder(silicon):
    perfect = [atoms for atoms in silicon if not atoms.get_forces().any()]
    assert len(perfect) > 20 and not findings_of(perfect, "placeholder")
    emptied = [relabelled(atoms, forces=np.zeros((len(atoms), 3))) for atoms in silicon[:10]]
    (finding,) = findings_of(emptied, "placeholder")
    assert "forces is exactly zero in 10 of 10" in finding.message


def test_zeros_in_place_of_labels_are_no_labels(silicon):
    frames = [relabelled(atoms, stress=np.zeros(6)) for atoms in silicon[:10]]
    (finding,) = findings_of(frames, "placeholder")
    assert finding.severity == "wrong" and finding.value == 10 and "stress" in finding.message


@pytest.mark.parametrize(("factor", "said"), [(-1.0, "compression"), (160.2, "unit"), (1602.0, "unit"), (1e-3, "unit")])
def test_stress_of_wrong_sign_or_unit_contradicts_its_volumes(factor, said):
    frames = []
    for number in range(8):
        atoms = crystals(1, seed=2)[0].copy()
        atoms.set_cell(atoms.cell.array * (0.97 + 0.01 * number), scale_atoms=True)
        frames.append(morse(atoms))
    assert not findings_of(frames, "stress")
    spoilt = [relabelled(atoms, stress=factor * atoms.get_stress()) for atoms in frames]
    (finding,) = findings_of(spoilt, "stress")
    assert finding.severity == "wrong" and said in finding.advice


def test_silicon_with_stresses_in_kbar_or_of_other_sign_is_caught(silicon):
    for factor in (-1.0, 1602.18):
        spoilt = [relabelled(atoms, stress=factor * atoms.get_stress()) for atoms in silicon]
        assert findings_of(spoilt, "stress"), factor


def path_of_copper(n_frames=12):
    """A slow walk, as molecular dynamics leaves it."""
    random = np.random.default_rng(1)
    atoms = crystals(1)[0].copy()
    step = 0.01 * random.standard_normal(atoms.positions.shape)
    frames = []
    for _ in range(n_frames):
        frames.append(morse(atoms))
        step += 0.005 * random.standard_normal(atoms.positions.shape)
        atoms = atoms.copy()
        atoms.positions += step - step.mean(0)
    return frames


@pytest.mark.parametrize(
    ("factor", "severity", "said"),
    [(-1.0, "wrong", "wrong sign"), (1 / 51.422067, "wrong", "Hartree/Bohr"), (1000.0, "wrong", "meV/")],
)
def test_forces_that_are_no_gradient_of_the_energy_are_caught(factor, severity, said):
    frames = path_of_copper()
    assert not findings_of(frames, "forces")
    (finding,) = findings_of([relabelled(a, forces=factor * a.get_forces()) for a in frames], "forces")
    assert finding.severity == severity and said in finding.advice
    assert finding.value == pytest.approx(1 / factor, rel=0.1)


def test_findings_are_sorted_and_json(silicon):
    import json

    frames = [relabelled(atoms, stress=np.zeros(6)) for atoms in silicon[150:]]
    findings = examine(frames)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=["wrong", "warning", "note"].index)
    assert json.loads(json.dumps([finding.to_json() for finding in findings]))[0]["severity"] == "wrong"


def test_few_frames_and_frames_without_labels_have_no_findings():
    assert examine([]) == [] and examine([molecule("H2O")]) == []


LATTICE = 'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3'


def notices(tmp_path, comment, columns="forces:R:3", **how):
    path = tmp_path / "a.xyz"
    path.write_text(f"2\n{LATTICE}:{columns} {comment}\nCu 0 0 0 0.1 0 0\nCu 0 0 2.5 -0.1 0 0\n")
    notes = ReadingNotes()
    read(path, notes=notes, **how)
    return reading_findings(notes)


def test_columns_that_look_like_labels_and_were_not_read_are_named(tmp_path):
    force, energy = notices(tmp_path, "dft_energy=-1", "force:R:3")
    assert force.severity == energy.severity == WARNING
    assert "force in 1 frame looks like forces" in force.message and "--key forces=force" in force.advice
    assert "dft_energy in 1 frame looks like energy" in energy.message and "--key energy=dft_energy" in energy.advice
    assert not notices(tmp_path, "dft_energy=-1", "force:R:3", keys={"energy": "dft_energy", "forces": "force"})


def test_a_stress_and_a_virial_that_contradict_one_another_are_wrong(tmp_path):
    (finding,) = notices(tmp_path, 'energy=-1 stress="1 0 0 0 1 0 0 0 1" virial="1 0 0 0 1 0 0 0 1"')
    assert finding.severity == WRONG and finding.value == pytest.approx(1.008)
    same = 'energy=-1 stress="1 0 0 0 1 0 0 0 1" virial="{0} 0 0 0 {0} 0 0 0 {0}"'
    assert not notices(tmp_path, same.format(-125.0))
    (finding,) = notices(tmp_path, same.format(125.0))
    assert "differ in sign only" in finding.message
    assert not notices(tmp_path, same.format(125.0), units={"virial_sign": "tension"})


def test_an_energy_that_is_not_the_free_energy_is_named(tmp_path):
    (finding,) = notices(tmp_path, "energy=-1.0 free_energy=-1.5")
    assert finding.severity == WARNING and finding.value == 0.5 and "gradient of the free energy" in finding.advice
    assert not notices(tmp_path, "energy=-1.0 free_energy=-1.0")
    assert not notices(tmp_path, "energy=-1.0 free_energy=-1.5", keys={"energy": "free_energy"})


def test_a_free_energy_alone_is_an_energy_that_was_not_read(tmp_path):
    (finding,) = notices(tmp_path, "free_energy=-1.5")
    assert "free_energy in 1 frame looks like energy" in finding.message
