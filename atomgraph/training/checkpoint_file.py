"""File of a checkpoint: the zip archive of ``torch.save``, with its SHA-256 checksum in the comment of the archive."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from atomgraph.atomic_write import write_bytes
from atomgraph.checksums import BLANK, digest
from atomgraph.errors import FormatError, a_kind
from atomgraph.old_names import old_names_of

LAST, BEST = "last.ckpt", "best.ckpt"
MARK = b"atomgraph sha256 "  # start of the comment, before 64 digits; other programs ignore the comment
KEY, VERSION = "atomgraph", 2  # entry with the version; version 1 has neither this entry nor a checksum
ARCHIVE = b"PK\x03\x04"  # first bytes of a zip archive
_END = b"PK\x05\x06"  # first bytes of the last record, which has 22 bytes without a comment


class CheckpointFile(TorchCheckpointIO):
    """Checkpoint files for Lightning: written atomically, with a checksum, and read with ``weights_only``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()  # for a full disk, write_bytes has a clearer message than torch
        torch.save(checkpoint | {KEY: {"version": VERSION}}, content)
        write_bytes(path, add_checksum(content.getvalue()))

    def load_checkpoint(
        self, path: Any, map_location: Any = lambda storage, _: storage, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path), map_location)


def add_checksum(content: bytes) -> bytes:
    """Add a comment with the checksum to a zip archive without a comment."""
    if content[-22:-18] != _END:
        raise FormatError("torch wrote an archive with a comment, so no checksum can be added")
    comment = MARK + BLANK.encode()
    sealed = content[:-2] + len(comment).to_bytes(2, "little") + comment
    return sealed[: -len(BLANK)] + digest(io.BytesIO(sealed), len(sealed) - len(BLANK)).encode()


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint: tensors and plain values; no code in the file is executed.

    Args:
        path: Path of the checkpoint.
        map_location: Device of the tensors, as in ``torch.load``.

    Raises:
        FormatError: If the file is missing, damaged, or not a checkpoint of atomgraph.
    """
    try:
        has_checksum = _check_checksum(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise FormatError(f"there is no checkpoint {path}") from None
    except FormatError:
        raise
    except Exception as error:  # the message of torch would recommend to execute the code
        raise FormatError(
            f"{path} is not a checkpoint of atomgraph, or damaged: {_cause(path, error)}{recovery_advice(path)}"
        ) from None
    if not isinstance(content, dict):
        raise FormatError(
            f"{path} is not a checkpoint of atomgraph: it contains {a_kind(content)}{recovery_advice(path)}"
        )
    if content.pop(KEY, None) is not None and not has_checksum:
        raise FormatError(f"{path} is damaged: its checksum is missing{recovery_advice(path)}")
    return content


def _check_checksum(path: Path) -> bool:
    """Return whether the file has a checksum; FormatError for a wrong checksum."""
    if not path.is_file():
        raise FileNotFoundError(path) if not path.exists() else FormatError(f"{path} is not a file")
    with path.open("rb") as file:
        file.seek(0, io.SEEK_END)
        start = file.tell() - len(BLANK)
        if start < len(MARK):
            return False
        file.seek(start - len(MARK))
        if file.read(len(MARK)) != MARK:
            return False
        if file.read() != digest(file, start).encode():
            raise FormatError(
                f"{path} is damaged: its content does not fit its checksum (SHA-256){recovery_advice(path)}"
            )
    return True


def _cause(path: Path, error: Exception) -> str:
    """Return a short reason: the file is no zip archive, or the first line of the error without the advice of torch."""
    with path.open("rb") as file:
        if file.read(4) != ARCHIVE:
            return "it is not a zip archive of torch"
    line = (str(error).splitlines() or [""])[0].partition(". ")[0][:160]
    if "weights only" in line.lower() or "weights_only" in line:
        return "it contains other objects than tensors and plain values, which are not read because they could run code"
    return line or type(error).__name__


def recovery_advice(path: Path) -> str:
    """Return advice for an unusable checkpoint, as the end of an error message."""
    best = path.with_name(BEST)
    if path.name != BEST and best.is_file():
        return f". Copy {best} to {path.name} to continue from the best epoch, or start the run again (--overwrite)"
    if path.name == BEST:
        return f". Remove {path.name} to continue with {LAST}, or start the run again (--overwrite)"
    return ". Start the run again (--overwrite)"


__getattr__ = old_names_of(__name__)
