import ase
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from helpers.labelled_structures import labelled, morse

from atomgraph.data.labels import LabelReader
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

STRESS = np.array([[1.0, 0.4, 0.5], [0.4, 2.0, 0.6], [0.5, 0.6, 3.0]])


def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def label_reader(keys=None, **units):
    return LabelReader(keys, units)


def test_labels_of_one_solid_in_atomic_units_are_those_in_ev():
    expected = morse(copper())
    labels = get_labels(expected)
    foreign = copper()
    foreign.set_cell(foreign.cell.array / units.Bohr, scale_atoms=True)
    foreign.info["E"] = labels["energy"] / units.Hartree
    foreign.arrays["F"] = labels["forces"] / (units.Hartree / units.Bohr)
    foreign.info["S"] = labels["stress"] / (units.Hartree / units.Bohr**3)
    keys = {"energy": "E", "forces": "F", "stress": "S"}
    for named in ({}, {"forces": "Hartree/Bohr", "stress": "Hartree/Bohr^3"}):
        result = label_reader(keys, energy="Hartree", length="Bohr", **named).read(foreign)
        np.testing.assert_allclose(result.positions, expected.positions, atol=1e-12)
        for name, label in get_labels(result).items():
            np.testing.assert_allclose(label, labels[name], atol=1e-12)


@pytest.mark.parametrize(
    ("unit", "sign", "factor"),
    [("eV/Å^3", "tension", 1.0), ("GPa", "tension", units.GPa), ("kbar", "compression", -0.1 * units.GPa)],
)
def test_stress_is_ev_per_cubic_angstrom_positive_in_tension(unit, sign, factor):
    atoms = copper()
    atoms.info["stress"] = STRESS
    result = label_reader(stress=unit, stress_sign=sign).read(atoms)
    np.testing.assert_allclose(get_labels(result)["stress"], factor * STRESS, rtol=1e-13)


def test_virial_is_minus_volume_times_stress():
    expected = morse(copper())
    stress = get_labels(expected)["stress"]
    atoms = copper()
    atoms.info["virial"] = -atoms.cell.volume * stress
    np.testing.assert_allclose(get_labels(label_reader().read(atoms))["stress"], stress, rtol=1e-12)
    atoms.info["virial"] = atoms.cell.volume * stress * 1e3
    result = label_reader(virial="meV", virial_sign="tension").read(atoms)
    np.testing.assert_allclose(get_labels(result)["stress"], stress, rtol=1e-12)


def test_virial_uses_the_converted_volume():
    atoms = copper()
    cubic_bohr = atoms.cell.volume / units.Bohr**3
    atoms.set_cell(atoms.cell.array / units.Bohr, scale_atoms=True)
    atoms.info["virial"] = -cubic_bohr * STRESS  # Hartree
    result = get_labels(label_reader(energy="Hartree", length="Bohr").read(atoms))
    np.testing.assert_allclose(result["stress"], STRESS * units.Hartree / units.Bohr**3, rtol=1e-12)


def test_a_stress_has_priority_over_a_virial():
    atoms = copper()
    atoms.info.update(stress=STRESS, virial=np.eye(3))
    np.testing.assert_allclose(get_labels(label_reader().read(atoms))["stress"], STRESS)


def test_nine_numbers_in_a_row_are_a_stress():
    atoms = copper()
    atoms.info["dft_stress"] = STRESS.reshape(9)
    np.testing.assert_allclose(get_labels(label_reader({"stress": "dft_stress"}).read(atoms))["stress"], STRESS)


def test_a_configured_key_is_the_only_one_looked_for():
    both = labelled(copper(), energy=-1.0)
    both.info["REF_energy"] = -2.0
    only_default = labelled(copper(), energy=-1.0)
    reader = label_reader({"energy": "REF_energy"})
    assert get_labels(reader.read(both))["energy"] == -2.0
    assert "energy" not in get_labels(reader.read(only_default))
    stale = copper()
    stale.info["energy"] = -1.0  # not what was asked for, and not to be found by anybody later
    assert "energy" not in get_labels(reader.read(stale))


def test_a_key_that_no_frame_has_is_refused_with_a_list_of_keys():
    reader = label_reader({"energy": "REF_enrgy"})
    atoms = copper()
    atoms.info["REF_energy"] = -2.0
    reader.read(atoms)
    with pytest.raises(DataError, match=r"'REF_enrgy'.*configured for energy; keys of the frames: REF_energy"):
        reader.check_keys_found("a.xyz")


def test_moved_by_ase_or_left_in_info_and_arrays_labels_are_the_same():
    new = morse(copper())
    old = copper()
    old.info.update({name: get_labels(new)[name] for name in ("energy", "stress")})
    old.arrays["forces"] = get_labels(new)["forces"]
    first, second = (get_labels(label_reader().read(atoms)) for atoms in (old, new))
    assert first.keys() == second.keys() == {"energy", "forces", "stress"}
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("key", ["gradient", "dft_grad", "Gradients", "dE_dx", "dedr"])
def test_a_gradient_was_read_as_forces_of_the_opposite_sign(key):
    atoms = copper()
    atoms.arrays[key] = -morse(copper()).get_forces()
    with pytest.raises(DataError, match=rf"'{key}' of forces is the name of a gradient.*forces_sign: gradient.*--unit"):
        label_reader({"forces": key})
    result = label_reader({"forces": key}, forces_sign="gradient").read(atoms)
    np.testing.assert_allclose(get_labels(result)["forces"], morse(copper()).get_forces())
    result = label_reader({"forces": key}, forces_sign="force").read(atoms)
    np.testing.assert_allclose(get_labels(result)["forces"], -morse(copper()).get_forces())
    label_reader({"forces": "upgraded_forces"})


def test_configuration_type_and_head_have_keys_too():
    atoms = copper()
    atoms.info.update(group=7, level="pbe")
    result = label_reader({"config_type": "group", "head": "level"}).read(atoms)
    assert result.info["config_type"] == "7" and result.info["head"] == "pbe"


@pytest.mark.parametrize(
    ("keys", "named", "said"),
    [
        ({"enregy": "E"}, {}, "unknown entry 'enregy' in keys; did you mean energy"),
        ({}, {"forcse": "eV/Å"}, "unknown entry 'forcse' in units; did you mean forces"),
        ({}, {"energy": "ev"}, "unknown unit 'ev' for energy; did you mean eV"),
        ({}, {"stress": "gpa"}, "unknown unit 'gpa' for stress"),
        ({}, {"stress_sign": "pressure"}, "unknown unit 'pressure' for stress_sign"),
        ({}, {"forces_sign": "minus"}, "unknown unit 'minus' for forces_sign; known are force, gradient"),
        ({}, {"stress_order": "voigt"}, "unknown stress_order 'voigt'; known are ase, lammps, vasp$"),
        ({"energy": 3}, {}, "keys.energy should be a word"),
    ],
)
def test_unknown_words_are_refused_with_the_nearest_known_one(keys, named, said):
    with pytest.raises(DataError, match=said):
        LabelReader(keys, named)


def test_the_frame_of_the_caller_is_not_changed():
    atoms = labelled(copper(), energy=-1.0)
    before = atoms.copy()
    label_reader(length="Bohr").read(atoms)
    assert atoms == before and atoms.calc.results == {"energy": -1.0} and isinstance(atoms, ase.Atoms)
