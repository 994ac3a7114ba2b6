import io

from helpers.training_data import graphs, potential
from rich.console import Console

from atomgraph.data import GraphDataModule
from atomgraph.progress import duration
from atomgraph.training import Checkpoints, PotentialTask, Term, fit, make_trainer
from atomgraph.training.epoch_progress import TrainingProgress
from atomgraph.training.error_sums import column_header, format_error


def test_errors_have_units():
    assert format_error("energy_mae", 0.0123) == "energy MAE 12.3 meV/atom"
    assert format_error("forces_rmse", 0.15) == "forces RMSE 0.15 eV/Å"
    assert format_error("stress_mae", 1.0) == "stress MAE 160 GPa"
    assert column_header("valid_stress_mae") == "valid_stress_mae (GPa)"
    assert [duration(s) for s in (4.4, 75.2, 7260)] == ["4 s", "1 min 15 s", "2 h 1 min"]


def test_terminal_shows_a_bar_and_one_line_per_epoch(tmp_path):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    task = PotentialTask(potential(), [Term("energy"), Term("forces", metric="rmse")])
    trainer = make_trainer(Checkpoints(tmp_path), [TrainingProgress(console)], max_epochs=2, accelerator="cpu")
    fit(trainer, task, GraphDataModule(graphs(4), graphs(2, seed=1)))
    said = screen.getvalue()
    for words in ("epoch 2/2", "meV/atom", "forces RMSE", "structures/s", "━"):
        assert words in said
