"""The run folder: its files and their names."""

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
from atomgraph.runs.folder_lock import is_free

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
    """Paths in a run folder."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / CHECKPOINTS

    @classmethod
    def new(cls, path: str | Path, *, overwrite: bool, command: str = "train") -> Self:
        """The folder of a new run; ConfigError in the first process if it has content."""
        folder = cls(Path(path))
        if is_first_process():
            folder.check_free(overwrite=overwrite, command=command)
        return folder

    def check_free(self, *, overwrite: bool, command: str = "train") -> None:
        """ConfigError if the folder has content; with ``overwrite`` an earlier run is allowed."""
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"output.folder: {self.path} is a file")
        if not self.path.is_dir() or is_free(self.path):
            return
        if not overwrite:
            raise ConfigError(
                f"the run folder {self.path} exists already; choose another output.folder, go on with "
                f"`atomgraph {command} --resume {self.path}`, or replace it with --overwrite"
            )
        others = sorted(p.name for p in self.path.iterdir() if p.name not in RUN_FILES and not p.name.startswith("."))
        if not (self.path / CONFIG).is_file() or others:
            raise ConfigError(
                f"{self.path} is more than a run folder ({', '.join(others[:3]) or 'it has no config.yaml'}); left alone"
            )

    def claim(self, config: str, split: dict[str, Any], *, overwrite: bool) -> None:
        """Create the folder with configuration and split; files of an earlier run are removed if ``overwrite``."""
        if overwrite and (self.path / CONFIG).is_file():
            self._clear()
        is_new = not self.path.exists()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"output.folder: {self.path} cannot be made: {error.strerror}") from error
        try:
            self.write_json(SPLIT, split)
            write_text(self.path / CONFIG, config)
        except FormatError:  # partial content would block the next attempt
            self._clear()
            if is_new:
                self.path.rmdir()
            raise

    def _clear(self) -> None:
        for name in RUN_FILES:
            path = self.path / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file; after an error there is no partial file."""
        write_text(self.path / name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def run_to_resume(folder: str | Path) -> RunFolder:
    """The folder of a run to resume; ConfigError if it is no run folder."""
    run = RunFolder(Path(folder))
    if not run.path.is_dir():
        raise ConfigError(f"there is no run folder {run.path}")
    if not (run.path / CONFIG).is_file():
        raise ConfigError(f"{run.path} is no run folder of atomgraph: it has no config.yaml")
    return run
