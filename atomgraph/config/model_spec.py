"""Checks and completes model specifications such as ``{kind: GCN, cutoff: 5.0, ...}``: kinds, arguments and their types."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from atomgraph import models
from atomgraph.config.foreign_keys import unknown_key_hint
from atomgraph.config.part_modules import PART_MODULES, part_by_name
from atomgraph.config.type_descriptions import describe_type
from atomgraph.errors import AtomgraphError, ConfigError, WiringError, nearest
from atomgraph.models import EnergyModel
from atomgraph.nn.part import Part, build, public_name, resolve_class
from atomgraph.old_names import current_arguments

INHERITED = ("elements", "cutoff")  # arguments that a nested part takes from the part that contains it
WORDS_FOR_KIND = ("model", "type", "_target_", "class")  # words for kind in other programs


_may_import: ContextVar[bool] = ContextVar("may_import", default=True)


@contextmanager
def without_imports() -> Iterator[None]:
    """Within this context, kinds are classes of atomgraph or of modules that are imported already; no module is imported."""
    token = _may_import.set(False)
    try:
        yield
    finally:
        _may_import.reset(token)


def build_model(spec: Mapping[str, Any]) -> EnergyModel:
    """Build the model of a resolved specification.

    Raises:
        ConfigError: If the parts do not fit together, or the kind is not an ``EnergyModel``.
    """
    try:
        model = build(dict(spec), trust_imports=_may_import.get())
    except (AtomgraphError, ValueError, TypeError) as error:
        raise ConfigError(f"model: {error}") from error
    if not isinstance(model, EnergyModel):
        raise ConfigError(
            f"model.kind: {spec['kind']} is not an EnergyModel; known are {', '.join(_energy_model_names())}"
        )
    return model


def resolve_spec(
    spec: Any, elements: Sequence[str], location: str = "model", inherited: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Check and complete the specification of a part: kinds as dotted paths, values for ``auto``, inherited arguments.

    Args:
        spec: A mapping with ``kind`` and the arguments of the part.
        elements: Chemical symbols that replace ``elements: auto``.
        location: Location of the specification in the configuration, for messages.
        inherited: Elements and cutoff of the part that contains this part; None for a model.

    Returns:
        The specification with all nested parts, for ``build_model``.

    Raises:
        ConfigError: If a kind or argument is unknown, an argument is missing, or a value has the wrong type.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("kind"), str):
        raise ConfigError(
            f"{location} should be a mapping with a kind, such as {{kind: GCN, cutoff: 5.0}}, but is {spec!r}"
        )
    cls = part_class(spec["kind"], f"{location}.kind")
    arguments = dict(spec) | ({"elements": list(elements)} if spec.get("elements") == "auto" else {})
    try:  # with old names, because the specification may not be from ``read_config``
        arguments = current_arguments(cls, arguments)
    except TypeError as error:
        raise ConfigError(f"{location}: {error}") from error
    parameters = _parameters(cls)
    if inherited is None and "elements" in parameters:
        arguments.setdefault("elements", list(elements))
    inherited = dict(inherited or {})
    for name in INHERITED:
        if (
            name in parameters
            and name not in arguments
            and name in inherited
            and parameters[name].default in (_REQUIRED, None)
        ):
            arguments[name] = inherited[name]
    inherited_by_nested = inherited | {name: arguments[name] for name in INHERITED if name in arguments}
    _check_names(cls, parameters, arguments, location)
    result: dict[str, Any] = {"kind": public_name(cls)}
    hints = _type_hints(cls)
    for name, value in arguments.items():
        if name == "kind":
            continue
        result[name] = _resolve_parts(value, elements, f"{location}.{name}", inherited_by_nested)
        if name in hints and not _contains_parts(value):
            _check_type(value, hints[name], f"{location}.{name}")
        if (
            name == "radii"
            and isinstance(value, Mapping)
            and (not_positive := [key for key, radius in value.items() if not radius > 0])
        ):
            raise ConfigError(
                f"{location}.radii should be positive, but that of {not_positive[0]} is {value[not_positive[0]]}"
            )
        if name == "cutoff" and isinstance(value, int | float) and not value > 0:
            raise ConfigError(f"{location}.cutoff should be positive, in Å, but is {value}")
    return result


def part_class(kind: str, location: str) -> type[Part]:
    """Return the class of a short name or a dotted path. Modules of the user can be in the working folder."""
    if "." in kind:
        folder = str(Path.cwd())
        if _may_import.get() and folder not in sys.path:
            sys.path.append(folder)
        try:
            return resolve_class(kind, trust_imports=_may_import.get())
        except WiringError as error:
            raise ConfigError(f"{location}: {error}") from error
    cls = part_by_name(kind)
    if cls is not None:
        return cls
    names = _energy_model_names() if location == "model.kind" else _part_names()
    raise ConfigError(f"{location}: there is no part {kind!r}{nearest(kind, names)}")


def check_argument(kind: str, name: str, location: str = "model") -> None:
    """Check that a class has an argument.

    Args:
        kind: Dotted path of the class.
        name: Name of the argument.
        location: Location of the specification in the configuration, for messages.

    Raises:
        ConfigError: If the class has no such argument.
    """
    cls = part_class(kind, f"{location}.kind")
    parameters = _parameters(cls)
    if name not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise ConfigError(f"{location}.{name}: unknown key{_hint(name, list(parameters), cls)}")


_REQUIRED = inspect.Parameter.empty
_STRICT = ConfigDict(arbitrary_types_allowed=True, strict=True)


def _parameters(cls: type[Part]) -> dict[str, inspect.Parameter]:
    """Return the parameters of the constructor of a class, without ``self``."""
    if cls.__init__ is Part.__init__:
        return {}
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])


def _check_names(
    cls: type[Part], parameters: dict[str, inspect.Parameter], arguments: dict[str, Any], location: str
) -> None:
    """Raise ConfigError for unknown and missing arguments."""
    accepts_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    names = [n for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    for name in arguments:
        if name not in (*names, "kind") and not accepts_all:
            raise ConfigError(f"{location}.{name}: unknown key{_hint(str(name), names, cls)}")
    missing = [n for n in names if parameters[n].default is _REQUIRED and n not in arguments]
    if missing:
        raise ConfigError(f"{location}.{missing[0]} is missing; {cls.__name__} needs it")


def _hint(name: str, valid_names: Sequence[str], cls: type[Part]) -> str:
    """Return a hint for an unknown argument.

    Words of other programs are looked up before similar spellings, which can have another meaning.
    """
    equal_names = [valid for valid in valid_names if valid.replace("_", "") == name.lower().replace("_", "")]
    if equal_names:
        return nearest(name, equal_names)
    if name.lower() in WORDS_FOR_KIND:
        return "; here that is kind"
    hint = unknown_key_hint(name)
    argument = hint.removeprefix("; here that is ")
    if argument.isidentifier() and argument not in valid_names:
        return f"{hint}, which {cls.__name__} does not have; it has {', '.join(valid_names)}"
    return hint or nearest(name, valid_names)


def _type_hints(cls: type[Part]) -> dict[str, Any]:
    """Return the type hints of the constructor of a class; empty if a hint cannot be evaluated."""
    try:
        return get_type_hints(cls.__init__)
    except (NameError, TypeError):
        return {}


def _check_type(value: Any, hint: Any, location: str) -> None:
    """Raise ConfigError if a value does not have the type of a hint."""
    try:
        TypeAdapter(hint, config=_STRICT).validate_python(value)
    except ValidationError as error:
        indices = "".join(f"[{key}]" for key in error.errors()[0]["loc"] if isinstance(key, int))
        raise ConfigError(f"{location}{indices} should be {describe_type(hint)}, but is {value!r}") from None
    except PydanticUserError:  # pydantic cannot check this type; the constructor checks the value
        return


def _resolve_parts(value: Any, elements: Sequence[str], location: str, inherited: Mapping[str, Any]) -> Any:
    """Return the value of an argument with all parts in it resolved."""
    if isinstance(value, Mapping):
        if "kind" in value:
            return resolve_spec(value, elements, location, inherited)
        return {key: _resolve_parts(item, elements, f"{location}.{key}", inherited) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve_parts(item, elements, f"{location}.{i}", inherited) for i, item in enumerate(value)]
    return value


def _contains_parts(value: Any) -> bool:
    """Whether a value is a part or contains parts."""
    if isinstance(value, Mapping):
        return "kind" in value or any(_contains_parts(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_contains_parts(item) for item in value)


def _part_names() -> list[str]:
    """Return the short names of all parts."""
    return [
        name
        for package in PART_MODULES
        for name, item in vars(package).items()
        if isinstance(item, type) and issubclass(item, Part)
    ]


def _energy_model_names() -> list[str]:
    """Return the names of all models in ``atomgraph.models``."""
    return [name for name, item in vars(models).items() if isinstance(item, type) and issubclass(item, EnergyModel)]
