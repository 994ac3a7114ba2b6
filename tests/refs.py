"""The door to reference numbers of other programs: a folder named by ATOMGRAPH_REFS, absent on most machines."""

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
