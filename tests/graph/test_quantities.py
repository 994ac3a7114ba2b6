"""The table of quantities: a further row gets labels, masks, batches, a loss term and columns of error tables."""

import ase
import numpy as np
import pytest
import torch

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.error_tables import error_json, error_table, structure_errors
from atomgraph.data import build_graphs, read
from atomgraph.data.census import census
from atomgraph.data.data_loaders import collate
from atomgraph.data.formats.exact_xyz import write_exact
from atomgraph.data.sampler import label_counts
from atomgraph.errors import GraphError
from atomgraph.graph.quantities import QUANTITIES, Quantity, label_names
from atomgraph.graph.structure import get_labels
from atomgraph.training.error_sums import ErrorSums, column_header
from atomgraph.training.loss import Term, label_errors
from atomgraph.training.task import window_counts

DEBYE = 0.20819434  # e Å
DIPOLES = np.array([[0.1, -0.2, 0.3], [0.4, 0.5, -0.6]])


def dipole(**changes):
    row = {
        "name": "dipole",
        "title": "dipole moment",
        "noun_phrase": "a dipole",
        "per": "graph",
        "shape": (3,),
        "inner_unit": "e Å",
        "unit": "e Å",
        "factor": 1.0,
        "plot_unit": ("e Å", 1.0),
        "census_range": ("dipole", "dipole moment", "e Å"),
        "units": {"Debye": DEBYE},
    }
    return Quantity(**(row | changes))


@pytest.fixture
def with_dipole(monkeypatch):
    monkeypatch.setitem(QUANTITIES, "dipole", dipole())


@pytest.fixture
def frames(with_dipole, tmp_path):
    """Two molecules with a dipole, in Debye, and one without, read from extended XYZ."""
    molecules = []
    for number in range(3):
        atoms = ase.Atoms("H2O", [[0.0, 0.0, 0.0], [1.5, 0.0, 0.1 * number], [0.8, 0.6, 0.0]])
        atoms.info["energy"] = -10.0 - number
        if number < 2:
            atoms.info["dipole"] = DIPOLES[number] / DEBYE
        molecules.append(atoms)
    write_exact(tmp_path / "data.extxyz", molecules)
    return read(tmp_path / "data.extxyz", units={"dipole": "Debye"})


def test_the_first_rows_are_energy_forces_stress():
    assert list(QUANTITIES) == ["energy", "forces", "stress"]
    assert label_names() == ("energy", "forces", "stress", "virial")
    assert [q.n_components for q in QUANTITIES.values()] == [1, 3, 9]
    assert [q.n_table_components for q in QUANTITIES.values()] == [1, 3, 6]
    assert [q.full_shape(7) for q in QUANTITIES.values()] == [(), (7, 3), (3, 3)]


def test_a_further_label_is_read_with_its_unit(frames):
    np.testing.assert_allclose([get_labels(atoms)["dipole"] for atoms in frames[:2]], DIPOLES, rtol=1e-12)
    assert "dipole" not in get_labels(frames[2])
    counted = census(frames)
    assert counted.labels["dipole"] == 2
    np.testing.assert_allclose(counted.ranges["dipole"][2], np.linalg.norm(DIPOLES, axis=1).max())
    assert "with dipole" in str(counted)


def test_a_further_label_of_a_wrong_shape_is_refused(with_dipole):
    atoms = ase.Atoms("H", info={"dipole": [1.0, 2.0]})
    with pytest.raises(GraphError, match=r"dipole should have shape \(3,\)"):
        get_labels(atoms)


def test_a_further_label_is_written_with_every_digit(frames, tmp_path):
    write_exact(tmp_path / "again.extxyz", frames)
    again = read(tmp_path / "again.extxyz")
    for before, after in zip(frames[:2], again[:2], strict=True):
        assert (get_labels(before)["dipole"] == get_labels(after)["dipole"]).all()


def test_graphs_and_batches_have_a_further_label_and_its_mask(frames, tmp_path):
    graphs = build_graphs(frames, 2.0, cache=tmp_path, weight_keys={})
    cached = build_graphs(frames, 2.0, cache=tmp_path)
    assert all((a.dipole == b.dipole).all() for a, b in zip(graphs, cached, strict=True))
    batch = collate(graphs)
    assert batch.dipole.shape == (3, 3)
    assert batch.dipole_mask.tolist() == [True, True, False]
    assert batch.label_weights.shape == (3, 4)
    np.testing.assert_allclose(batch.dipole[:2], DIPOLES, rtol=1e-12)
    assert label_counts(graphs)[:, 3].tolist() == [3, 3, 0]
    assert window_counts(batch).tolist() == [3.0, 0.0, 0.0, 6.0]


def test_a_further_quantity_has_a_loss_term(frames):
    batch = collate(build_graphs(frames, 2.0))
    term = Term("dipole")
    result = {"dipole": batch.dipole + 0.5}
    entries, labelled, weight = label_errors("dipole", result, batch)
    assert labelled.tolist() == [True, True, False]
    torch.testing.assert_close(term.sum_loss(entries, weight), torch.tensor(6 * 0.25, dtype=torch.float64))
    sums = ErrorSums([term])
    sums.add(result, batch)
    assert sums.means() == pytest.approx({"dipole_mae": 0.5, "dipole_rmse": 0.5, "loss": 0.25})
    assert column_header("valid_dipole_mae") == "valid_dipole_mae (e Å)"


def test_a_quantity_of_atoms_has_masks_and_weights_per_atom(monkeypatch):
    monkeypatch.setitem(QUANTITIES, "charges", dipole(name="charges", per="atom", shape=(), inner_unit="e", unit="e"))
    atoms = ase.Atoms("OH", [[0, 0, 0], [0, 0, 1.0]])
    atoms.arrays["charges"] = np.array([-0.3, 0.3])
    batch = collate(build_graphs([atoms, ase.Atoms("H")], 2.0))
    assert batch.charges.tolist() == [-0.3, 0.3, 0.0]
    assert batch.charges_mask.tolist() == [True, True, False]
    entries, labelled, weight = label_errors("charges", {"charges": batch.charges + 0.1}, batch)
    assert entries.shape == (3, 1) and labelled.sum() == 2 and weight.shape == (3,)


def test_a_further_quantity_has_columns_in_error_tables(frames):
    predictions = [{"energy": -10.0, "dipole": np.zeros(3)} for _ in frames]
    comparison = Comparison.from_predictions(frames, predictions)
    table = error_table(comparison)
    assert [(column.name, column.group) for column in table.columns][-2:] == [
        ("MAE", "dipole (e Å)"),
        ("RMSE", "dipole (e Å)"),
    ]
    assert error_json(comparison)["units"]["dipole"] == "e Å"
    assert error_json(comparison)["all"]["dipole"]["mae"] == pytest.approx(np.abs(DIPOLES).mean())
    assert structure_errors(comparison)[0]["dipole_rmse"] == pytest.approx(np.sqrt((DIPOLES[0] ** 2).mean()))
