"""The run folder: names of its files, and functions that create and check it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from atomgraph.atomic_write import write_text
from atomgraph.config.distributed import is_first_process
from atomgraph.config.in_memory import FOLDER as STRUCTURES
from atomgraph.errors import ConfigError, FormatError
from atomgraph.runs.folder_lock import is_empty_except_lock

MODEL, CONFIG, TABLE, METRICS, SPLIT, REPORT, CARD = (
    "model.safetensors",
    "config.yaml",
    "metrics.csv",
    "metrics.json",
    "split.json",
    "report.html",
    "card.json",
)
CHECKPOINTS = "checkpoints"
RUN_FILES = {
    MODEL,
    CONFIG,
    TABLE,
    METRICS,
    SPLIT,
    REPORT,
    CARD,
    CHECKPOINTS,
    STRUCTURES,
    "plots",
    "tensorboard",
    "wandb",
}


@dataclass(frozen=True)
class RunFolder:
    """A run folder.

    Attributes:
        path: Path of the folder.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / CHECKPOINTS

    @classmethod
    def new(cls, path: str | Path, *, overwrite: bool, command: str = "train") -> Self:
        """Return the folder of a new run.

        Args:
            path: Path of the folder.
            overwrite: Whether the folder may contain an earlier run.
            command: Name of the command for this kind of run, for messages.

        Raises:
            ConfigError: In the first process, if the folder has content.
        """
        folder = cls(Path(path))
        if is_first_process():
            folder.check_free(overwrite=overwrite, command=command)
        return folder

    def check_free(self, *, overwrite: bool, command: str = "train") -> None:
        """Raise ConfigError if the folder has content; with ``overwrite`` the files of an earlier run are allowed."""
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"output.folder: {self.path} is a file")
        if not self.path.is_dir() or is_empty_except_lock(self.path):
            return
        if not overwrite:
            raise ConfigError(
                f"the run folder {self.path} exists already; choose another output.folder, resume the run with "
                f"`atomgraph {command} --resume {self.path}`, or replace it with --overwrite"
            )
        other_files = sorted(
            p.name for p in self.path.iterdir() if p.name not in RUN_FILES and not p.name.startswith(".")
        )
        if not (self.path / CONFIG).is_file() or other_files:
            reason = f"it has other files ({', '.join(other_files[:3])})" if other_files else "it has no config.yaml"
            raise ConfigError(f"{self.path} cannot be replaced: {reason}; choose another output.folder")

    def claim(self, config: str, split: dict[str, Any], *, overwrite: bool) -> None:
        """Create the folder and write the configuration and the split.

        Args:
            config: The configuration, as YAML.
            split: The split, for ``split.json``.
            overwrite: Whether to remove the files of an earlier run.
        """
        if overwrite and (self.path / CONFIG).is_file():
            self._clear()
        is_new = not self.path.exists()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"output.folder: {self.path} cannot be created: {error.strerror}") from error
        try:
            self.write_json(SPLIT, split)
            write_text(self.path / CONFIG, config)
        except FormatError:  # files in the folder would be an error in the next attempt
            self._clear()
            if is_new:
                self.path.rmdir()
            raise

    def _clear(self) -> None:
        """Remove the files of a run."""
        for name in RUN_FILES:
            path = self.path / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file into the folder; an error leaves no incomplete file."""
        write_text(self.path / name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def find_run(folder: str | Path) -> RunFolder:
    """Return the folder of an existing run; ConfigError if the path is not a run folder."""
    run = RunFolder(Path(folder))
    if not run.path.is_dir():
        raise ConfigError(f"there is no run folder {run.path}")
    if not (run.path / CONFIG).is_file():
        raise ConfigError(f"{run.path} is not a run folder of atomgraph: it has no config.yaml")
    return run
