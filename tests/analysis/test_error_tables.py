"""Error tables of predictions with known errors."""

import csv
import io
import json

import ase
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from helpers import tiny_structures as tiny
from rich.console import Console

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.error_tables import (
    error_json,
    error_rows,
    error_table,
    errors_csv,
    structure_errors,
    worst_table,
)

GPA = 1 / 160.21766208


def frame(n, kind, *, energy=None, forces=None, stress=None, **info):
    atoms = ase.Atoms(f"H{n}", positions=np.arange(3 * n).reshape(n, 3), cell=[9, 9, 9], pbc=True)
    atoms.info = {"config_type": kind, **info}
    labels = {"energy": energy, "forces": forces, "stress": stress}
    atoms.calc = SinglePointCalculator(atoms, **{k: v for k, v in labels.items() if v is not None})
    return atoms


def zeros(n, energy=0.0, force=0.0, stress=0.0):
    return {"energy": energy, "forces": np.full((n, 3), force), "stress": np.full((3, 3), stress)}


def known_errors():
    frames = [
        frame(2, "a", energy=1.0, forces=np.zeros((2, 3)), stress=np.zeros(6)),
        frame(4, "a", energy=1.0),
        frame(1, "b", forces=[[0.0, 0.0, 4.0]], twin_in_train=0),
    ]
    return Comparison.from_predictions(frames, [zeros(2, 1.02, 0.1, 2 * GPA), zeros(4, 0.96), zeros(1, 7.0)])


def test_mae_and_rmse_of_known_errors():
    rows = {row.name: row.statistics for row in error_rows(known_errors())}
    energy = rows["a"]["energy"]  # +0.02 eV on two atoms, −0.04 eV on four: +10 and −10 meV/atom
    assert (energy.count, energy.mae, energy.rmse, energy.max) == pytest.approx((2, 10.0, 10.0, 10.0))
    forces = rows["all"]["forces"]  # six components wrong by 0.1, two right, one wrong by 4
    assert (forces.count, forces.mae) == pytest.approx((9, (0.6 + 4) / 9))
    assert forces.rmse == pytest.approx(((6 * 0.01 + 16) / 9) ** 0.5)
    assert (rows["all"]["stress"].count, rows["all"]["stress"].mae) == pytest.approx((6, 2.0))  # GPa, six components


def test_only_labelled_quantities_have_errors():
    rows = {row.name: row for row in error_rows(known_errors())}
    assert set(rows["b"].statistics) == {"forces"} and rows["b"].n_structures == 1
    unlabelled = Comparison.from_predictions([frame(1, "a")], [zeros(1)])
    assert unlabelled.samples == {} and error_rows(unlabelled)[-1].statistics == {}


def test_a_further_row_omits_duplicates_of_training_structures_also_of_index_zero():
    rows = {row.name: row for row in error_rows(known_errors())}
    assert rows["all but duplicates"].n_structures == 2 and rows["all but duplicates"].statistics[
        "forces"
    ].max == pytest.approx(0.1)


def test_without_duplicates_there_is_no_row_for_them():
    rows = error_rows(Comparison.from_predictions([frame(1, "a", energy=0.0)], [zeros(1)]))
    assert [row.name for row in rows] == ["all"]


def test_r2_is_one_for_a_perfect_potential_zero_for_the_mean_and_absent_for_one_number():
    frames = [frame(1, "a", energy=e) for e in (1.0, 2.0, 3.0)]
    perfect = Comparison.from_predictions(frames, [zeros(1, e) for e in (1.0, 2.0, 3.0)])
    mean = Comparison.from_predictions(frames, [zeros(1, 2.0)] * 3)
    assert [error_rows(c)[-1].statistics["energy"].r2 for c in (perfect, mean)] == pytest.approx([1.0, 0.0])
    assert error_rows(Comparison.from_predictions(frames[:1], [zeros(1)]))[-1].statistics["energy"].r2 is None


def test_e0_shifts_both_energies_and_no_error():
    frames = [frame(2, "a", energy=-27.0)]
    with_e0 = Comparison.from_predictions(frames, [zeros(2, -26.9)], e0={"H": -13.6}).samples["energy"]
    assert with_e0.reference[0] == pytest.approx(1e3 * (-27.0 + 27.2) / 2) and with_e0.error[0] == pytest.approx(50.0)


def test_a_structure_without_volume_has_no_stress_to_compare():
    result = zeros(1) | {"stress": np.full((3, 3), np.nan)}
    assert "stress" not in Comparison.from_predictions([frame(1, "a", stress=np.zeros(6))], [result]).samples


def test_predictions_that_are_not_finite_show_in_the_table_and_are_null_in_json():
    broken = Comparison.from_predictions([frame(1, "a", energy=0.0)], [zeros(1, np.nan)])
    assert "NaN" in error_table(broken).markdown()
    assert json.loads(json.dumps(error_json(broken), allow_nan=False))["all"]["energy"]["mae"] is None


def test_the_terminal_table_fits_eighty_columns_and_names_its_units():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(error_table(known_errors(), "tested").rich())
    words = console.export_text()
    assert all(unit in words for unit in ("meV/atom", "eV/Å", "GPa", "MAE", "RMSE")) and "…" not in words


def test_configuration_types_that_look_like_markup_are_escaped():
    frames = [frame(1, kind, energy=0.0) for kind in ("[red]hot", "<b>|x")]
    table = error_table(Comparison.from_predictions(frames, [zeros(1), zeros(1)]))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table.rich())
    assert "[red]hot" in console.export_text()
    assert "<b>" not in table.html() and "&lt;b&gt;|x" in table.html() and "<b>\\|x" in table.markdown()


def test_json_contains_all_statistics_and_units():
    result = error_json(known_errors())
    assert result["units"] == {"energy": "meV/atom", "forces": "eV/Å", "stress": "GPa"}
    assert set(result["config_types"]) == {"a", "b"} and result["all_but_twins"]["structures"] == 2
    assert set(result["all"]["forces"]) == {"count", "mae", "rmse", "max", "r2"}


def test_energy_errors_of_structures_have_signs_and_missing_labels_give_none():
    rows = structure_errors(known_errors())
    assert [row["energy_error"] for row in rows] == [pytest.approx(10.0), pytest.approx(-10.0), None]
    assert rows[2]["forces_max_error"] == pytest.approx(4.0) and rows[1]["forces_rmse"] is None
    table = list(csv.DictReader(io.StringIO(errors_csv(known_errors()))))
    assert float(table[2]["max_force (eV/Å)"]) == 4.0 and table[1]["forces_rmse (eV/Å)"] == ""


def test_the_worst_structure_comes_first():
    assert next(iter(worst_table(known_errors()).rows))[1] == "H"


def test_a_potential_compared_with_its_own_labels_has_no_error():
    potential = tiny.potential()
    comparison = compare(potential, tiny.labelled(tiny.structures(), potential))
    assert {q: len(s.error) for q, s in comparison.samples.items()} == {"energy": 5, "forces": 66, "stress": 12}
    assert all(abs(sample.error).max() < 1e-9 for sample in comparison.samples.values())
    assert comparison.seconds > 0
