"""Laws that tests inherit live in plain modules; their asserts should say as much as a test's own. Ctrl-C means Ctrl-C."""

import signal

import pytest
from helpers import references as refs

pytest.register_assert_rewrite("atomgraph.testing.shared_laws", "atomgraph.testing.model_laws")


def pytest_configure():
    """A job in the background is born with SIGINT ignored, its children too; tests that interrupt a run need it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter):
    """After a run against reference numbers: how far each file was, at worst."""
    if refs.TABLE:
        terminalreporter.section("differences from other programs")
        for line in refs.table():
            terminalreporter.write_line(line)
