"""Check that --overwrite does not remove input files of the new run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from atomgraph.config.in_memory import STRUCTURE_KEYS
from atomgraph.config.section import Section
from atomgraph.errors import ConfigError
from atomgraph.runs.folder import RUN_FILES


def check_overwrite_keeps_inputs(config: BaseModel, folder: Path) -> None:
    """Check that the files of the earlier run, which will be removed, are not input files of the new run.

    Files of structures that were given in memory are allowed, because the new run writes them again.

    Args:
        config: The configuration of the new run.
        folder: The run folder.

    Raises:
        ConfigError: If the folder contains an input file; the message has its key and name.
    """
    run_folder = folder.expanduser().resolve()
    for key, name in _input_files(config):
        path = Path(name).expanduser().resolve()
        path_parts = path.relative_to(run_folder).parts if path.is_relative_to(run_folder) else ()
        if path == run_folder or (path_parts and path_parts[0] in RUN_FILES):
            raise ConfigError(
                f"{key}: {name} is in the run folder {folder}, which --overwrite would empty; choose another "
                "output.folder, or copy the file elsewhere first"
            )


def _input_files(config: BaseModel) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of each input file of a configuration."""
    for section, keys in STRUCTURE_KEYS.items():
        validated = getattr(config, section, None)
        if not isinstance(validated, Section):
            continue
        for key in keys:
            value = None if key in validated._structures else getattr(validated, key)
            yield from ((f"{section}.{key}", name) for name in _file_names(value))
    start = getattr(getattr(config, "start", None), "model", None)
    yield from (("start.model", name) for name in _file_names(start))


def _file_names(value: object) -> list[str]:
    """Return the texts in a value of the configuration, which is a file name, a list of file names, or a number."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
