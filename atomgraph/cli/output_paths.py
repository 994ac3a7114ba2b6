"""Checks of output paths, before hours of work."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from atomgraph.errors import ConfigError

RUN = ("config.yaml", "metrics.json")  # files by which a run folder is known


def check_file(path: Path, *, overwrite: bool, inputs: Iterable[str | Path] = (), way_out: str = "") -> None:
    """Check that a file can be written and replaces nothing by accident.

    Args:
        path: The file that will be written.
        overwrite: Whether it may replace another one.
        inputs: Input files, patterns or ``FILE@INDEX``; they are never replaced.
        way_out: Advice for an existing file; by default --overwrite or another name.

    Raises:
        ConfigError: If the path is a folder, a device or an input, exists, or if its folder is absent, no folder or not to be
            written into.
    """
    _check_folder(path.parent, f" to write {path.name} into")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file in it, {path / 'NAME'}")
    if any(_is_same(path, source) for source in _files(inputs)):
        raise ConfigError(f"{path} is the input; give another name for the output")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is no regular file; give another name")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; {way_out or 'give another name, or --overwrite'}")


def check_folder(path: Path, *, overwrite: bool) -> None:
    """Check that a folder can be created and written.

    Args:
        path: The folder; it and its parents are created later if they do not exist.
        overwrite: Whether it may have content.

    Raises:
        ConfigError: If the path or a part of it is a file, it holds something, or is a run folder, whose metrics.json would be
            lost.
    """
    parent = next((folder for folder in (path, *path.parents) if folder.exists()), Path())
    _check_folder(parent, f" to make {path} in" if parent != path else " to write into")
    if all((path / name).exists() for name in RUN):
        raise ConfigError(f"{path} is a run folder, and its metrics.json would be replaced; give another folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise ConfigError(f"{path} exists and is not empty; give another --out, or --overwrite")


def _check_folder(folder: Path, purpose: str) -> None:
    is_file = next((part for part in (folder, *folder.parents) if part.exists() and not part.is_dir()), None)
    if is_file is not None:
        raise ConfigError(f"{is_file} is a file, no folder{purpose}")
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}{purpose}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the folder {folder} is not writable; give another one{purpose}")


def _files(inputs: Iterable[str | Path]) -> Iterable[Path]:
    for pattern in map(str, inputs):
        yield from (Path(name) for name in (pattern, pattern.partition("@")[0], *glob.glob(pattern, recursive=True)))  # noqa: PTH207  (absolute patterns, too)


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:  # one of the two does not exist
        return False
