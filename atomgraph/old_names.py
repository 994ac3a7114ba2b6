"""Old names: import paths, arguments and configuration keys of the last release, and their current names.

``old_name_table.py`` and the tables that it imports list everything that was renamed. Old names work for one release, with a
warning that contains the current name. Files with old names are read without a warning.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import takewhile
from types import ModuleType
from typing import Any, TypeVar

from atomgraph.old_name_table import ARGUMENTS, MODULES, NAMES

T = TypeVar("T", bound=Callable[..., Any])

_silent: ContextVar[bool] = ContextVar("silent", default=False)


class OldNameWarning(FutureWarning):
    """Warning for a name of the last release, which the next release will not accept."""


def warn_old_name(old: str, new: str) -> None:
    """Warn that ``old`` is called ``new`` now, unless a file with old names is being read."""
    if not _silent.get():
        message = f"{old} is called {new} now; the old name works until the next release"
        warnings.warn(message, OldNameWarning, stacklevel=3)


@contextmanager
def reading_old_file() -> Iterator[None]:
    """Within this context, old names give no warning, because the user need not edit the file."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def current_path(path: str) -> str:
    """Return the current dotted path of a module, a class or a function; unchanged if it was not renamed."""
    if not path.startswith("atomgraph."):
        return path
    module, _, name = path.removeprefix("atomgraph.").rpartition(".")
    if f"{module}.{name}" in MODULES:
        return f"atomgraph.{MODULES[f'{module}.{name}']}"
    module = MODULES.get(module, module)
    current = NAMES.get(f"{module}.{name}", name)
    return f"atomgraph.{current}" if "." in current else f"atomgraph.{module}.{current}"


def current_arguments(cls: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a class of atomgraph by their current names, with a warning for each old name.

    Raises:
        TypeError: If an argument is given under both names.
    """
    table = ARGUMENTS.get(cls.__qualname__, {}) if cls.__module__.startswith("atomgraph.") else {}
    result = dict(arguments)
    for old, new in table.items():
        outer, _, key = old.rpartition(".")
        if outer:
            if outer in result:
                result[outer] = _current_keys(result[outer], key, new, f"{outer} of {cls.__name__}")
        else:
            result = _current_keys(result, old, new, cls.__name__)
    return result


def with_old_arguments(function: T) -> T:
    """Decorate a class or a function, so that it accepts keyword arguments by their names of the last release."""
    call: Callable[..., Any] = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]

    @wraps(call)
    def call_with_current_names(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **current_arguments(function, kwargs))

    if isinstance(function, type):
        function.__init__ = call_with_current_names  # type: ignore[misc]
        return function
    return call_with_current_names  # type: ignore[return-value]


class OldAttribute:
    """A method or attribute under its name of the last release: returns the renamed attribute, with a warning."""

    def __init__(self, name: str):
        self.name = name

    def __set_name__(self, owner: type, old: str) -> None:
        self.old = f"{owner.__name__}.{old}"
        self._owner, self._attribute = owner, old

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        warn_old_name(self.old, self.name)
        subclasses = takewhile(lambda cls: cls is not self._owner, owner.__mro__)
        overriding = [cls for cls in subclasses if self._attribute in vars(cls)]
        if overriding:  # a subclass with a method of the old name calls super()
            return getattr(super(overriding[-1], instance), self.name)
        return getattr(instance, self.name)


def accept_old_methods(cls: type, names: Mapping[str, str]) -> None:
    """Define methods of a class, whose names are those of the last release, also under their current names, with a warning.

    Args:
        cls: Subclass that a user may have written for the last release.
        names: Current names by old names.
    """
    for old, new in names.items():
        if old in vars(cls) and new not in vars(cls) and not isinstance(vars(cls)[old], OldAttribute):
            warn_old_name(f"{cls.__name__}.{old}", new)
            setattr(cls, new, vars(cls)[old])


def _current_keys(value: Any, old: str, new: str, owner: str) -> Any:
    """Return a mapping, or a list of mappings, with the current name of a key."""
    if isinstance(value, list | tuple):
        return type(value)(_current_keys(item, old, new, owner) for item in value)
    if not isinstance(value, Mapping) or old not in value:
        return value
    if new in value:
        raise TypeError(f"{owner} got {new} and {old}, its name of the last release; give {new} only")
    warn_old_name(f"{owner}({old}=...)", f"{new}=...")
    return {new if key == old else key: item for key, item in value.items()}


def old_names_of(module: str) -> Callable[[str], Any]:
    """Return the function ``__getattr__`` of a module that was renamed, or that has renamed classes or functions."""

    def __getattr__(name: str) -> Any:
        old = f"{module}.{name}"
        new = current_path(old)
        if new == old or name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = _object_at(new)
        warn_old_name(old, new)
        return value

    return __getattr__


def _object_at(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


class _OldModules(MetaPathFinder, Loader):
    """Finds modules by their old names."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        is_old_name = name.startswith("atomgraph.") and name.removeprefix("atomgraph.") in MODULES
        return ModuleSpec(name, self, is_package=True) if is_old_name else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Give an old module a ``__getattr__`` that returns the objects of the current module."""
        module.__dict__["__getattr__"] = old_names_of(module.__name__)


def find_old_modules() -> None:
    """Let ``import`` find modules by their old names; modules with current names are found first."""
    if not any(isinstance(finder, _OldModules) for finder in sys.meta_path):
        sys.meta_path.append(_OldModules())
