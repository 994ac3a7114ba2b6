"""Safe reader of pickles: every class and function becomes a ``PickledObject``; nothing is imported or called.

A pickle is a program that can call any function. This module first compares its instructions with a list of allowed
instructions. Then Python's unpickler runs them with one change: each name becomes a new class that only stores arguments.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from atomgraph.errors import FormatError
from atomgraph.old_names import old_names_of

_MAX_INSTRUCTIONS = 3_000_000  # a file of a foundation model has some ten thousand
_MAX_NAMES = 20_000  # different names of classes and functions per file
_ALLOWED_INSTRUCTIONS = frozenset(
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
_MAX_TUPLES = 20_000  # per file
_MAX_TUPLE_VALUES = 100_000  # in a tuple and its inner tuples; the hash of a tuple, for use as a key, reads all of them
_TUPLE_INSTRUCTIONS = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_MEMO_INSTRUCTIONS = frozenset({"BINPUT", "LONG_BINPUT"})


class PickledObject:
    """An object of a file, stored as data.

    Attributes:
        module: Name of the Python module of the class.
        name: Name of the class or function.
        args: Arguments of the call.
        state: State of the object.
        items: Appended values, or (key, value) pairs.
    """

    module: str = ""
    name: str = ""
    args: tuple[Any, ...]
    state: Any
    items: list[Any]

    def __new__(cls, *args: Any, **_: Any) -> PickledObject:
        self = object.__new__(cls)
        self.args, self.state, self.items = args, None, []
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, value: Any) -> None:
        """Store an appended value."""
        self.items.append(value)

    def extend(self, values: Any) -> None:
        """Store appended values."""
        self.items.extend(values)

    def add(self, value: Any) -> None:
        """Store an added value."""
        self.items.append(value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    @property
    def path(self) -> str:
        """Dotted name of the class or function."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False)
class StorageReference:
    """Reference to the numbers of a tensor, which are in the record ``data/<key>`` of the archive.

    Attributes:
        kind: Name of torch's storage class, which determines the dtype.
        key: Name of the record.
        size: Number of numbers.
    """

    kind: str
    key: str
    size: int


def read_pickle(content: bytes) -> Any:
    """Return the root object of a pickle, made of plain values, ``PickledObject`` and ``StorageReference``.

    Raises:
        FormatError: If the pickle is damaged, or has an instruction that is not allowed.
    """
    _check_instructions(content)
    try:
        return _Reader(io.BytesIO(content)).load()
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"the record data.pkl is damaged ({type(error).__name__}: {_short(error)})") from None


def _check_instructions(content: bytes) -> None:
    """Raise FormatError for forbidden instructions, too many instructions or tuples, and invalid indices of the memo.

    The memo is pickle's table of objects that are used again. Each entry needs an instruction, so that an index above the
    number of instructions is not one that Python writes.
    """
    n_tuples = 0
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
            name = instruction.name
            n_tuples += name in _TUPLE_INSTRUCTIONS
            if name not in _ALLOWED_INSTRUCTIONS:
                raise FormatError(f"the record data.pkl has an instruction {name}, which no saved module needs")
            is_invalid_index = name in _MEMO_INSTRUCTIONS and int(argument or 0) > count
            if count > _MAX_INSTRUCTIONS or n_tuples > _MAX_TUPLES or is_invalid_index:
                raise FormatError("the record data.pkl has instructions that no saved module needs")
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"the record data.pkl is damaged ({type(error).__name__}: {_short(error)})") from None


class _Reader(pickle._Unpickler):
    """Python's unpickler, in its implementation in Python, with a limit on the size of tuples."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self._classes: dict[tuple[str, str], type[PickledObject]] = {}
        # by id: size and tuple; the tuple is stored so that Python does not reuse its id
        self._tuple_sizes: dict[int, tuple[int, Any]] = {}

    def check_top_tuple(self) -> None:
        """Raise FormatError if the tuple on top of the stack has too many values, repeated values included."""
        values = self.stack[-1]
        size = 1 + sum(
            self._tuple_sizes[id(item)][0] if type(item) is tuple and id(item) in self._tuple_sizes else 1
            for item in values
        )
        if size > _MAX_TUPLE_VALUES:
            raise FormatError("the record data.pkl nests tuples that no saved module needs")
        if values:
            self._tuple_sizes[id(values)] = size, values

    def find_class(self, module: str, name: str) -> type[PickledObject]:
        """Return a subclass of ``PickledObject`` for a name, the same one for equal names. Nothing is imported."""
        key = str(module), str(name)
        if key not in self._classes:
            if len(self._classes) >= _MAX_NAMES:
                raise FormatError("the record data.pkl names more classes than any model has")
            self._classes[key] = type("PickledObject", (PickledObject,), {"module": key[0], "name": key[1]})
        return self._classes[key]

    def persistent_load(self, pid: Any) -> StorageReference:
        """Return the reference to the numbers of a tensor; the device in the file is ignored."""
        if isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage":
            _, kind, key, _, size = pid
            is_storage_class = (
                isinstance(kind, type) and issubclass(kind, PickledObject) and kind.module in ("torch", "torch.storage")
            )
            if is_storage_class and type(key) in (str, int) and type(size) is int and size >= 0:
                return StorageReference(kind.name, str(key), size)
        raise FormatError("the record data.pkl refers to an object that is not the storage of a tensor")


def _with_size_check(code: int) -> Callable[[Any], None]:
    """Return the function of an instruction that makes a tuple, with a check of its size."""
    run = pickle._Unpickler.dispatch[code]

    def run_checked(reader: Any) -> None:
        run(reader)
        reader.check_top_tuple()

    return run_checked


def _with_argument_check(code: int) -> Callable[[Any], None]:
    """Return the function of an instruction that makes an object, with a check that its arguments are a tuple."""
    run = pickle._Unpickler.dispatch[code]

    def run_checked(reader: Any) -> None:
        if type(reader.stack[-1]) is not tuple:
            raise pickle.UnpicklingError("arguments are not a tuple")
        run(reader)

    return run_checked


for _code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    _Reader.dispatch[_code[0]] = _with_size_check(_code[0])
for _code in (pickle.REDUCE, pickle.NEWOBJ):
    _Reader.dispatch[_code[0]] = _with_argument_check(_code[0])


def _short(error: Exception) -> str:
    """Return the first 120 characters of an error message."""
    return str(error).splitlines()[0][:120] if str(error) else "no reason given"


__getattr__ = old_names_of(__name__)
