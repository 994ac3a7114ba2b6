import pytest
from helpers.compilers import forget


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder of the cache, which does not exist yet."""
    monkeypatch.setenv("ATOMGRAPH_CACHE", str(tmp_path))
    monkeypatch.delenv("ATOMGRAPH_KERNELS", raising=False)
    forget(monkeypatch)
    return tmp_path / "kernels"
