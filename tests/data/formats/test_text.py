"""What is read: regular files, of bounded lines."""

import os

import pytest

from atomgraph.data import read
from atomgraph.data.formats import text
from atomgraph.data.formats.text import read_lines
from atomgraph.errors import DataError


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.xyz")
    for path in (tmp_path / "pipe.xyz", "/dev/zero"):
        with pytest.raises(DataError, match="regular files only"):
            read(path)
    (tmp_path / "link.xyz").symlink_to(tmp_path / "pipe.xyz")
    with pytest.raises(DataError, match="regular files only"):
        read(tmp_path / "link.xyz")


def test_every_newline_of_old_and_new_systems_ends_a_line(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\nfo\xe2\x80\xa8ur")
    assert list(read_lines(tmp_path / "a")) == ["one\n", "two\n", "three\n", "fo\u2028ur"]


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "MAX_LINE_LENGTH", 1000)
    (tmp_path / "a.xyz").write_text("1" * 2000)
    with pytest.raises(DataError, match="line 1 has more than 1000 characters"):
        read(tmp_path / "a.xyz")


def test_files_that_are_not_text_are_named(tmp_path):
    (tmp_path / "a.xyz").write_bytes("2\n\nCu 0 0 0\nCu 0 0 2\n".encode("utf-16"))
    with pytest.raises(DataError, match="is not a text file"):
        read(tmp_path / "a.xyz")
