"""From ``{kind: GCN, cutoff: 5.0, ...}`` to a model: names are looked up, elements and cutoff passed on, types checked."""

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
from atomgraph.config.old_keys import PART_MODULES
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
    """Inside, configurations name classes of atomgraph and of modules that are imported already; nothing else is imported."""
    token = _imports.set(False)
    try:
        yield
    finally:
        _imports.reset(token)


def build_model(spec: Mapping[str, Any]) -> EnergyModel:
    """The model of a specification that ``resolve_spec`` gave. ConfigError, with the reason, where the parts make none."""
    try:
        model = build(dict(spec), trust_imports=_imports.get())
    except (AtomgraphError, ValueError, TypeError) as error:
        raise ConfigError(f"model: {error}") from error
    if not isinstance(model, EnergyModel):
        raise ConfigError(f"model.kind: {spec['kind']} is no EnergyModel; known are {', '.join(_energy_models())}")
    return model


def resolve_spec(
    spec: Any, elements: Sequence[str], place: str = "model", given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The specification with dotted kinds, ``elements: auto`` replaced, elements and cutoff passed on to parts that want them.

    elements: what ``auto`` stands for.  given: what the part around has.
    Raises ConfigError for an unknown kind or argument (with the nearest), a missing one, or one of a wrong type.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("kind"), str):
        raise ConfigError(
            f"{place} should be a mapping with a kind, such as {{kind: GCN, cutoff: 5.0}}, but is {spec!r}"
        )
    cls = part_class(spec["kind"], f"{place}.kind")
    own = dict(spec) | ({"elements": list(elements)} if spec.get("elements") == "auto" else {})
    try:
        own = current_arguments(cls, own)
    except TypeError as error:
        raise ConfigError(f"{place}: {error}") from error
    parameters = _parameters(cls)
    if given is None and "elements" in parameters:
        own.setdefault("elements", list(elements))
    given = dict(given or {})
    for name in INHERITED:
        if name in parameters and name not in own and name in given and parameters[name].default in (_REQUIRED, None):
            own[name] = given[name]
    inner = given | {name: own[name] for name in INHERITED if name in own}
    _check_names(cls, parameters, own, place)
    result: dict[str, Any] = {"kind": public_name(cls)}
    hints = _hints(cls)
    for name, value in own.items():
        if name == "kind":
            continue
        result[name] = _inside(value, elements, f"{place}.{name}", inner)
        if name in hints and not _holds_parts(value):
            _check_type(value, hints[name], f"{place}.{name}")
        if name == "radii" and isinstance(value, Mapping) and (small := [key for key, r in value.items() if not r > 0]):
            raise ConfigError(f"{place}.radii should be positive, but that of {small[0]} is {value[small[0]]}")
        if name == "cutoff" and isinstance(value, int | float) and not value > 0:
            raise ConfigError(f"{place}.cutoff should be positive, in Å, but is {value}")
    return result


def part_class(kind: str, place: str) -> type[Part]:
    """The class behind a short name or a dotted path; a user's own module is looked for beside the command, too."""
    if "." in kind:
        here = str(Path.cwd())
        if _imports.get() and here not in sys.path:
            sys.path.append(here)
        try:
            return resolve_class(kind, trust_imports=_imports.get())
        except WiringError as error:
            raise ConfigError(f"{place}: {error}") from error
    for room in PART_MODULES:
        cls = getattr(room, kind, None)
        if isinstance(cls, type) and issubclass(cls, Part):
            return cls
    names = _energy_models() if place == "model.kind" else _parts()
    raise ConfigError(f"{place}: no part {kind!r}{nearest(kind, names)}")


def check_argument(kind: str, name: str, place: str = "model") -> None:
    """ConfigError where the class of a resolved specification has no such argument.

    Args:
        kind: The dotted path of a class.
        name: Of the argument.
        place: Of the specification in the configuration.
    """
    cls = part_class(kind, f"{place}.kind")
    parameters = _parameters(cls)
    if name not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise ConfigError(f"{place}.{name}: unknown key{_advice(name, list(parameters), cls)}")


_REQUIRED = inspect.Parameter.empty
_CONFIG = ConfigDict(arbitrary_types_allowed=True, strict=True)


def _parameters(cls: type[Part]) -> dict[str, inspect.Parameter]:
    if cls.__init__ is Part.__init__:
        return {}
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])


def _check_names(cls: type[Part], parameters: dict[str, inspect.Parameter], own: dict[str, Any], place: str) -> None:
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = [n for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    for name in own:
        if name not in (*named, "kind") and not takes_any:
            raise ConfigError(f"{place}.{name}: unknown key{_advice(str(name), named, cls)}")
    missing = [n for n in named if parameters[n].default is _REQUIRED and n not in own]
    if missing:
        raise ConfigError(f"{place}.{missing[0]} is missing; {cls.__name__} needs it")


def _advice(name: str, named: Sequence[str], cls: type[Part]) -> str:
    """Another program's word comes before the nearest spelling here, which need not be the same thing."""
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


def _check_type(value: Any, hint: Any, place: str) -> None:
    try:
        TypeAdapter(hint, config=_CONFIG).validate_python(value)
    except ValidationError as error:
        deeper = "".join(f"[{key}]" for key in error.errors()[0]["loc"] if isinstance(key, int))
        raise ConfigError(f"{place}{deeper} should be {in_words(hint)}, but is {value!r}") from None
    except PydanticUserError:  # a type that pydantic cannot judge: the constructor will
        return


def _inside(value: Any, elements: Sequence[str], place: str, given: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if "kind" in value:
            return resolve_spec(value, elements, place, given)
        return {key: _inside(item, elements, f"{place}.{key}", given) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_inside(item, elements, f"{place}.{i}", given) for i, item in enumerate(value)]
    return value


def _holds_parts(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "kind" in value or any(_holds_parts(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_holds_parts(item) for item in value)


def _parts() -> list[str]:
    return [
        name for room in PART_MODULES for name, c in vars(room).items() if isinstance(c, type) and issubclass(c, Part)
    ]


def _energy_models() -> list[str]:
    return [name for name, c in vars(models).items() if isinstance(c, type) and issubclass(c, EnergyModel)]
