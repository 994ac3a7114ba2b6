"""``ValueDecoder``: converts objects of a file of torch to plain Python values, such as irreps to text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.safe_pickle import PickledObject, StorageReference
from atomgraph.old_names import old_names_of

_MAX_DEPTH, _MAX_VALUES = 60, 500_000  # limits of nesting and of the number of values in a file
_MAX_TEXT = 20_000_000  # characters of all texts; repeated texts are counted again
_MAX_IRREPS_LENGTH = 50_000  # characters of the irreps of a part
_TENSORS = {"torch._utils._rebuild_tensor_v2"}
_PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
_DICTS, _SETS = {"collections.OrderedDict", "builtins.dict"}, {"builtins.set", "__builtin__.set"}
_SEQUENCES = {"torch.Size", "builtins.tuple", "builtins.list"}
_SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
_ARRAYS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}


class ValueDecoder:
    """Converts objects of a file to plain Python values, with limits on nesting, number of values and length of texts.

    Args:
        tensor: Function that returns the tensor for an object that describes one.
    """

    def __init__(self, tensor: Callable[[PickledObject], Tensor]):
        self._tensor = tensor
        self._count = self._text_length = 0

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """Return the plain value of an object; an object of an unknown class becomes the name of the class, as ``<name>``."""
        self._count += 1
        if depth > _MAX_DEPTH or self._count > _MAX_VALUES:
            raise FormatError("the file has more values, or deeper nested ones, than any model")
        if isinstance(value, str | bytes):
            return self._count_text(value)
        if isinstance(value, type):
            return f"{value.module}.{value.name}" if issubclass(value, PickledObject) else str(value)
        if isinstance(value, dict):
            return {self._key(key, depth): self(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self(item, depth + 1) for item in value)
        if isinstance(value, set | frozenset):
            return [self(item, depth + 1) for item in value]
        if isinstance(value, StorageReference):
            return f"<storage {value.key}>"
        return self._decode_object(value, depth) if isinstance(value, PickledObject) else value

    def parameter(self, value: Any) -> tuple[Tensor, bool] | None:
        """Return a tensor and its ``requires_grad``, False for buffers; None if the object is not a tensor."""
        if not isinstance(value, PickledObject):
            return None
        if value.path in _PARAMETERS and len(value.args) >= 2 and isinstance(value.args[0], PickledObject):
            result = self.parameter(value.args[0])
            return None if result is None else (result[0], bool(value.args[1]))
        return (self._tensor(value), False) if value.path in _TENSORS else None

    def _count_text(self, text: Any) -> Any:
        """Return a text, after its length was added to the total length; FormatError if the total is too large."""
        self._text_length += len(text)
        if self._text_length > _MAX_TEXT:
            raise FormatError("the texts are longer than those of any model")
        return text

    def _key(self, key: Any, depth: int) -> Any:
        """Return a key of a dict as a hashable value."""
        plain = self(key, depth + 1)
        return plain if isinstance(plain, str | int | float | bool | bytes | None) else self._count_text(str(plain))

    def _decode_object(self, value: PickledObject, depth: int) -> Any:
        """Return the plain value of an object by the name of its class."""
        path, args = value.path, value.args
        if (parameter := self.parameter(value)) is not None:
            return parameter[0]
        if path in _DICTS:
            return {self._key(k, depth): self(v, depth + 1) for k, v in dict_items(value)}
        if path in _SETS or path in _SEQUENCES:
            items = [*(args[0] if args and isinstance(args[0], list | tuple) else ()), *value.items]
            return tuple(self(item, depth + 1) for item in items)
        if path in ("builtins.getattr", "__builtin__.getattr") and len(args) == 2:  # a C function is stored by its name
            return self._count_text(f"{self(args[0], depth + 1)}.{self(args[1], depth + 1)}")
        if path == "torch.device":
            return ":".join(str(self(part, depth + 1)) for part in args)
        if path == "_codecs.encode" and args and isinstance(args[0], str):
            return self._count_text(args[0]).encode("latin1", errors="replace")
        if path in _SCALARS and len(args) == 2:
            return _scalar(self(args[0], depth + 1), self(args[1], depth + 1))
        if path in _ARRAYS and isinstance(value.state, tuple) and len(value.state) == 5:
            return _array(*(self(part, depth + 1) for part in value.state[1:]))
        if path == "numpy.dtype" and args:
            byte_order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "="
            return f"{byte_order if byte_order in ('<', '>') else ''}{self(args[0], depth + 1)}"
        if path.startswith("e3nn."):
            return self._decode_e3nn(value, depth)
        return f"<{path}>"

    def _decode_e3nn(self, value: PickledObject, depth: int) -> Any:
        """Return irreps of e3nn as text."""
        parts = value.args[0] if len(value.args) == 1 and isinstance(value.args[0], tuple | list) else value.args
        if value.name in ("Irrep", "_MulIr", "Irreps", "Instruction"):
            parts = tuple(self(part, depth + 1) for part in parts)
            if value.name == "Irrep" and len(parts) == 2:
                return f"{parts[0]}{'e' if parts[1] == 1 else 'o'}"
            if value.name == "_MulIr" and len(parts) == 2:
                return f"{parts[0]}x{parts[1]}"
            return irreps_text("+".join(str(part) for part in parts)) if value.name == "Irreps" else parts
        return f"<{value.path}>"


def irreps_text(value: Any) -> str:
    """Return the irreps of a part as text; FormatError if they are not text, or longer than in any model."""
    if not isinstance(value, str) or len(value) > _MAX_IRREPS_LENGTH:
        raise FormatError(
            f"irreps of a part should be a text of up to {_MAX_IRREPS_LENGTH} characters, but are {str(value)[:60]!r}"
        )
    return value


def dict_items(value: Any) -> list[tuple[Any, Any]]:
    """Return the items of a dict or ``OrderedDict`` of the file; an empty list for other objects."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, PickledObject) and value.path in _DICTS:
        content = value.args[0] if value.args else ()
        pairs = list(content.items()) if isinstance(content, dict) else []
        if isinstance(content, list | tuple):
            pairs = list(content)
        return [tuple(pair) for pair in [*pairs, *value.items] if isinstance(pair, tuple | list) and len(pair) == 2]
    return []


def text_entries(value: Any) -> dict[str, Any]:
    """Return the entries of a dict of the file whose keys are text; empty for other objects."""
    return {key: item for key, item in dict_items(value) if isinstance(key, str)}


def _scalar(dtype: Any, raw: Any) -> Any:
    """Return a numpy scalar as a Python number; None if it is not a number."""
    numbers = _array((), dtype, False, raw)
    return numbers.item() if isinstance(numbers, np.ndarray) and numbers.size == 1 else None


def _array(shape: Any, dtype: Any, is_fortran_order: Any, raw: Any) -> Any:
    """Return a numpy array of numbers; None for other types, FormatError if it is damaged."""
    try:
        number_type = np.dtype(str(dtype))
        if number_type.kind not in "biuf" or not isinstance(raw, bytes):
            return None
        return np.frombuffer(raw, number_type).reshape(shape, order="F" if is_fortran_order else "C")
    except (TypeError, ValueError, SyntaxError):
        raise FormatError("the file contains a damaged numpy array") from None


__getattr__ = old_names_of(__name__)
