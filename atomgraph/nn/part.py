"""Part: a module that stores its constructor arguments, so that a potential can be written to a file and built again."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.element_edit import (
    ElementEdit,
    FeatureColumns,
    cannot_edit_error,
    changed_columns_error,
    rebuild,
)
from atomgraph.nn.linear_map import LinearMap, require_no_matrices
from atomgraph.old_names import current_arguments, current_path, old_names_of, warn_old_name


class PartType(type):
    """Metaclass of parts: constructors accept arguments by their names of the last release."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **current_arguments(cls, kwargs))

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of the constructor, for ``inspect`` and ``help``."""
        constructor = inspect.signature(cls.__init__)  # type: ignore[misc]
        return constructor.replace(parameters=list(constructor.parameters.values())[1:])


class Part(torch.nn.Module, metaclass=PartType):
    """Base of every featurizer, layer, readout and model: a ``torch.nn.Module`` that stores its constructor arguments.

    Arguments are plain values (numbers, strings, booleans, None, lists, dicts), irreps, or other parts. ``to_spec`` converts
    them to JSON, and ``build`` makes the part from JSON. Learned numbers are stored in the state dict.
    """

    _arguments: dict[str, Any]
    group: str | None = None
    """Parameter group of the weights (``models.parameter_groups``); None: the group of the part that contains this one."""
    follows_columns: bool = False
    """Whether ``element_weights`` can adapt to features whose columns change with the elements (``edit.columns``)."""
    inner_groups: ClassVar[Mapping[str, str]] = {}
    """Parameter groups of weights and modules inside this part that are in another group, by name."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        part = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(part, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(list(bound.arguments.items())[1:])
        for parameter in _parameters(cls):
            if parameter.kind is parameter.VAR_KEYWORD:  # **kwargs are stored under their own names
                arguments |= arguments.pop(parameter.name)
            elif parameter.kind is parameter.VAR_POSITIONAL and not arguments[parameter.name]:
                del arguments[parameter.name]
        object.__setattr__(part, "_arguments", {name: _copy_container(value) for name, value in arguments.items()})
        return part

    @property
    def arguments(self) -> dict[str, Any]:
        """Constructor arguments by name, including defaults."""
        return dict(self._arguments)

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the weights of this part that are linear maps, by name, without weights of parts inside this one.

        Low-rank adaptation does not change weights that are not described.

        Raises:
            WiringError: If the part has weights with two axes or more and does not define this method.
        """
        return require_no_matrices(self)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments of this part for changed elements.

        Args:
            edit: Change of the elements, and of the columns of the features that this part reads.

        Raises:
            WiringError: If the part depends on elements and does not define ``element_weights``, or if the columns changed
                and the part cannot adapt to them (``follows_columns``).
        """
        arguments = {name: rebuild(value, edit.with_columns(None)) for name, value in self.arguments.items()}
        if "elements" in arguments:
            if type(self).element_weights is Part.element_weights:
                raise cannot_edit_error(self)
            arguments["elements"] = edit.names
        if edit.columns is not None:
            if not self.follows_columns:
                raise changed_columns_error(self)
            arguments["irreps_in"] = edit.columns.width
        return arguments

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Entries of the state dict of this part that change with the elements, without entries of parts inside this one.

        A part with the argument ``elements`` defines this method: a table with one row per element becomes
        ``table[edit.rows]``.

        Args:
            edit: Change of the elements, and of the columns of the features that this part reads.

        Raises:
            WiringError: If the part depends on elements and does not define this method.
        """
        if "elements" in self._arguments:
            raise cannot_edit_error(self)
        return {}

    def element_columns(self, new_part: Any, edit: ElementEdit) -> FeatureColumns | None:
        """Change of the columns of the features that this part returns; None if the columns do not change.

        Args:
            new_part: This part, built for the new elements; for a layer, the layer before the change.
            edit: Change of the elements.
        """
        if any(
            isinstance(part, Part) and type(part).element_columns is not Part.element_columns
            for part in self.children()
        ):
            raise cannot_edit_error(self)
        return None


def to_spec(part: Part) -> dict[str, Any]:
    """Convert a part to a nested mapping ``{"kind": dotted path, argument: value, ...}`` of JSON values.

    Raises:
        WiringError: If an argument cannot be written as JSON or is named ``kind``, or if the class is not at the top level of
            a module.
    """
    cls = type(part)
    if "kind" in part.arguments:
        raise WiringError(f"{cls.__name__} has an argument 'kind', which is the key of its class; give it another name")
    if any(p.kind is p.VAR_POSITIONAL and p.name in part.arguments for p in _parameters(cls)):
        raise WiringError(f"{cls.__name__} takes arguments by position; take them as a list, so that they have a name")
    if "." in cls.__qualname__:
        raise WiringError(f"{cls.__qualname__} cannot be found again by name; define it at the top level of a module")
    return {"kind": public_name(cls)} | {
        name: _to_json(value, f"{cls.__name__}({name}=...)") for name, value in part.arguments.items()
    }


def build(spec: dict[str, Any], *, trust_imports: bool = False) -> Part:
    """Make a part from its specification.

    Classes outside atomgraph must be in modules that the program has already imported. A file that names a class therefore
    cannot run code.

    Args:
        spec: Mapping, as ``to_spec`` returns it.
        trust_imports: Import modules outside atomgraph; for the user's own configuration only.

    Raises:
        WiringError: If the class is unknown, or an argument is missing or unknown.
    """
    if not isinstance(spec, dict) or not isinstance(spec.get("kind"), str):
        raise WiringError(f"a part is described by a mapping with a 'kind', but got {spec!r}")
    cls = resolve_class(spec["kind"], trust_imports=trust_imports)
    arguments = {name: _from_json(value, trust_imports) for name, value in spec.items() if name != "kind"}
    arguments = current_arguments(cls, arguments)
    parameters = [] if cls.__init__ is torch.nn.Module.__init__ else _parameters(cls)
    named = {p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    for name in arguments:
        if name not in named and not any(p.kind is p.VAR_KEYWORD for p in parameters):
            raise WiringError(f"{cls.__name__} has no argument {name!r}{nearest(name, named)}")
    missing = [name for name, p in named.items() if p.default is p.empty and name not in arguments]
    if missing:
        raise WiringError(f"{cls.__name__} needs {', '.join(missing)}")
    return cls(**arguments)


def resolve_class(path: str, *, trust_imports: bool = False) -> type[Part]:
    """Return the class of parts at a dotted path such as ``atomgraph.layers.PolynomialFilter``.

    Args:
        path: Dotted path of the class.
        trust_imports: Import modules outside atomgraph; for the user's own configuration only.

    Raises:
        WiringError: If the module is unknown or not imported, or has no part of this name.
    """
    if (current := current_path(path)) != path:
        warn_old_name(path, current)
        path = current
    module_name, _, name = path.rpartition(".")
    if module_name.split(".")[0] == "atomgraph" or trust_imports:
        try:
            module = importlib.import_module(module_name) if module_name else None
        except ImportError as error:
            raise WiringError(f"no module {module_name!r} for the part {path!r}: {error}") from None
    else:
        module = sys.modules.get(module_name)
    if module is None:
        raise WiringError(
            f"the part {path!r} is not of atomgraph; if you trust it, import {module_name or 'its module'} first "
            f"(on the command line: --import {module_name or 'MODULE'})"
        )
    cls = getattr(module, name, None)
    if not (isinstance(cls, type) and issubclass(cls, Part)):
        parts = [n for n, c in vars(module).items() if isinstance(c, type) and issubclass(c, Part)]
        raise WiringError(f"{module_name} has no part {name!r}{nearest(name, parts)}")
    return cls


def public_name(cls: type[Part]) -> str:
    """Return the shortest dotted path of a class: in its package if the package exports the class, else in its module."""
    names = cls.__module__.split(".")
    package = ".".join(names[:2])
    if names[0] == "atomgraph" and getattr(sys.modules.get(package), cls.__name__, None) is cls:
        return f"{package}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _parameters(cls: type[Part]) -> list[inspect.Parameter]:
    """Parameters of the constructor after ``self``."""
    return list(inspect.signature(cls.__init__).parameters.values())[1:]


def _copy_container(value: Any) -> Any:
    """Copy a list or a dict, so that later changes by the caller have no effect on the stored argument."""
    return value.copy() if isinstance(value, list | dict) else value


def _to_json(value: Any, where: str) -> Any:
    if isinstance(value, Part):
        return to_spec(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, o3.Irreps):
        return str(value)
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): _to_json(item, where) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item, where) for item in value]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return value.tolist()
    raise WiringError(
        f"{where} cannot be written to a file: {type(value).__name__} is neither a plain value nor a part"
    )


def _from_json(value: Any, trust_imports: bool) -> Any:
    if isinstance(value, dict):
        if "kind" in value:
            return build(value, trust_imports=trust_imports)
        return {key: _from_json(item, trust_imports) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item, trust_imports) for item in value]
    return value


__getattr__ = old_names_of(__name__)
