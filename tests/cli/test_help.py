import subprocess
import sys

import pytest

import atomgraph
from atomgraph.cli import COMMANDS, main


def test_help_and_a_mistyped_command_wait_for_no_torch():
    script = """
import sys
from atomgraph.cli import main
print(main(["--help"]), main(["trian"]), "torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("0 2 False\n") and "did you mean train?" in ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_takes(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"atomgraph {name}" in capsys.readouterr().out


def test_the_face_gives_what_it_names_and_every_room():
    for name in atomgraph.__all__:
        assert getattr(atomgraph, name) is not None and name in dir(atomgraph)
    assert atomgraph.data.read and atomgraph.nn.ZBL
    with pytest.raises(AttributeError, match="no attribute 'layer'"):
        _ = atomgraph.layer
