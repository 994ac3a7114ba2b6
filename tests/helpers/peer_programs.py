"""Runs scripts of tests/peers in the environment of another program; the test is skipped where there is none."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = Path(os.environ.get("ATOMGRAPH_PEERS", ROOT / ".venv-peers"))


def run_peer(environment: str, script: str, *arguments: str | Path) -> None:
    """Run a script with the Python of an environment.

    The environment is a folder in ``.venv-peers`` (``make bench-peers``) or ATOMGRAPH_PEERS. The variable
    ATOMGRAPH_{ENVIRONMENT}_PYTHON names another Python.

    Args:
        environment: Name of the environment.
        script: Path of the script in ``tests/peers``.
        arguments: Command line of the script.
    """
    variable = f"ATOMGRAPH_{environment.upper()}_PYTHON"
    python = Path(os.environ.get(variable, PEERS / environment / "bin" / "python"))
    if not python.is_file():
        pytest.skip(f"no environment with {environment} at {python} (make bench-peers, or {variable})")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), str(ROOT / "tests" / "peers" / script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=variables, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
