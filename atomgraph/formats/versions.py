"""Versions of libraries, and the time, for the metadata of files."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from atomgraph.old_names import old_names_of

LIBRARIES = ("atomgraph", "torch", "torch-geometric", "e3nn", "lightning", "ase", "matscipy", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of libraries that affect numbers, by name; missing libraries are left out."""
    return {"python": platform.python_version()} | {
        name: result for name in LIBRARIES if (result := installed_version(name))
    }


def installed_version(name: str) -> str:
    """Return the installed version of a library; an empty text if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def now() -> str:
    """Return the present time in UTC, ISO 8601; if SOURCE_DATE_EPOCH is set, the time of this variable (reproducible files)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


__getattr__ = old_names_of(__name__)
