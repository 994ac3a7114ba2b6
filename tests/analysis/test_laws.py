"""Laws of potentials: tolerances depend on the dtype, and broken potentials fail."""

import numpy as np
import pytest
import torch
from ase.build import bulk
from helpers.morse import morse_potential

from atomgraph.analysis.laws import LAWS, laws
from atomgraph.analysis.laws.conservation import energy_is_conserved
from atomgraph.analysis.laws.context import TOLERANCES, LawContext, law_from_values
from atomgraph.analysis.laws.structures import molecule_with_atom_at, rotation_matrix, sample_structures
from atomgraph.errors import GraphError
from atomgraph.models import GCN, Baseline
from atomgraph.nn.repulsion.zbl import ZBL
from atomgraph.potential import Potential
from atomgraph.testing.graphs import ELEMENTS, crystal, molecule, wire
from atomgraph.testing.measures import construct, randomise


def model():
    baseline = Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS))
    return GCN(ELEMENTS, cutoff=3.5, channels=4, n_layers=1, n_radial=4, readout_hidden=(4,), baseline=baseline)


def potential(dtype=torch.float64):
    return Potential(randomise(construct(model)).to(dtype)).eval()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("make", [potential, lambda dtype: morse_potential(dtype=dtype)], ids=["GCN and ZBL", "Morse"])
def test_correct_potentials_pass_every_law_in_both_dtypes(make, dtype):
    result = list(laws(make(dtype)))
    assert len(result) == len(LAWS)
    assert not [law for law in result if not law.passed]
    assert all(np.isfinite(law.value) and law.unit and law.name for law in result)
    gradients = {law.name: law for law in result}["forces are energy gradients"]
    assert gradients.tolerance == TOLERANCES[dtype].gradient


def test_the_users_own_structures_are_tried():
    result = {law.name: law for law in laws(potential(), {"mine": crystal(seed=7)})}
    assert result["batch equals single structures"].detail == "mine"
    assert result["no net torque"].detail == "no suitable structure"


def test_large_free_atom_energies_do_not_spoil_the_differences():
    """All-electron E0 of ten thousand eV per atom: gradients are still known to 1e-7 eV/Å."""
    heavy = potential()
    heavy.model.baseline.set_e0({"H": -13.6, "C": -1030.0, "O": -2040.0, "Si": -7870.0})
    assert all(law.passed for law in laws(heavy))


def test_structures_with_unknown_elements_are_the_users_error():
    with pytest.raises(GraphError, match="unknown elements Cu"):
        list(laws(potential(), {"copper": bulk("Cu")}))


def test_a_potential_in_training_stays_in_training():
    training = potential().train()
    list(laws(training, {"crystal": crystal()}))
    assert training.training


def test_nve_of_a_potential_whose_forces_are_no_gradients_heats_up():
    class Bent(Potential):
        def forward(self, graph, **options):
            result = super().forward(graph, **options)
            if "forces" in result:
                result["forces"] = 1.3 * result["forces"]
            return result

    atoms = bulk("Cu", "fcc", 3.7, cubic=True)
    atoms.rattle(0.05, rng=np.random.default_rng(0))
    sound = morse_potential()
    good, bad = (energy_is_conserved(LawContext(p, {"copper": atoms}), 100) for p in (sound, Bent(sound.model)))
    assert good.passed and "4 atoms" in good.detail
    assert not bad.passed and bad.value > 10 * good.value


def test_the_worst_value_counts_and_nan_is_the_worst():
    assert law_from_values("a law", {"one": 1e-9, "two": 1e-8}, 1e-7, "eV").detail == "two"
    spoilt = law_from_values("a law", {"one": 1.0, "two": float("nan")}, 1e-7, "eV")
    assert not spoilt.passed and spoilt.detail == "two"


@pytest.mark.parametrize("elements", [["H"], ["Si"], ["H", "O"], ["Cs", "H", "O"], ELEMENTS])
def test_sample_structures_have_the_expected_geometry(elements):
    result = sample_structures(elements)
    assert [int(atoms.pbc.sum()) for atoms in result.values()] == [0, 3, 2, 1]
    for atoms in result.values():
        distances = atoms.get_all_distances(mic=bool(atoms.pbc.all()))[np.triu_indices(len(atoms), 1)]
        assert distances.min() > 0.6
        assert set(atoms.symbols) <= set(elements)
    assert result["crystal"].cell.angles() != pytest.approx([90, 90, 90], abs=1)
    assert sample_structures(elements)["molecule"] == result["molecule"]


@pytest.mark.parametrize("outward", [True, False])
def test_the_last_atom_has_the_given_distance(outward):
    atoms = molecule_with_atom_at(ELEMENTS, 3.5, outward=outward)
    distances = np.sort(atoms.get_all_distances()[-1])
    assert distances[1 if outward else -1] == pytest.approx(3.5, abs=1e-12)


def test_rotations_are_rotations_and_reflections_reflections():
    for improper in (False, True):
        matrix = rotation_matrix(0, improper=improper)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
        assert np.linalg.det(matrix) == pytest.approx(-1 if improper else 1)


def test_isolated_atoms_are_not_used_for_dynamics():
    context = LawContext(potential(), {"atom": crystal()[:1], "molecule": molecule(), "wire": wire()})
    assert energy_is_conserved(context, 3).detail.startswith("molecule")
