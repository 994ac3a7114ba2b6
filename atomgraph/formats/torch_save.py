"""Files of ``torch.save``: the program that wrote a file is recognised by the object in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atomgraph.formats import mace, nequip, schnetpack, sevennet
from atomgraph.formats.file_errors import file_errors
from atomgraph.formats.hints import FileHints
from atomgraph.formats.pickled.archive import ZIP_START, Archive, has_record
from atomgraph.models.energy import EnergyModel

#: Readers with ``recognises_root(root) -> bool`` and ``read_archive(path, archive, hints)``. Files that none of them recognises
#: are read as files of MACE, whose reader knows the errors of many other files.
ROOT_READERS: tuple[Any, ...] = (sevennet, nequip, schnetpack)
_PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def recognises(path: Path, start: bytes) -> bool:
    """Return whether the file was probably written by ``torch.save``, of present or old versions."""
    if start.startswith(_PICKLE_STARTS):
        return b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." in start  # magic number of torch < 1.6
    if not start.startswith(ZIP_START):
        return False
    return b"data.pkl" in start[:256] or path.suffix == ".model" or has_record(path, f"/{Archive.PICKLE}")


def read(path: Path, hints: FileHints) -> tuple[EnergyModel, dict[str, Any]]:
    """Return the model of a file and metadata on its origin.

    Raises:
        FormatError: If the file is damaged, or of a program or kind that is not supported.
    """
    with file_errors(path):
        archive = Archive(path)
        if not archive.is_script:
            for reader in ROOT_READERS:
                if reader.recognises_root(archive.root):
                    model, metadata = reader.read_archive(path, archive, hints)
                    return model, metadata
    return mace.read(path, hints)
