"""Check that --overwrite does not remove inputs of the new run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from atomgraph.config.in_memory import PLACES
from atomgraph.config.section import Section
from atomgraph.errors import ConfigError
from atomgraph.runs.folder import RUN_FILES


def check_inputs_stay(config: BaseModel, folder: Path) -> None:
    """Check that the folder of a replaced run has no inputs of the new run.

    Structures given in place of files are written again, so their files are allowed.

    Raises:
        ConfigError: If it has one; the message names key and file.
    """
    home = folder.expanduser().resolve()
    for key, name in _files(config):
        path = Path(name).expanduser().resolve()
        inside = path.relative_to(home).parts if path.is_relative_to(home) else ()
        if path == home or (inside and inside[0] in RUN_FILES):
            raise ConfigError(
                f"{key}: {name} lies in the run folder {folder}, which --overwrite would empty; choose another "
                "output.folder, or copy the file elsewhere first"
            )


def _files(config: BaseModel) -> Iterator[tuple[str, str]]:
    for section, keys in PLACES.items():
        part = getattr(config, section, None)
        if not isinstance(part, Section):
            continue
        for key in keys:
            value = None if key in part._structures else getattr(part, key)
            yield from ((f"{section}.{key}", name) for name in _texts(value))
    start = getattr(getattr(config, "start", None), "model", None)
    yield from (("start.model", name) for name in _texts(start))


def _texts(value: object) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
