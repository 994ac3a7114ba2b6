"""Files fetched once: to a temporary name, checked, then put in their place; checked again whenever they are used."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from atomgraph.atomic_write import write_text
from atomgraph.catalogue.model_table import PublicModel
from atomgraph.errors import FormatError
from atomgraph.kernels.cache import UnsafeFolder, checked
from atomgraph.progress import terminal_progress

VARIABLE = "ATOMGRAPH_CACHE"
TIMEOUT = 30.0  # s without a byte
_CHUNK = 1 << 20
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def cache_folder() -> Path:
    """Where models are kept: ATOMGRAPH_CACHE, or atomgraph/models in the user's cache."""
    own = os.environ.get(VARIABLE)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own).expanduser() if own else Path(base) / "atomgraph" / "models"


def place_of(model: PublicModel) -> Path:
    """The file of a model in the cache, fetched or not."""
    suffix = Path(urlsplit(model.address).path).suffix or ".model"
    return cache_folder() / f"{model.name}{suffix}"


def fetched(model: PublicModel) -> Path:
    """The model's file in the cache; fetched where it is not there, or is no longer the file that was fetched.

    The checksum is the table's; where that has none, the first download's, kept in a second file.

    Raises:
        FormatError: Where it cannot be fetched, saying how to put it there by hand, where the checksum or the size is
            another, and where others can write the folder.
    """
    _check_folder()
    place, pin = place_of(model), place_of(model).with_suffix(".sha256")
    expected = model.sha256 or (pin.read_text().strip() if pin.is_file() else None)
    if place.is_file() and expected is not None and _sha256(place) == expected:
        return place
    if place.is_file() and expected is None:  # put there by hand
        write_text(pin, _sha256(place))
        return place
    _fetch(model, place, expected)
    if model.sha256 is None and not pin.is_file():
        write_text(pin, checksum := _sha256(place))
        print(
            f"{model.name}: not verified, its publishers give no checksum; this download (SHA-256 {checksum[:16]}…) is the "
            "reference for later ones",
            file=sys.stderr,
        )
    return place


def _check_folder() -> None:
    """FormatError where others can write the folder of models, or exchange it."""
    if os.name != "posix":
        return
    try:
        checked(cache_folder(), emptied=False)
    except UnsafeFolder as error:
        raise FormatError(f"public models are not kept in {cache_folder()}: {error}") from None
    except OSError as error:
        raise FormatError(f"public models cannot be kept in {cache_folder()}: {error.strerror or error}") from None


def _fetch(model: PublicModel, place: Path, expected: str | None) -> None:
    _check_address(model.address)
    by_hand = f"Fetch {model.address} elsewhere and put it at {place}"
    scratch = place.with_name(f".{secrets.token_hex(4)}-{place.name}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _OPENER.open(model.address, timeout=TIMEOUT) as answer, scratch.open("xb") as file:
            checksum = _copied(answer, file, model.name)
        if expected is not None and checksum != expected:
            raise FormatError(
                f"{model.name}: what {model.address} gives has the SHA-256 {checksum}, but {expected} was expected; it is "
                "damaged or was exchanged. Try again, and if that persists do not use it"
            )
        if model.size is not None and (size := scratch.stat().st_size) != model.size:
            raise FormatError(
                f"{model.name}: what {model.address} gives has {size} bytes, but {model.size} were expected"
            )
        scratch.replace(place)
    except urllib.error.HTTPError as error:
        raise FormatError(f"{model.name}: {model.address} answers {error.code} {error.reason}. {by_hand}") from None
    except urllib.error.URLError as error:
        raise FormatError(f"{model.name} cannot be fetched, is there a network? ({error.reason}). {by_hand}") from None
    except (OSError, HTTPException) as error:
        raise FormatError(f"{model.name} cannot be fetched ({error or type(error).__name__}). {by_hand}") from None
    finally:
        scratch.unlink(missing_ok=True)


def _copied(answer: Any, file: BinaryIO, name: str) -> str:
    """Copy an answer's body with a bar on the terminal; its SHA-256. OSError where it ends early."""
    length = int(answer.headers.get("Content-Length") or 0)
    digest, done = hashlib.sha256(), 0
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with terminal_progress(*columns) as progress:
        task = progress.add_task(name, total=length or None)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress.update(task, completed=done)
    if length and done != length:
        raise OSError(f"it ended after {done} of {length} bytes")
    return digest.hexdigest()


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        _check_address(arguments[-1])
        return super().redirect_request(*arguments)


_OPENER = urllib.request.build_opener(_Redirects())


def _check_address(address: str) -> None:
    """Encrypted, or this machine; FormatError otherwise."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise FormatError(f"{address} is not fetched: models come by https only")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
