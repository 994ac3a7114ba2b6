"""How benchmarks are timed: process CPU time on one thread, cases interleaved, medians, the hardware named."""

import time
from collections.abc import Callable, Mapping
from statistics import median

from atomgraph.analysis.hardware import hardware


def interleaved(cases: Mapping[str, Callable[[], object]], seconds: float = 1.0) -> dict[str, float]:
    """Median CPU seconds of one call of each case, the cases taking turns; about ``seconds`` are spent on each."""
    for call in cases.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in cases}
    while any(sum(spent) < seconds for spent in times.values()):
        for name, call in cases.items():
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    return {name: median(spent) for name, spent in times.items()}


def print_table(title: str, columns: list[str], rows: list[list[object]]) -> None:
    """A table in plain text, the hardware under its title."""
    cells = [columns, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(columns))]
    print(f"\n{title}\n{hardware()}")
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
