"""Check output paths before a long computation starts."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from atomgraph.errors import ConfigError

RUN_FILES = ("config.yaml", "metrics.json")  # a folder with both files is a run folder


def check_file(path: Path, *, overwrite: bool, inputs: Iterable[str | Path] = (), way_out: str = "") -> None:
    """Check that a file can be written and replaces nothing by accident.

    Args:
        path: Path of the output file.
        overwrite: Whether an existing file may be replaced.
        inputs: Input files, patterns or ``FILE@INDEX``; they are never replaced.
        way_out: Advice for an existing file; by default --overwrite or another name.

    Raises:
        ConfigError: If the path exists, is a folder, a device or an input file, or if its folder does not exist or is not
            writable.
    """
    _check_folder(path.parent, f" to write {path.name} into")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file in it, {path / 'NAME'}")
    if any(_is_same(path, source) for source in _input_paths(inputs)):
        raise ConfigError(f"{path} is the input; give another name for the output")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is not a regular file; give another name")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; {way_out or 'give another name, or --overwrite'}")


def check_folder(path: Path, *, overwrite: bool) -> None:
    """Check that a folder can be created and written.

    Args:
        path: Path of the folder. The folder and its parents need not exist.
        overwrite: Whether the folder may contain files.

    Raises:
        ConfigError: If the path or a parent is a file, if the folder is not empty, or if it is a run folder, whose metrics.json
            would be replaced.
    """
    parent = next((folder for folder in (path, *path.parents) if folder.exists()), Path())
    _check_folder(parent, f" to make {path} in" if parent != path else " to write into")
    if all((path / name).exists() for name in RUN_FILES):
        raise ConfigError(f"{path} is a run folder, and its metrics.json would be replaced; give another folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ConfigError(f"{path} exists and is not empty; give another --out, or --overwrite")


def _check_folder(folder: Path, purpose: str) -> None:
    """Raise ConfigError if a folder does not exist or is not writable; ``purpose`` ends the message."""
    file = next((part for part in (folder, *folder.parents) if part.exists() and not part.is_dir()), None)
    if file is not None:
        raise ConfigError(f"{file} is a file, not a folder{purpose}")
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}{purpose}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the folder {folder} is not writable; give another one{purpose}")


def _input_paths(inputs: Iterable[str | Path]) -> Iterable[Path]:
    """Yield all paths that match input patterns, and the patterns themselves as paths."""
    for pattern in map(str, inputs):
        yield from (Path(name) for name in (pattern, pattern.partition("@")[0], *glob.glob(pattern, recursive=True)))  # noqa: PTH207  (absolute patterns, too)


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:  # one of the two does not exist
        return False
