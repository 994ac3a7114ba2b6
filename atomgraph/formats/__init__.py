"""Files of potentials, recognised by what is in them. A new format is one file here and one line in ``READERS``.

A reader is a module with ``recognises(path, start) -> bool`` (start: the first 4096 bytes, empty for a folder) and
``read(path, said) -> (model, metadata)``, said being what the user says of the file (``formats.said``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atomgraph.errors import FormatError
from atomgraph.formats import ace_yaml, gap, mace, native, snap
from atomgraph.formats.finite_check import check_finite
from atomgraph.formats.hints import FileHints
from atomgraph.formats.unrecognised import description
from atomgraph.models.energy import EnergyModel
from atomgraph.old_names import old_names_of

READERS: tuple[Any, ...] = (native, mace, gap, snap, ace_yaml)
IN_RUN_FOLDER = "model.safetensors"


def read(path: str | Path, said: FileHints | None = None) -> tuple[EnergyModel, dict[str, Any]]:
    """The model in a potential's file, or in a run folder, and what the file says of itself.

    Raises:
        FormatError: For what is absent, unreadable, corrupt, or of a format that is not read.
    """
    path = find(path)
    start = first_bytes(path)
    for reader in READERS:
        if reader.recognises(path, start):
            model, metadata = _understood(reader, path, said or FileHints())
            check_finite(str(path), model.state_dict())
            return model, metadata
    raise FormatError(f"{path} {description(path, start)}")


def _understood(reader: Any, path: Path, said: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """What a reader gives; whatever else than a FormatError comes out of a damaged file becomes one."""
    try:
        model, metadata = reader.read(path, said)
    except FormatError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise FormatError(f"{path} cannot be read, it may be damaged ({type(error).__name__}: {reason})") from error
    return model, metadata


def find(path: str | Path) -> Path:
    """The file that a path means: itself, or the potential of a run folder. FormatError if there is none."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FormatError(f"no potential at {path}")
    return path / IN_RUN_FOLDER if (path / IN_RUN_FOLDER).is_file() else path


def first_bytes(path: Path) -> bytes:
    """What a reader needs to see to know its own: the first 4096 bytes; none of a folder."""
    if path.is_dir():
        return b""
    if not path.is_file():  # a pipe or a device may never end
        raise FormatError(f"{path} is no regular file; copy its content into one")
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


__getattr__ = old_names_of(__name__)
