"""Which names look like labels: those that programs and people write, and none of ordinary ones."""

import ase
import numpy as np
import pytest

from atomgraph.data import read
from atomgraph.data.checks.label_findings import reading_findings
from atomgraph.data.label_hints import guess_by_name, guess_by_size, split_name
from atomgraph.data.reading_notes import ReadingNotes

VECTORS, TENSOR = np.ones((4, 3)), np.arange(9.0)
LABELS = {
    "energy": (
        -1.0,
        ["REF_E", "DFT_E", "dft_e", "mace_e", "U", "U0", "PotEng", "enthalpy", "total_e", "E_eV", "Etot", "e"],
    ),
    "forces": (VECTORS, ["REF_F", "DFT_f", "grad", "frc", "fxyz", "mace_forces", "dft_gradient", "force", "dedx"]),
    "stress": (TENSOR, ["sigma", "REF_stresses", "pressure_tensor", "DFT_stress", "mace_stress"]),
    "virial": (TENSOR, ["REF_virial", "Virial", "vir"]),
}
ORDINARY = {
    "positions": VECTORS,
    "scaled_positions": VECTORS,
    "velocities": VECTORS,
    "momenta": VECTORS,
    "magmoms": VECTORS,
    "dipoles": VECTORS,
    "initial_charges": np.ones(4),
    "charges": np.ones(4),
    "dipole": np.ones(3),
    "temperature": 300.0,
    "time": 1.0,
    "step": 3,
    "volume": 100.0,
    "density": 1.0,
    "pressure": 1.0,
    "energy_std": 0.1,
    "energy_weight": 1.0,
    "kinetic_energy": 1.0,
    "E_kin": 1.0,
    "e_fermi": 1.0,
    "e_above_hull": 0.1,
    "energy_cutoff": 500.0,
    "gap": 1.0,
    "polarizability": np.ones((3, 3)),
    "quadrupole": np.ones(6),
    "strain": np.ones(6),
    "cell": np.ones(9),
    "comment": "energy",
    "converged": True,
    "force_mask": VECTORS,
    "energies": np.ones(4),
}


@pytest.mark.parametrize(("label", "name"), [(label, name) for label, (_, names) in LABELS.items() for name in names])
def test_names_of_labels_are_known(label, name):
    assert guess_by_name(name, LABELS[label][0], 4) == label


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_no_labels(name):
    assert guess_by_name(name, ORDINARY[name], 4) is None and guess_by_size(name, ORDINARY[name], 4) is None


def test_words_are_parts_between_underscores_and_before_capitals():
    assert (
        {"ref", "e"} == split_name("REF_E")
        and {"pot", "eng"} <= split_name("PotEng")
        and "dft" in split_name("dftEnergy")
    )


def notes_of(**values):
    atoms = ase.Atoms("Cu4", positions=3.0 * np.arange(12).reshape(4, 3), cell=[40] * 3, pbc=True)
    for name, value in values.items():
        (atoms.arrays if np.shape(value)[:1] == (4,) else atoms.info)[name] = value
    notes = ReadingNotes()
    read(atoms, notes=notes)
    return notes


def advice(notes, check="unread label"):
    return [f"{finding.message}; {finding.advice}" for finding in reading_findings(notes) if finding.check == check]


def test_a_gradient_is_advised_with_its_sign():
    """The advice was to read it as forces, which turned all of them round."""
    notes = notes_of(gradient=VECTORS, energy=-1.0, stress=np.eye(3))
    (line,) = advice(notes)
    assert "looks like gradient of the energy, minus the forces" in line
    assert "--key forces=gradient" in line and "--unit forces_sign=gradient" in line
    assert any("data.units: {forces_sign: gradient}" in line for line in notes.lines())


def test_a_pressure_tensor_is_advised_with_its_sign():
    (line,) = advice(notes_of(pressure_tensor=TENSOR, energy=-1.0, forces=VECTORS))
    assert "--key stress=pressure_tensor" in line and "stress_sign=compression" in line


@pytest.mark.parametrize("name", ["energy_per_atom", "e_per_atom", "dft_energy_peratom"])
def test_an_energy_per_atom_is_no_energy_to_read(name):
    (line,) = advice(notes_of(**{name: -1.0}, forces=VECTORS))
    assert "looks like energy per atom" in line and "times the number of atoms" in line and "--key" not in line


def test_forces_in_three_columns_are_named():
    (line,) = advice(notes_of(energy=-1.0, dft_fx=np.ones(4), dft_fy=np.ones(4), dft_fz=np.ones(4)))
    assert "dft_fx dft_fy dft_fz in 1 frame looks like forces in three columns" in line and "forces:R:3" in line
    assert not advice(notes_of(energy=-1.0, fx=np.ones(4), fy=np.ones(4)))


def test_where_a_label_is_missing_everything_of_its_size_is_listed():
    notes = notes_of(alpha=-1.0, beta=2.0, blue=VECTORS, tensor=TENSOR, temperature=300.0, velocities=VECTORS)
    assert [line for line in notes.lines() if "the size of this label" in line] == [
        "no frame has an energy; alpha, beta have the size of this label: data.keys: {energy: ...} would read one of them",
        "no frame has forces; blue has the size of this label: data.keys: {forces: ...} would read this key",
        "no frame has a stress; tensor has the size of this label: data.keys: {stress: ...} would read this key",
    ]
    assert len(advice(notes, "missing label")) == 3
    assert not list(
        notes_of(
            energy=-1.0, forces=VECTORS, stress=np.eye(3), alpha=1.0, blue=VECTORS, tensor=TENSOR
        ).possible_labels()
    )
    assert not list(
        notes_of(REF_E=-1.0, REF_F=VECTORS, sigma=TENSOR, alpha=1.0, blue=VECTORS, tensor=TENSOR).possible_labels()
    )
