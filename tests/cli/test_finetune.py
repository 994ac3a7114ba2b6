"""atomgraph finetune: a run folder, a way to go on, and one line for what is wrong."""

import pytest
import yaml
from helpers.finetune_configs import tune

from atomgraph import load
from atomgraph.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("finetune")


def test_from_a_file_to_a_run_folder_and_on(folder, capsys):
    (folder / "tune.yaml").write_text(yaml.safe_dump(tune(folder)))
    no_better_than_nothing = 1  # so few epochs of so small a network, and the run says so
    assert main(["finetune", str(folder / "tune.yaml"), "fit.max_epochs=1"]) == no_better_than_nothing
    assert "are not smaller than those of predicting zero" in capsys.readouterr().out
    assert load(folder / "tuned").metadata["method"] == {"kind": "full"}
    assert main(["finetune", str(folder / "tune.yaml")]) == 2
    assert "atomgraph finetune --resume" in capsys.readouterr().err
    assert main(["finetune", "--resume", str(folder / "tuned"), "fit.max_epochs=2"]) == no_better_than_nothing
    assert "epoch 2/2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["start.head=fine"], "error: start.head: the starting potential has no head 'fine'"),
        (["methd.kind=full"], "error: methd: unknown key; did you mean method?"),
        (["start.model=nowhere.model"], "error: no potential at nowhere.model"),
    ],
)
def test_errors_are_one_line(folder, capsys, arguments, message):
    (folder / "wrong.yaml").write_text(yaml.safe_dump(tune(folder, "wrong")))
    assert main(["finetune", str(folder / "wrong.yaml"), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(message) and "\n" not in error
    assert not (folder / "wrong").exists()


def test_configuration_of_training_is_refused_by_finetune(folder, capsys):
    content = tune(folder, "wrong")
    content["model"] = content.pop("start")
    (folder / "train.yaml").write_text(yaml.safe_dump(content))
    assert main(["finetune", str(folder / "train.yaml")]) == 2
    assert "start: {model: FILE} instead of model; `atomgraph train` trains a new model" in capsys.readouterr().err
