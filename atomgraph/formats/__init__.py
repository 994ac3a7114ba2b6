"""Files of potentials, recognised by their content. A new format is one file here and one line in ``READERS``.

A reader is a module with ``recognises(path, start) -> bool`` (start: the first 4096 bytes, empty for a folder) and
``read(path, hints) -> (model, metadata)``, with what the user knows of the file in ``hints`` (``formats.hints``).
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


def read(path: str | Path, hints: FileHints | None = None) -> tuple[EnergyModel, dict[str, Any]]:
    """The model of a potential's file, or of a run folder, and the metadata of the file.

    Raises:
        FormatError: If the file is missing, unreadable, corrupt, or of an unsupported format.
    """
    path = find(path)
    start = first_bytes(path)
    for reader in READERS:
        if reader.recognises(path, start):
            model, metadata = _read_by(reader, path, hints or FileHints())
            check_finite(str(path), model.state_dict())
            return model, metadata
    raise FormatError(f"{path} {description(path, start)}")


def _read_by(reader: Any, path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Call a reader; any other exception, as from a damaged file, becomes a FormatError."""
    try:
        model, metadata = reader.read(path, hints)
    except FormatError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise FormatError(f"{path} cannot be read, it may be damaged ({type(error).__name__}: {reason})") from error
    return model, metadata


def find(path: str | Path) -> Path:
    """The file of a path, or the potential in a run folder. FormatError if there is none."""
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
