import subprocess
import sys

import pytest

import atomgraph
from atomgraph.cli import COMMANDS, main


def test_help_and_unknown_commands_do_not_import_torch():
    script = """
import sys
from atomgraph.cli import main
print(main(["--help"]), main(["trian"]), "torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("0 2 False\n") and "did you mean train?" in ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"atomgraph {name}" in capsys.readouterr().out


def test_public_names_and_packages_are_importable():
    for name in atomgraph.__all__:
        assert getattr(atomgraph, name) is not None and name in dir(atomgraph)
    assert atomgraph.data.read and atomgraph.nn.ZBL
    with pytest.raises(AttributeError, match="no attribute 'layer'"):
        _ = atomgraph.layer
