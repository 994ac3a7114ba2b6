"""Readers of potential files; the format is recognised by the content of the file.

A reader is a module with two functions, listed in ``READERS``. ``recognises(path, start) -> bool`` decides from the path and
from ``start``, the first 4096 bytes of the file (empty for a folder). ``read(path, hints) -> (model, metadata)`` uses the
elements and units that the user states (``formats.hints``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atomgraph.errors import FormatError
from atomgraph.formats import ace_yaml, deepmd, gap, native, nequip, snap, torch_save
from atomgraph.formats.finite_check import check_finite
from atomgraph.formats.hints import FileHints
from atomgraph.formats.unrecognised import describe_file
from atomgraph.models.energy import EnergyModel
from atomgraph.old_names import old_names_of

READERS: tuple[Any, ...] = (native, deepmd, torch_save, nequip, gap, snap, ace_yaml)
RUN_FOLDER_FILE = "model.safetensors"


def read(path: str | Path, hints: FileHints | None = None) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model and the metadata of a potential's file, or of the potential in a run folder.

    Args:
        path: File or run folder.
        hints: Elements and units that the user states.

    Raises:
        FormatError: If the file is missing, unreadable, corrupt, or of an unsupported format.
    """
    path = find(path)
    start = first_bytes(path)
    for reader in READERS:
        if reader.recognises(path, start):
            model, metadata = _call_reader(reader, path, hints or FileHints())
            check_finite(str(path), model.state_dict())
            return model, metadata
    raise FormatError(f"{path} {describe_file(path, start)}")


def _call_reader(reader: Any, path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Call a reader; any exception, such as that of a damaged file, becomes a FormatError."""
    try:
        model, metadata = reader.read(path, hints)
    except FormatError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise FormatError(f"{path} cannot be read, it may be damaged ({type(error).__name__}: {reason})") from error
    return model, metadata


def find(path: str | Path) -> Path:
    """Return the path of a file, or of the potential in a run folder; FormatError if it does not exist."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FormatError(f"no potential at {path}")
    return path / RUN_FOLDER_FILE if (path / RUN_FOLDER_FILE).is_file() else path


def first_bytes(path: Path) -> bytes:
    """Return the first 4096 bytes of a file, for the recognition of the format; empty for a folder."""
    if path.is_dir():
        return b""
    if not path.is_file():  # a pipe or a device may never end
        raise FormatError(f"{path} is not a regular file; copy its content into a regular file")
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


__getattr__ = old_names_of(__name__)
