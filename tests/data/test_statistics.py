import ase
import numpy as np
import pytest
from ase.build import bulk, molecule
from helpers.labelled_structures import SILICON, labelled, mixed

from atomgraph.data import (
    average_neighbours,
    build_graphs,
    energy_scale,
    energy_spread,
    isolated_e0,
    least_squares_e0,
    mean_energy,
    read,
)
from atomgraph.errors import DataError

TRUE = {"H": -1.25, "C": -9.5, "O": -4.75}


def additive(*names):
    """Molecules whose energy is the sum over their atoms, exactly."""
    frames = [molecule(name) for name in names]
    return [labelled(atoms, energy=sum(TRUE[symbol] for symbol in atoms.symbols)) for atoms in frames]


def test_least_squares_recovers_additive_energies():
    graphs = build_graphs(additive("H2O", "CH4", "CO2", "C2H6", "H2"), 3.0)
    result = least_squares_e0(graphs)
    assert result.value == pytest.approx(TRUE, abs=1e-10)
    assert "5 energies" in result.origin and "rank 3 of 3" in result.origin and "norm" not in result.origin
    assert mean_energy(graphs, result.value).value == pytest.approx(0.0, abs=1e-10)
    assert energy_spread([*graphs, *build_graphs([labelled(molecule("H2"), energy=-4.5)], 3.0)], TRUE).value > 0.3


def test_least_squares_of_one_composition_is_the_smallest_solution_and_says_so():
    result = least_squares_e0(build_graphs(additive("H2O", "H2O"), 3.0))
    assert "rank 1 of 2" in result.origin and "minimum norm" in result.origin
    assert 2 * result.value["H"] + result.value["O"] == pytest.approx(2 * TRUE["H"] + TRUE["O"])
    assert result.value["H"] == pytest.approx(
        2 * result.value["O"]
    )  # along the composition (2, 1): no longer vector needed


def test_least_squares_does_not_depend_on_structure_size():
    small, large = bulk("Cu"), bulk("Cu").repeat(4)
    graphs = build_graphs([labelled(small, energy=-3.0), labelled(large, energy=-5.0 * 64)], 3.0)
    assert least_squares_e0(graphs).value["Cu"] == pytest.approx(-4.0)


def test_isolated_atoms_give_e0_and_a_missing_element_is_named():
    atoms = [labelled(ase.Atoms(symbol), energy=energy) for symbol, energy in TRUE.items()]
    result = isolated_e0(build_graphs([*additive("H2O", "CH4"), *atoms, atoms[0]], 3.0))
    assert result.value == TRUE and "4 frames" in result.origin
    with pytest.raises(DataError, match="no isolated atom with an energy for C, N, Cu in"):
        isolated_e0(build_graphs(mixed(), 3.0))


def test_isolated_atoms_with_different_energies_are_refused():
    atoms = [labelled(ase.Atoms("H"), energy=energy) for energy in (-1.0, -1.01)]
    with pytest.raises(DataError, match=r"isolated atoms of H have energies from -1\.01"):
        isolated_e0(build_graphs(atoms, 3.0))


def test_an_atom_with_its_images_as_neighbours_is_not_isolated():
    crystal = labelled(bulk("Cu"), energy=-3.7)
    with pytest.raises(DataError, match="no isolated atom"):
        isolated_e0(build_graphs([crystal], 3.0))


def test_energy_scale_is_the_rms_of_labelled_forces_only():
    graphs = build_graphs(mixed(), 3.0)
    forces = np.concatenate([a.calc.results["forces"] for a in mixed() if a.calc and "forces" in a.calc.results])
    assert energy_scale(graphs).value == pytest.approx(np.sqrt((forces**2).mean()))
    assert f"{forces.size} force components" in energy_scale(graphs).origin


def test_average_neighbours_of_a_crystal_are_its_coordination():
    graphs = build_graphs([bulk("Cu", a=3.6)], 4.0)
    assert average_neighbours(graphs).value == 12 + 6
    assert average_neighbours(graphs, 2.6).value == 12 and "2.6 Å" in average_neighbours(graphs, 2.6).origin


def test_silicon_numbers_come_from_the_part_they_are_given():
    graphs = build_graphs(read(SILICON / "test.xyz.gz"), 3.0)
    per_atom = np.array([float(graph.energy[0]) / graph.n_atoms for graph in graphs])
    assert least_squares_e0(graphs).value["Si"] == pytest.approx(per_atom.mean())
    assert least_squares_e0(graphs[:5]).value["Si"] == pytest.approx(per_atom[:5].mean())


def test_statistics_without_labels_are_refused():
    bare = build_graphs([molecule("H2O")], 3.0)
    for statistic in (least_squares_e0, energy_scale, isolated_e0):
        with pytest.raises(DataError, match="in the configuration"):
            statistic(bare)
    for statistic in (mean_energy, energy_spread):
        with pytest.raises(DataError, match="E0 is missing for O"):
            statistic(build_graphs(additive("H2O"), 3.0), {"H": -1.0})
    with pytest.raises(DataError, match="no atom"):
        average_neighbours([])
