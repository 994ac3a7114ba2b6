"""Element tables: symbols to rows, and the names of those that are missing."""

import pytest
import torch

from atomgraph.errors import GraphError, WiringError
from atomgraph.nn.elements import ElementTable, checked_symbols


def test_rows_follow_the_order_of_the_symbols():
    table = ElementTable(["O", "H", "Og"])
    assert table(torch.tensor([1, 8, 118, 8])).tolist() == [1, 0, 2, 0]
    assert len(table) == 3 and table.symbols == ["O", "H", "Og"]


@pytest.mark.parametrize(
    ("numbers", "names"), [([1, 79], "Au"), ([0], "X"), ([-3], "-3"), ([79, 29, 79], "Cu, Au"), ([500], "500")]
)
def test_unknown_elements_are_named(numbers, names):
    with pytest.raises(
        GraphError, match=f"unknown elements {names}; the elements of this model are H, O. Train with {names} among"
    ):
        ElementTable(["H", "O"])(torch.tensor(numbers))


def test_a_table_adds_nothing_to_the_state():
    assert not ElementTable(["H"]).state_dict()


@pytest.mark.parametrize(
    ("elements", "match"),
    [
        ([], "should be a list of chemical symbols"),
        ("Si", "should be a list of chemical symbols"),
        (["Si", "Xx"], "unknown chemical symbol 'Xx'$"),
        (["si"], "unknown chemical symbol 'si'; did you mean Si"),
        (["X"], "unknown chemical symbol 'X'"),
        ([14], "unknown chemical symbol 14"),
        (["H", "O", "H"], "repeats a symbol: H, O, H"),
    ],
)
def test_invalid_lists_of_elements_raise(elements, match):
    with pytest.raises(WiringError, match=match):
        checked_symbols(elements)
