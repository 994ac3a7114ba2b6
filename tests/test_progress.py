"""Progress in a file or a pipe: lines with the total and the time left; tables that are not cut at 80 columns."""

import atomgraph.progress
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.progress import output_console, track


def test_piped_progress_says_total_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(atomgraph.progress, "INTERVAL", 0.0)
    assert list(track(range(4), "predicting", 4)) == [0, 1, 2, 3]
    lines = capsys.readouterr().err.splitlines()
    assert "predicting, 2 of 4, 0 s left" in lines


def test_progress_of_a_quick_task_prints_nothing_into_a_pipe(capsys):
    list(track(range(4), "predicting", 4))
    assert capsys.readouterr().err == ""


def test_piped_tables_are_not_cut_at_80_columns(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    cells = [f"column-{i}-of-a-wide-table" for i in range(8)]
    output_console().print(Table([Column(cell) for cell in cells], [cells]).rich())
    out = capsys.readouterr().out
    assert all(out.count(cell) == 2 for cell in cells) and "…" not in out


def test_rounding_of_zero_is_printed_as_zero():
    assert format_number(1.2e-16) == "0" and format_number(-3e-14) == "0" and format_number(1e-9) == "1.00e-09"
