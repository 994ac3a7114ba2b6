"""Numbers as text, and tables."""

import math

import pytest

from atomgraph.analysis.report.tables import Column, Table, format_number


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (1.0, "1.00"),
        (-9.994, "-9.99"),
        (123.4, "123"),
        (12345.6, "12 346"),
        (1.2e-7, "1.20e-07"),
        (3e9, "3.00e+09"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (None, ""),
    ],
)
def test_numbers_have_three_significant_digits(value, words):
    assert format_number(value) == words


def test_groups_span_their_columns_in_html_and_precede_names_in_markdown():
    table = Table([Column("a", is_text=True), Column("b", "g (u)"), Column("c", "g (u)")], [["1", "2", "3"]])
    assert '<th colspan="2" scope="colgroup">g (u)</th>' in table.html()
    assert table.markdown().splitlines()[0] == "| a | g (u) b | g (u) c |"
