"""PickledObject objects as plain Python values: irreps as text, functions by name, numpy's numbers as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.mace.safe_pickle import PickledObject, Stored

_DEEPEST, _MOST = 60, 500_000
_MOST_TEXT = 20_000_000  # characters in all texts, each counted as often as it is come by
_LONGEST = 50_000  # characters of the irreps of a part
_TENSORS = {"torch._utils._rebuild_tensor_v2"}
_PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
_DICTS, _SETS = {"collections.OrderedDict", "builtins.dict"}, {"builtins.set", "__builtin__.set"}
_TUPLES = {"torch.Size", "builtins.tuple", "builtins.list"}
_SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
_ARRAYS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}


class Plain:
    """Turns inert objects into plain values, each once.

    Args:
        tensor: How a tensor's node is read.
    """

    def __init__(self, tensor: Callable[[PickledObject], Tensor]):
        self._tensor = tensor
        self._count = self._text = 0

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """The plain value; an object without one becomes its dotted name in angle brackets."""
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST:
            raise FormatError("it nests values deeper, or holds more of them, than any model does")
        if isinstance(value, str | bytes):
            return self._counted(value)
        if isinstance(value, type):
            return f"{value.module}.{value.name}" if issubclass(value, PickledObject) else str(value)
        if isinstance(value, dict):
            return {self._key(key, depth): self(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self(item, depth + 1) for item in value)
        if isinstance(value, set | frozenset):
            return [self(item, depth + 1) for item in value]
        if isinstance(value, Stored):
            return f"<storage {value.key}>"
        return self._of(value, depth) if isinstance(value, PickledObject) else value

    def parameter(self, value: Any) -> tuple[Tensor, bool] | None:
        """A tensor and whether it was trained; None for what is no tensor."""
        if not isinstance(value, PickledObject):
            return None
        if value.path in _PARAMETERS and len(value.args) >= 2 and isinstance(value.args[0], PickledObject):
            result = self.parameter(value.args[0])
            return None if result is None else (result[0], bool(value.args[1]))
        return (self._tensor(value), False) if value.path in _TENSORS else None

    def _counted(self, text: Any) -> Any:
        """A text, its length added to that of all."""
        self._text += len(text)
        if self._text > _MOST_TEXT:
            raise FormatError("its texts are longer than those of any model")
        return text

    def _key(self, key: Any, depth: int) -> Any:
        plain = self(key, depth + 1)
        return plain if isinstance(plain, str | int | float | bool | bytes | None) else self._counted(str(plain))

    def _of(self, value: PickledObject, depth: int) -> Any:
        path, args = value.path, value.args
        if (parameter := self.parameter(value)) is not None:
            return parameter[0]
        if path in _DICTS:
            return {self._key(k, depth): self(v, depth + 1) for k, v in items_of(value)}
        if path in _SETS or path in _TUPLES:
            inner = [*(args[0] if args and isinstance(args[0], list | tuple) else ()), *value.items]
            return tuple(self(item, depth + 1) for item in inner)
        if path in ("builtins.getattr", "__builtin__.getattr") and len(args) == 2:  # a C function, kept by its name
            return self._counted(f"{self(args[0], depth + 1)}.{self(args[1], depth + 1)}")
        if path == "torch.device":
            return ":".join(str(self(part, depth + 1)) for part in args)
        if path == "_codecs.encode" and args and isinstance(args[0], str):
            return self._counted(args[0]).encode("latin1", errors="replace")
        if path in _SCALARS and len(args) == 2:
            return _scalar(self(args[0], depth + 1), self(args[1], depth + 1))
        if path in _ARRAYS and isinstance(value.state, tuple) and len(value.state) == 5:
            return _array(*(self(part, depth + 1) for part in value.state[1:]))
        if path == "numpy.dtype" and args:
            order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "="
            return f"{order if order in ('<', '>') else ''}{self(args[0], depth + 1)}"
        if path.startswith("e3nn."):
            return self._of_e3nn(value, depth)
        return f"<{path}>"

    def _of_e3nn(self, value: PickledObject, depth: int) -> Any:
        inner = value.args[0] if len(value.args) == 1 and isinstance(value.args[0], tuple | list) else value.args
        if value.name in ("Irrep", "_MulIr", "Irreps", "Instruction"):
            inner = tuple(self(part, depth + 1) for part in inner)
            if value.name == "Irrep" and len(inner) == 2:
                return f"{inner[0]}{'e' if inner[1] == 1 else 'o'}"
            if value.name == "_MulIr" and len(inner) == 2:
                return f"{inner[0]}x{inner[1]}"
            return irreps_text("+".join(str(part) for part in inner)) if value.name == "Irreps" else inner
        return f"<{value.path}>"


def irreps_text(value: Any) -> str:
    """The text of a part's irreps; FormatError for one that no model has."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise FormatError(
            f"irreps of a part should be a text of up to {_LONGEST} characters, but are {str(value)[:60]!r}"
        )
    return value


def items_of(value: Any) -> list[tuple[Any, Any]]:
    """The items of a dict of the file, whichever way it was made; none for what is no dict."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, PickledObject) and value.path in _DICTS:
        given = value.args[0] if value.args else ()
        pairs = (
            list(given.items()) if isinstance(given, dict) else list(given) if isinstance(given, list | tuple) else []
        )
        return [tuple(pair) for pair in [*pairs, *value.items] if isinstance(pair, tuple | list) and len(pair) == 2]
    return []


def _scalar(dtype: Any, raw: Any) -> Any:
    numbers = _array((), dtype, False, raw)
    return numbers.item() if isinstance(numbers, np.ndarray) and numbers.size == 1 else None


def _array(shape: Any, dtype: Any, fortran: Any, raw: Any) -> Any:
    try:
        kind = np.dtype(str(dtype))
        if kind.kind not in "biuf" or not isinstance(raw, bytes):
            return None
        return np.frombuffer(raw, kind).reshape(shape, order="F" if fortran else "C")
    except (TypeError, ValueError, SyntaxError):
        raise FormatError("it holds an array of numpy's that is damaged") from None
