"""Additional loggers: TensorBoard, Weights & Biases."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomgraph.errors import ConfigError

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


def check_loggers(names: Sequence[str]) -> None:
    """Raise ConfigError if a logger is not installed; the message has the command that installs the logger."""
    for name in names:
        if name != "csv" and find_spec(name) is None:
            raise ConfigError(
                f"output.loggers: {name} is not installed; run pip install 'atomgraph[{name}]', or remove {name} from the list"
            )


def make_loggers(names: Sequence[str], folder: Path, config: dict[str, Any]) -> list[Logger]:
    """Create the loggers of Lightning.

    Args:
        names: Names of loggers, ``csv``, ``tensorboard`` or ``wandb``; ``csv`` needs no logger of Lightning.
        folder: The run folder, for files of the loggers.
        config: The configuration, for Weights & Biases.
    """
    from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

    check_loggers(names)
    loggers: list[Logger] = []
    if "tensorboard" in names:
        loggers.append(TensorBoardLogger(save_dir=folder, name="tensorboard", version=""))
    if "wandb" in names:
        loggers.append(WandbLogger(save_dir=folder, name=folder.name, config=config))
    return loggers
