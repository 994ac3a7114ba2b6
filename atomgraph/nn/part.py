"""Part: a module that remembers how it was built, so that a potential can be written to a file and built again."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any, Self

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, nearest


class Part(torch.nn.Module):
    """Base of every featurizer, layer, readout and model: a ``torch.nn.Module`` that keeps its constructor's arguments.

    Arguments are plain values (numbers, strings, booleans, None, lists, dicts), irreps, or other parts;
    ``specification`` turns them into JSON, ``build`` turns JSON into the part. Learned numbers live in the state dict.
    """

    _arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        part = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(part, *args, **kwargs)
        bound.apply_defaults()
        object.__setattr__(part, "_arguments", dict(list(bound.arguments.items())[1:]))
        return part

    @property
    def arguments(self) -> dict[str, Any]:
        """What the constructor was called with, by name, defaults included."""
        return dict(self._arguments)


def specification(part: Part) -> dict[str, Any]:
    """``{"kind": dotted path, argument: value, ...}``, nested, of JSON values only.

    Raises WiringError for an argument that no JSON can hold.
    """
    cls = type(part)
    return {"kind": public_path(cls)} | {
        name: _to_json(value, f"{cls.__name__}({name}=...)") for name, value in part.arguments.items()
    }


def build(spec: dict[str, Any], *, trust_imports: bool = False) -> Part:
    """The part that a specification describes.

    Classes outside atomgraph are taken only from modules that the program has imported already, so that a file which
    names a class cannot run code; with ``trust_imports`` (the user's own configuration) their modules are imported.
    Raises WiringError for an unknown class or arguments that it does not take.
    """
    if not isinstance(spec, dict) or not isinstance(spec.get("kind"), str):
        raise WiringError(f"a part is described by a mapping with a 'kind', but this came: {spec!r}")
    cls = find(spec["kind"], trust_imports=trust_imports)
    arguments = {name: _from_json(value, trust_imports) for name, value in spec.items() if name != "kind"}
    known = inspect.signature(cls.__init__).parameters
    for name in arguments:
        if name not in known:
            raise WiringError(f"{cls.__name__} has no argument {name!r}{nearest(name, list(known)[1:])}")
    missing = [
        name
        for name, parameter in list(known.items())[1:]
        if parameter.default is parameter.empty and name not in arguments and parameter.kind != parameter.VAR_KEYWORD
    ]
    if missing:
        raise WiringError(f"{cls.__name__} needs {', '.join(missing)}")
    return cls(**arguments)


def find(path: str, *, trust_imports: bool = False) -> type[Part]:
    """The class of parts at a dotted path such as ``atomgraph.layers.PolynomialFilter``."""
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
            f"the part {path!r} is not of atomgraph; import {module_name or 'its module'} first if you trust it"
        )
    cls = getattr(module, name, None)
    if not (isinstance(cls, type) and issubclass(cls, Part)):
        parts = [n for n, c in vars(module).items() if isinstance(c, type) and issubclass(c, Part)]
        raise WiringError(f"{module_name} has no part {name!r}{nearest(name, parts)}")
    return cls


def public_path(cls: type[Part]) -> str:
    """The shortest dotted path that leads to a class: the room's face where it shows the class, else its own file."""
    words = cls.__module__.split(".")
    face = ".".join(words[:2])
    if words[0] == "atomgraph" and getattr(sys.modules.get(face), cls.__name__, None) is cls:
        return f"{face}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _to_json(value: Any, where: str) -> Any:
    if isinstance(value, Part):
        return specification(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, o3.Irreps):
        return str(value)
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): _to_json(item, where) for key, item in value.items()}
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        return [_to_json(item, where) for item in (value if isinstance(value, list | tuple) else value.tolist())]
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
