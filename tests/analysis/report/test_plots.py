"""Plots contain the given numbers, and do not change settings of matplotlib."""

import matplotlib
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from helpers import tiny_structures as tiny

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.report import plots
from atomgraph.analysis.report.learning_curves import learning_curves
from atomgraph.analysis.report.plots import error_histogram, line_plot, parity_plot
from atomgraph.analysis.report.style import svg_file


@pytest.fixture(scope="module")
def comparison():
    potential = tiny.potential()
    return compare(potential, tiny.labelled(tiny.structures(), tiny.potential(seed=2)))


def comparison_of_types(n_types, n=3):
    frames = []
    for i in range(n_types * n):
        atoms = Atoms("H", info={"config_type": f"type {i % n_types:02d}"})
        atoms.calc = SinglePointCalculator(atoms, energy=float(i))
        frames.append(atoms)
    return Comparison.from_predictions(frames, [{"energy": i + 0.01} for i in range(len(frames))])


def test_parity_shows_every_point_once_and_its_error_below(comparison):
    upper, lower = parity_plot(comparison, "forces").axes
    for axes in (upper, lower):
        assert sum(len(c.get_offsets()) for c in axes.collections) == len(comparison.samples["forces"].reference)
    errors = np.sort(np.concatenate([c.get_offsets()[:, 1] for c in lower.collections]))
    np.testing.assert_allclose(errors, np.sort(comparison.samples["forces"].error))


def test_energies_are_drawn_in_ev_and_their_errors_in_mev(comparison):
    upper, lower = parity_plot(comparison, "energy").axes
    assert "eV/atom" in upper.get_ylabel() and "meV/atom" in lower.get_ylabel()
    points = np.concatenate([c.get_offsets()[:, 0] for c in upper.collections])
    np.testing.assert_allclose(np.sort(points), np.sort(comparison.samples["energy"].reference / 1e3))


def test_many_points_are_plotted_as_density(comparison, monkeypatch):
    monkeypatch.setattr(plots, "MAX_POINTS", 10)
    assert parity_plot(comparison, "forces").axes[0].get_legend() is None


@pytest.mark.parametrize(("n_types", "shown"), [(1, 0), (2, 2), (7, 7), (30, 7)])
def test_rare_configuration_types_are_joined_as_other(n_types, shown):
    upper = parity_plot(comparison_of_types(n_types), "energy").axes[0]
    legend = upper.get_legend()
    assert (0 if legend is None else len(legend.get_texts())) == shown
    assert sum(len(c.get_offsets()) for c in upper.collections) == 3 * n_types
    if n_types > 7:
        assert legend.get_texts()[-1].get_text() == "other"


def test_types_differ_by_marker_as_well_as_by_colour():
    paths = [c.get_paths()[0].vertices for c in parity_plot(comparison_of_types(4), "energy").axes[0].collections]
    assert all(len(a) != len(b) or not np.allclose(a, b) for i, a in enumerate(paths) for b in paths[:i])


def test_a_single_point_and_zero_errors_can_be_plotted():
    first = comparison_of_types(1, n=1)
    exact = Comparison.from_predictions([Atoms("H")], [{}])
    assert exact.samples == {}
    for figure in (parity_plot(first, "energy"), error_histogram({"test": first}, "energy")):
        assert svg_file(figure, "one").startswith(b"<?xml")


def test_predictions_that_are_not_finite_do_not_stop_a_figure():
    atoms = Atoms("H")
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    broken = Comparison.from_predictions([atoms, atoms], [{"energy": np.nan}, {"energy": 1.1}])
    svg_file(parity_plot(broken, "energy"), "a")
    svg_file(error_histogram({"test": broken}, "energy"), "b")


def test_drawing_leaves_the_settings_of_matplotlib_alone(comparison):
    before = dict(matplotlib.rcParams)
    svg_file(parity_plot(comparison, "stress"), "a")
    assert dict(matplotlib.rcParams) == before


def test_learning_curves_take_the_columns_of_metrics_csv_and_skip_empty_cells():
    rows = [
        {"epoch": "1", "train_loss": "3", "valid_loss": "", "valid_energy_mae (meV/atom)": "9", "seconds": "1"},
        {"epoch": "2", "train_loss": "2", "valid_loss": "4", "valid_energy_mae (meV/atom)": "8", "seconds": "2"},
        {"epoch": "3", "train_loss": "nan", "valid_loss": "3", "valid_energy_mae (meV/atom)": "7", "seconds": "3"},
    ]
    figures = learning_curves(rows)
    assert list(figures) == ["loss", "energy"]
    curves = {line.get_label(): line.get_xydata().tolist() for line in figures["loss"].axes[0].lines}
    assert curves == {"train": [[1, 3], [2, 2]], "valid": [[2, 4], [3, 3]]}
    assert figures["energy"].axes[0].get_ylabel() == "error (meV/atom)"
    assert list(learning_curves([{"epoch": e, "learning_rate": 0.1 / e} for e in (1, 2)])) == ["learning-rate"]
    assert learning_curves([]) == {} and learning_curves(rows[:1]) == {}


def test_curves_without_positive_values_can_have_a_logarithmic_axis():
    svg_file(line_plot({"a": ([0, 1], [0.0, 0.0])}, xlabel="x", ylabel="y", log=True), "a")
