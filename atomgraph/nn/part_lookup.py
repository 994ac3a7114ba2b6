"""Find parts by name: ``layers.ContinuousFilter`` is the class in ``layers/continuous_filter.py``, without an export."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from atomgraph.nn.part import Part
from atomgraph.old_names import old_names_of


def package_getattr(package: str) -> Callable[[str], Any]:
    """Return ``__getattr__`` for a package of parts.

    It finds a part whose file has the same name, and names of the last release (with a warning).

    Args:
        package: Dotted path of the package.
    """
    find_old_name = old_names_of(package)

    def __getattr__(name: str) -> Any:
        part = find_part(import_module(package), name) if name[:1].isupper() else None
        return find_old_name(name) if part is None else part

    return __getattr__


def find_part(package: ModuleType, name: str) -> type[Part] | None:
    """Return the part with a name, from the file of the same name in lower case, with or without underscores; else None."""
    for module in iter_modules(package.__path__):
        if module.name.replace("_", "") == name.lower():
            part = vars(import_module(f"{package.__name__}.{module.name}")).get(name)
            return part if isinstance(part, type) and issubclass(part, Part) else None
    return None


def public_parts(package: ModuleType) -> list[type[Part]]:
    """Return all parts of a package that ``package.NAME`` finds, sorted by name."""
    parts = {value for value in vars(package).values() if isinstance(value, type) and issubclass(value, Part)}
    for module in iter_modules(package.__path__):
        for name in vars(import_module(f"{package.__name__}.{module.name}")):
            if name.lower() == module.name.replace("_", "") and (part := find_part(package, name)) is not None:
                parts.add(part)
    return sorted(parts, key=lambda part: part.__name__)
