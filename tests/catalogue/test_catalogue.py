"""Public models by name: downloaded from a small server on this machine, checked, cached, and refused if they differ."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers import tiny_structures as tiny

import atomgraph
from atomgraph import loading
from atomgraph.catalogue import public_models, public_name
from atomgraph.catalogue.download import cached_path, fetch
from atomgraph.cli import main
from atomgraph.errors import ConfigError, FormatError


class Server:
    """Serves one file at /good, and what goes wrong at other places; counts what was asked for."""

    def __init__(self, content: bytes):
        self.content, self.asked = content, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                kind = self.path.strip("/").split(".")[0]
                if kind == "moved":
                    self.send_response(302)
                    self.send_header("Location", "/good.safetensors")
                    self.end_headers()
                elif kind == "away":
                    self.send_response(302)
                    self.send_header("Location", "http://example.org/x")
                    self.end_headers()
                elif kind in ("good", "short"):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(outer.content) + (kind == "short") * 100))
                    self.end_headers()
                    self.wfile.write(outer.content)
                else:
                    self.send_error(404)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server(tmp_path):
    tiny.potential().save(tmp_path / "served.safetensors")
    running = Server((tmp_path / "served.safetensors").read_bytes())
    yield running
    running.server.shutdown()


@pytest.fixture
def table(tmp_path, monkeypatch, server):
    """A table of one model, ``water``, written by ``table(...)``; the cache is a folder of the test's."""
    monkeypatch.setenv("ATOMGRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "_shown_notices", set())
    count = iter(range(100))

    def write(place="good.safetensors", **entries):
        path = tmp_path / f"models-{next(count)}.toml"
        entries = {"address": f"{server.address}/{place}", "licence": "MIT", **entries}
        path.write_text("[models.water]\n" + "\n".join(f'{key} = "{value}"' for key, value in entries.items()))
        monkeypatch.setenv("ATOMGRAPH_MODELS", str(path))
        return public_models()["water"]

    return write


def test_a_name_is_fetched_once_and_opens(table, server, capsys):
    table(sha256=hashlib.sha256(server.content).hexdigest(), cite="somewhere")
    for _ in range(2):
        potential = atomgraph.load("Water")
    assert potential.elements == ["H", "O", "Si"] and server.asked == ["/good.safetensors"]
    assert potential.metadata["public_model"] == "water" and "MIT" in potential.metadata["licence"]
    assert capsys.readouterr().err.count("water is under the MIT licence") == 1


def test_the_command_line_takes_a_name(table, capsys):
    table(licence="ASL", terms="https://example.org/terms")
    assert main(["info", "water"]) == 0
    said = capsys.readouterr()
    assert "non-commercial" in said.err and "https://example.org/terms" in said.err and "water" in said.out
    assert main(["models"]) == 0
    assert "yes" in capsys.readouterr().out


def test_another_checksum_is_refused_and_nothing_is_left(table):
    model = table(sha256="0" * 64)
    with pytest.raises(FormatError, match="damaged or was exchanged"):
        fetch(model)
    assert not list(cached_path(model).parent.iterdir())


def test_without_a_checksum_the_first_download_counts(table, server):
    model = table()
    fetch(model)
    server.content = server.content + b"more"
    cached_path(model).unlink()
    with pytest.raises(FormatError, match="was exchanged"):
        fetch(model)


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(table, server):
    place = fetch(table())
    place.write_bytes(b"damaged")
    assert fetch(table()).read_bytes() == server.content and len(server.asked) == 2


def test_a_file_that_was_put_there_by_hand_is_taken(table, server):
    model = table("none.safetensors")
    cached_path(model).parent.mkdir()
    cached_path(model).write_bytes(server.content)
    assert atomgraph.load("water").elements == ["H", "O", "Si"] and not server.asked


@pytest.mark.parametrize(
    "place, words", [("short.safetensors", "ended after"), ("none.safetensors", "404"), ("away.x", "https only")]
)
def test_what_goes_wrong_is_said_with_the_way_out(table, place, words):
    model = table(place)
    with pytest.raises(FormatError, match=words):
        fetch(model)
    folder = cached_path(model).parent
    assert not folder.exists() or not list(folder.iterdir())


def test_a_redirection_is_followed(table, server):
    assert fetch(table("moved.safetensors")).read_bytes() == server.content


def test_without_a_network_the_place_is_told(table):
    model = table(address="http://127.0.0.1:9/none.model")
    with pytest.raises(FormatError, match="is there a network") as caught:
        fetch(model)
    assert str(cached_path(model)) in str(caught.value) and "127.0.0.1:9" in str(caught.value)


def test_plain_http_of_others_is_refused(table):
    with pytest.raises(FormatError, match="https only"):
        fetch(table(address="http://example.org/a.model"))


def test_two_at_once_do_not_clash(table, server):
    model = table()
    with ThreadPoolExecutor(4) as pool:
        places = list(pool.map(lambda _: fetch(model), range(4)))
    assert len(set(places)) == 1 and places[0].read_bytes() == server.content
    assert sorted(path.suffix for path in places[0].parent.iterdir()) == [".safetensors", ".sha256"]


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(ConfigError, match="did you mean mace-mp-0-small"):
        atomgraph.load("mace-mp-0-smal")


def test_paths_are_paths(tmp_path):
    assert public_name("runs/gcn") is None and public_name("a.model") is None
    with pytest.raises(FormatError, match="no potential at"):
        atomgraph.load("a.model")


def test_the_table_is_whole():
    models = public_models()
    assert len(models) >= 20 and len(models["mace-mp-0-medium"].elements) == 89
    assert all(model.address.startswith("https://") and model.terms for model in models.values())
    assert "non-commercial" in models["mace-off23-small"].notice


def test_a_broken_table_is_said(tmp_path, monkeypatch):
    (tmp_path / "t.toml").write_text("[models.a]\nadress = 1")
    monkeypatch.setenv("ATOMGRAPH_MODELS", str(tmp_path / "t.toml"))
    with pytest.raises(ConfigError, match="is not a valid table"):
        public_models()


def test_a_folder_that_others_can_write_is_not_used_and_not_emptied(table):
    model = table()
    place = fetch(model)
    place.parent.chmod(0o777)
    with pytest.raises(FormatError, match=r"others can write .*; forbid this with: chmod go-w"):
        fetch(model)
    place.parent.chmod(0o700)
    assert fetch(model) == place


def test_another_size_than_the_tables_is_refused(table, server):
    with pytest.raises(FormatError, match=f"has {len(server.content)} bytes, but 17 were expected"):
        fetch(table(size=17, date="2024-01-01"))
    assert fetch(table(size=len(server.content))).is_file()


def test_a_model_without_a_published_checksum_is_said_to_be_not_verified(table, capsys):
    fetch(table())
    assert "not verified" in capsys.readouterr().err
    assert table(sha256="0" * 64).verified_by == "SHA-256" and table(size=5).verified_by.startswith("size only")
    assert main(["models"]) == 0
    assert "not verified" in capsys.readouterr().out
