"""Versions of libraries and the time, as written into files."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("atomgraph", "torch", "torch-geometric", "e3nn", "lightning", "ase", "matscipy", "numpy")


def versions() -> dict[str, str]:
    """Version by name of Python and the libraries that numbers depend on; those that are not installed are left out."""
    return {"python": platform.python_version()} | {name: result for name in LIBRARIES if (result := version_of(name))}


def version_of(name: str) -> str:
    """The installed version of a library, or an empty word."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def now() -> str:
    """The time in UTC to the second, ISO 8601; SOURCE_DATE_EPOCH stands in for it where files must be reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
