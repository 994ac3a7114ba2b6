"""Resolves model specifications such as ``{kind: GCN, cutoff: 5.0, ...}``: kinds, inherited arguments, types."""

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
from atomgraph.config.foreign_keys import elsewhere
from atomgraph.config.part_modules import PART_MODULES, part_by_name
from atomgraph.config.type_words import in_words
from atomgraph.errors import AtomgraphError, ConfigError, WiringError, nearest
from atomgraph.models import EnergyModel
from atomgraph.nn.part import Part, build, public_name, resolve_class
from atomgraph.old_names import current_arguments

INHERITED = ("elements", "cutoff")
FOR_KIND = ("model", "type", "_target_", "class")  # other programs' words


_imports: ContextVar[bool] = ContextVar("imports", default=True)


@contextmanager
def only_imported() -> Iterator[None]:
    """Within this context, kinds are classes of atomgraph or of imported modules; no other module is imported."""
    token = _imports.set(False)
    try:
        yield
    finally:
        _imports.reset(token)


def build_model(spec: Mapping[str, Any]) -> EnergyModel:
    """Build the model of a resolved specification; ConfigError if its parts do not fit together."""
    try:
        model = build(dict(spec), trust_imports=_imports.get())
    except (AtomgraphError, ValueError, TypeError) as error:
        raise ConfigError(f"model: {error}") from error
    if not isinstance(model, EnergyModel):
        raise ConfigError(f"model.kind: {spec['kind']} is no EnergyModel; known are {', '.join(_energy_models())}")
    return model


def resolve_spec(
    spec: Any, elements: Sequence[str], location: str = "model", given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Resolve a specification: dotted kinds, elements in place of ``auto``, inherited elements and cutoff.

    Args:
        spec: A mapping with ``kind`` and arguments.
        elements: Chemical symbols for ``auto``.
        location: Of the specification in the configuration, for messages.
        given: Elements and cutoff of the part around this one; None for a model.

    Returns:
        The specification, nested, for ``build_model``.

    Raises:
        ConfigError: For an unknown kind or argument, a missing argument, or one of a wrong type.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("kind"), str):
        raise ConfigError(
            f"{location} should be a mapping with a kind, such as {{kind: GCN, cutoff: 5.0}}, but is {spec!r}"
        )
    cls = part_class(spec["kind"], f"{location}.kind")
    arguments = dict(spec) | ({"elements": list(elements)} if spec.get("elements") == "auto" else {})
    try:
        arguments = current_arguments(cls, arguments)
    except TypeError as error:
        raise ConfigError(f"{location}: {error}") from error
    parameters = _parameters(cls)
    if given is None and "elements" in parameters:
        arguments.setdefault("elements", list(elements))
    given = dict(given or {})
    for name in INHERITED:
        if (
            name in parameters
            and name not in arguments
            and name in given
            and parameters[name].default in (_REQUIRED, None)
        ):
            arguments[name] = given[name]
    inner = given | {name: arguments[name] for name in INHERITED if name in arguments}
    _check_names(cls, parameters, arguments, location)
    result: dict[str, Any] = {"kind": public_name(cls)}
    hints = _hints(cls)
    for name, value in arguments.items():
        if name == "kind":
            continue
        result[name] = _inside(value, elements, f"{location}.{name}", inner)
        if name in hints and not _holds_parts(value):
            _check_type(value, hints[name], f"{location}.{name}")
        if name == "radii" and isinstance(value, Mapping) and (small := [key for key, r in value.items() if not r > 0]):
            raise ConfigError(f"{location}.radii should be positive, but that of {small[0]} is {value[small[0]]}")
        if name == "cutoff" and isinstance(value, int | float) and not value > 0:
            raise ConfigError(f"{location}.cutoff should be positive, in Å, but is {value}")
    return result


def part_class(kind: str, location: str) -> type[Part]:
    """The class of a short name or a dotted path; modules of the user are also found in the working folder."""
    if "." in kind:
        folder = str(Path.cwd())
        if _imports.get() and folder not in sys.path:
            sys.path.append(folder)
        try:
            return resolve_class(kind, trust_imports=_imports.get())
        except WiringError as error:
            raise ConfigError(f"{location}: {error}") from error
    cls = part_by_name(kind)
    if cls is not None:
        return cls
    names = _energy_models() if location == "model.kind" else _parts()
    raise ConfigError(f"{location}: no part {kind!r}{nearest(kind, names)}")


def check_argument(kind: str, name: str, location: str = "model") -> None:
    """Check that the class of a resolved specification has an argument.

    Args:
        kind: The dotted path of a class.
        name: Name of the argument.
        location: Of the specification in the configuration.

    Raises:
        ConfigError: If it has none.
    """
    cls = part_class(kind, f"{location}.kind")
    parameters = _parameters(cls)
    if name not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise ConfigError(f"{location}.{name}: unknown key{_advice(name, list(parameters), cls)}")


_REQUIRED = inspect.Parameter.empty
_CONFIG = ConfigDict(arbitrary_types_allowed=True, strict=True)


def _parameters(cls: type[Part]) -> dict[str, inspect.Parameter]:
    if cls.__init__ is Part.__init__:
        return {}
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])


def _check_names(
    cls: type[Part], parameters: dict[str, inspect.Parameter], arguments: dict[str, Any], location: str
) -> None:
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = [n for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    for name in arguments:
        if name not in (*named, "kind") and not takes_any:
            raise ConfigError(f"{location}.{name}: unknown key{_advice(str(name), named, cls)}")
    missing = [n for n in named if parameters[n].default is _REQUIRED and n not in arguments]
    if missing:
        raise ConfigError(f"{location}.{missing[0]} is missing; {cls.__name__} needs it")


def _advice(name: str, named: Sequence[str], cls: type[Part]) -> str:
    """Words of other programs come before similar spellings, which can have another meaning."""
    same = [known for known in named if known.replace("_", "") == name.lower().replace("_", "")]
    if same:
        return nearest(name, same)
    if name.lower() in FOR_KIND:
        return "; here that is kind"
    foreign = elsewhere(name)
    advice = foreign.removeprefix("; here that is ")
    if advice.isidentifier() and advice not in named:
        return f"{foreign}, which {cls.__name__} does not have; it has {', '.join(named)}"
    return foreign or nearest(name, named)


def _hints(cls: type[Part]) -> dict[str, Any]:
    try:
        return get_type_hints(cls.__init__)
    except (NameError, TypeError):
        return {}


def _check_type(value: Any, hint: Any, location: str) -> None:
    try:
        TypeAdapter(hint, config=_CONFIG).validate_python(value)
    except ValidationError as error:
        deeper = "".join(f"[{key}]" for key in error.errors()[0]["loc"] if isinstance(key, int))
        raise ConfigError(f"{location}{deeper} should be {in_words(hint)}, but is {value!r}") from None
    except PydanticUserError:  # a type that pydantic cannot check; the constructor will
        return


def _inside(value: Any, elements: Sequence[str], location: str, given: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if "kind" in value:
            return resolve_spec(value, elements, location, given)
        return {key: _inside(item, elements, f"{location}.{key}", given) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_inside(item, elements, f"{location}.{i}", given) for i, item in enumerate(value)]
    return value


def _holds_parts(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "kind" in value or any(_holds_parts(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_holds_parts(item) for item in value)


def _parts() -> list[str]:
    return [
        name
        for package in PART_MODULES
        for name, c in vars(package).items()
        if isinstance(c, type) and issubclass(c, Part)
    ]


def _energy_models() -> list[str]:
    return [name for name, c in vars(models).items() if isinstance(c, type) and issubclass(c, EnergyModel)]
