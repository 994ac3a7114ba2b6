"""Reads a pickle as data: every class and function in it becomes a ``PickledObject``; nothing is imported or called.

A pickle is a small program that may call anything. Its steps are first checked against a short list of allowed ones. Then
Python's unpickler runs them, with one change: each name gives a new class that only stores its arguments.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from atomgraph.errors import FormatError

_MOST_STEPS = 3_000_000  # a file of a foundation model has some ten thousand
_MOST_NAMES = 20_000
_STEPS = frozenset(
    name
    for line in (
        "PROTO FRAME STOP POP POP_MARK DUP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT",
        "BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES BINSTRING SHORT_BINSTRING",
        "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS",
        "EMPTY_SET ADDITEMS FROZENSET BINPUT LONG_BINPUT BINGET LONG_BINGET MEMOIZE",
        "GLOBAL STACK_GLOBAL REDUCE NEWOBJ NEWOBJ_EX BUILD BINPERSID",
    )
    for name in line.split()
)
_MOST_TUPLES = 20_000  # in all
_MOST_IN_TUPLE = (
    100_000  # values inside a tuple and the tuples in it; a tuple used as a key is hashed through all of them
)
_TUPLES = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_KEEPS = frozenset({"BINPUT", "LONG_BINPUT"})


class PickledObject:
    """Stands for an object of a file: what it was made from, the state it was given, what was put into it."""

    module: str = ""
    name: str = ""
    args: tuple[Any, ...]
    state: Any
    items: list[Any]  # values appended, or (key, value)

    def __new__(cls, *args: Any, **_: Any) -> PickledObject:
        self = object.__new__(cls)
        self.args, self.state, self.items = args, None, []
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, value: Any) -> None:
        """What a list's steps call."""
        self.items.append(value)

    def extend(self, values: Any) -> None:
        """What a list's steps call."""
        self.items.extend(values)

    def add(self, value: Any) -> None:
        """What a set's steps call."""
        self.items.append(value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    @property
    def path(self) -> str:
        """The dotted name of what it stands for."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False)
class Stored:
    """Numbers of a tensor in a record of the archive: ``data/<key>``."""

    kind: str
    key: str
    size: int


def read_pickle(content: bytes) -> Any:
    """The root of a pickle: plain values, ``PickledObject`` and ``Stored`` objects, and classes made from ``PickledObject``.

    Raises:
        FormatError: For steps that no saved module needs, and for a pickle that is damaged.
    """
    _check_steps(content)
    try:
        return _Reader(io.BytesIO(content)).load()
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"its data.pkl is damaged ({type(error).__name__}: {_short(error)})") from None


def _check_steps(content: bytes) -> None:
    """Only steps on the list, and places of the memory that steps could have filled."""
    tuples = 0
    try:
        for count, (step, argument, _) in enumerate(pickletools.genops(content)):
            tuples += step.name in _TUPLES
            if step.name not in _STEPS:
                raise FormatError(f"its data.pkl has a step {step.name}, which no saved module needs")
            if count > _MOST_STEPS or tuples > _MOST_TUPLES or (step.name in _KEEPS and int(argument or 0) > count):
                raise FormatError("its data.pkl has steps that no saved module needs")
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"its data.pkl is damaged ({type(error).__name__}: {_short(error)})") from None


class _Reader(pickle._Unpickler):
    """Python's own machine as it is written in Python, so that tuples can be weighed as they are made."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self._made: dict[tuple[str, str], type[PickledObject]] = {}
        self._weights: dict[int, tuple[int, Any]] = {}  # of tuples by id, which are kept so that no id comes twice

    def _weigh(self) -> None:
        """Refuse the tuple on top of the stack if it holds too much, counted as often as it is held."""
        built = self.stack[-1]
        weight = 1 + sum(
            self._weights[id(item)][0] if type(item) is tuple and id(item) in self._weights else 1 for item in built
        )
        if weight > _MOST_IN_TUPLE:
            raise FormatError("its data.pkl nests tuples that no saved module needs")
        if built:
            self._weights[id(built)] = weight, built

    def find_class(self, module: str, name: str) -> type[PickledObject]:
        """A stand-in for whatever is named; the same one for the same name. Nothing is imported."""
        key = str(module), str(name)
        if key not in self._made:
            if len(self._made) >= _MOST_NAMES:
                raise FormatError("its data.pkl names more classes than any model has")
            self._made[key] = type("PickledObject", (PickledObject,), {"module": key[0], "name": key[1]})
        return self._made[key]

    def persistent_load(self, pid: Any) -> Stored:
        """Where a tensor's numbers are; the device that they were on does not matter."""
        if isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage":
            _, kind, key, _, size = pid
            named = (
                isinstance(kind, type) and issubclass(kind, PickledObject) and kind.module in ("torch", "torch.storage")
            )
            if named and isinstance(key, str) and type(size) is int and size >= 0:
                return Stored(kind.name, key, size)
        raise FormatError("its data.pkl refers to something that is no tensor's storage")


def _weighed(code: int) -> Callable[[Any], None]:
    make = pickle._Unpickler.dispatch[code]

    def step(reader: Any) -> None:
        make(reader)
        reader._weigh()

    return step


def _called(code: int) -> Callable[[Any], None]:
    make = pickle._Unpickler.dispatch[code]

    def step(reader: Any) -> None:
        if type(reader.stack[-1]) is not tuple:
            raise pickle.UnpicklingError("arguments are no tuple")
        make(reader)

    return step


for _code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    _Reader.dispatch[_code[0]] = _weighed(_code[0])
for _code in (pickle.REDUCE, pickle.NEWOBJ):
    _Reader.dispatch[_code[0]] = _called(_code[0])


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else "no reason given"
