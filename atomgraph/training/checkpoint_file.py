"""A checkpoint on disk: what ``torch.save`` writes, with a SHA-256 of the whole file in the comment of its zip archive."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from atomgraph.atomic_write import write_bytes
from atomgraph.checksums import BLANK, digest
from atomgraph.errors import FormatError, a_kind

LAST, BEST = "last.ckpt", "best.ckpt"
MARK = b"atomgraph sha256 "  # and 64 digits: the comment of the archive, which other programs skip
KEY, VERSION = "atomgraph", 2  # of the contents; version 1 said nothing and had no checksum
ARCHIVE = b"PK\x03\x04"  # how such a file begins
_END = b"PK\x05\x06"  # of a zip archive without a comment, 22 bytes


class CheckpointFile(TorchCheckpointIO):
    """Writes to a second file and renames it, so that a checkpoint is complete or absent; reads with ``weights_only``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()  # torch, writing by itself, has no clear words for a full disk
        torch.save(checkpoint | {KEY: {"version": VERSION}}, content)
        write_bytes(path, with_checksum(content.getvalue()))

    def load_checkpoint(
        self, path: Any, map_location: Any = lambda storage, _: storage, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path), map_location)


def with_checksum(content: bytes) -> bytes:
    """A zip archive without a comment, given one that holds the checksum of all of it."""
    if content[-22:-18] != _END:
        raise FormatError("torch wrote an archive with a comment; its checksum has no place")
    comment = MARK + BLANK.encode()
    sealed = content[:-2] + len(comment).to_bytes(2, "little") + comment
    return sealed[: -len(BLANK)] + digest(io.BytesIO(sealed), len(sealed) - len(BLANK)).encode()


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint's contents: tensors and plain values, nothing is executed.

    Raises:
        FormatError: Where it is absent, damaged, or no checkpoint of atomgraph's, with the way out.
    """
    try:
        has_checksum = _checked(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise FormatError(f"there is no checkpoint {path}") from None
    except FormatError:
        raise
    except Exception as error:  # torch's own words advise to let it run code
        raise FormatError(
            f"{path} is not a checkpoint of atomgraph, or damaged: {_cause(path, error)}{way_out(path)}"
        ) from None
    if not isinstance(content, dict):
        raise FormatError(f"{path} is not a checkpoint of atomgraph: it holds {a_kind(content)}{way_out(path)}")
    if content.pop(KEY, None) is not None and not has_checksum:
        raise FormatError(f"{path} is damaged: its checksum is missing{way_out(path)}")
    return content


def _checked(path: Path) -> bool:
    """Whether there is a checksum, which is right then; FormatError where it is not."""
    if not path.is_file():
        raise FileNotFoundError(path) if not path.exists() else FormatError(f"{path} is no file")
    with path.open("rb") as file:
        file.seek(0, io.SEEK_END)
        place = file.tell() - len(BLANK)
        if place < len(MARK):
            return False
        file.seek(place - len(MARK))
        if file.read(len(MARK)) != MARK:
            return False
        if file.read() != digest(file, place).encode():
            raise FormatError(f"{path} is damaged: its content does not fit its checksum (SHA-256){way_out(path)}")
    return True


def _cause(path: Path, error: Exception) -> str:
    """The first line of an error, without torch's advice; of what is no archive, that it is none."""
    with path.open("rb") as file:
        if file.read(4) != ARCHIVE:
            return "it is no zip archive, as torch writes them"
    line = (str(error).splitlines() or [""])[0].partition(". ")[0][:160]
    if "weights only" in line.lower() or "weights_only" in line:
        return "it holds something else than tensors and plain values, which is not read because it could run code"
    return line or type(error).__name__


def way_out(path: Path) -> str:
    """What to do instead, as the end of a sentence."""
    best = path.with_name(BEST)
    if path.name != BEST and best.is_file():
        return f". Copy {best} over it to go on from the best epoch, or start the run again (--overwrite)"
    if path.name == BEST:
        return f". Remove it to go on with {LAST}, or start the run again (--overwrite)"
    return ". Start the run again (--overwrite)"
