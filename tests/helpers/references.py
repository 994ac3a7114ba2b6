"""Reads reference numbers of other programs: a folder named by ATOMGRAPH_REFS, absent on most machines."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def folder() -> Path:
    """The folder of reference numbers; the test is skipped where ATOMGRAPH_REFS does not name one."""
    path = os.environ.get("ATOMGRAPH_REFS", "")
    if not Path(path).is_dir() or not path:
        pytest.skip("ATOMGRAPH_REFS does not name a folder of reference numbers")
    return Path(path)


def reference(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of NAME.npz and the conventions of NAME.json."""
    with np.load(folder() / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays), json.loads((folder() / f"{name}.json").read_text())


TABLE: dict[tuple[str, str], list[float]] = {}  # (file, quantity): a largest difference for each case


def agree(file: str, quantity: str, ours: Any, theirs: Any, *, atol: float, rtol: float = 0.0, case: str = "") -> None:
    """Assert that numbers agree, and keep the largest difference for the table at the end of the run."""
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    TABLE.setdefault((file, quantity), []).append(float(np.abs(ours - theirs).max(initial=0.0)))
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=f"{file} {case} {quantity}")


def table() -> list[str]:
    """Lines: file, quantity, cases, worst difference."""
    rows = [("file", "quantity", "cases", "worst difference")]
    rows += [(*key, str(len(result)), f"{max(result):.1e}") for key, result in sorted(TABLE.items())]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
