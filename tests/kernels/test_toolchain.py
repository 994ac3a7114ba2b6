"""Libraries are compiled once, cached safely, and never necessary."""

import ctypes
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
from helpers.compilers import TWICE, forget, needs_compiler, twice

from atomgraph.kernels import KernelWarning, cache, compile_library, toolchain


def no_compiling(monkeypatch):
    monkeypatch.setattr(toolchain.Compiler, "build", lambda *_: pytest.fail("compiled again"))


@needs_compiler
def test_a_source_becomes_a_library_and_the_next_process_finds_it(folder, monkeypatch):
    assert twice(compile_library(TWICE, "twice")) == 42.0
    (entry,) = folder.iterdir()
    assert entry.name.startswith("twice-") and folder.stat().st_mode & 0o777 == 0o700
    forget(monkeypatch)
    no_compiling(monkeypatch)
    assert twice(compile_library(TWICE, "twice")) == 42.0


@needs_compiler
def test_another_source_or_flag_is_another_entry(folder):
    compile_library(TWICE, "twice")
    assert twice(compile_library(TWICE.replace("2 *", "3 *"), "twice")) == 63.0
    compile_library(TWICE, "twice", flags=["-O1"])
    assert len(list(folder.iterdir())) == 3


@needs_compiler
@pytest.mark.parametrize("damage", [b"", b"no library at all", None], ids=["empty", "foreign", "one byte"])
def test_a_damaged_entry_is_built_again(folder, monkeypatch, damage):
    compile_library(TWICE, "twice")
    (entry,) = folder.iterdir()
    content = entry.read_bytes()
    entry.unlink()  # the loaded one stays as it is
    entry.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    forget(monkeypatch)
    assert twice(compile_library(TWICE, "twice")) == 42.0
    (entry,) = folder.iterdir()
    assert cache.checksum(entry.read_bytes()) in entry.name


@needs_compiler
def test_an_entry_that_is_whole_but_no_library_is_built_again(folder, monkeypatch):
    compile_library(TWICE, "twice")
    (entry,) = folder.iterdir()
    entry.unlink()
    foreign = b"of another system"
    entry.with_name(f"{entry.stem.rpartition('-')[0]}-{cache.checksum(foreign)}.so").write_bytes(foreign)
    forget(monkeypatch)
    assert twice(compile_library(TWICE, "twice")) == 42.0


@needs_compiler
def test_a_folder_that_others_can_write_is_not_used(folder, monkeypatch):
    compile_library(TWICE, "twice")
    folder.chmod(0o777)
    forget(monkeypatch)
    with pytest.warns(KernelWarning, match="others can write"):
        assert twice(compile_library(TWICE, "twice")) == 42.0
    assert list(folder.iterdir()) == [], "what others may have put there is gone, and nothing was put there"
    folder.chmod(0o700)
    folder.parent.chmod(0o777)
    forget(monkeypatch)
    with pytest.warns(KernelWarning, match="others can write"):
        compile_library(TWICE, "twice")
    folder.parent.chmod(0o1777)  # as /tmp: only owners rename
    forget(monkeypatch)
    compile_library(TWICE, "twice")
    forget(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        no_compiling(monkeypatch)
        compile_library(TWICE, "twice")


@needs_compiler
def test_a_folder_behind_a_link_that_others_can_exchange_is_not_used(folder, monkeypatch, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "open" / "link").symlink_to(tmp_path / "own")
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("ATOMGRAPH_CACHE", str(tmp_path / "open" / "link"))
    with pytest.warns(KernelWarning, match=r"others can write .*open"):
        assert twice(compile_library(TWICE, "twice")) == 42.0
    (tmp_path / "open").chmod(0o755)
    forget(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile_library(TWICE, "twice")
    assert len(list((tmp_path / "own" / "kernels").iterdir())) == 1


@needs_compiler
@pytest.mark.parametrize("kind", ["link", "second name", "others can write"])
def test_an_entry_that_others_could_change_is_built_again(folder, monkeypatch, tmp_path, kind):
    compile_library(TWICE, "twice")
    (entry,) = folder.iterdir()
    if kind == "link":
        entry.rename(tmp_path / "elsewhere.so")
        entry.symlink_to(tmp_path / "elsewhere.so")
    elif kind == "second name":
        (tmp_path / "elsewhere.so").hardlink_to(entry)
    else:
        entry.chmod(0o666)
    forget(monkeypatch)
    assert twice(compile_library(TWICE, "twice")) == 42.0
    (entry,) = folder.iterdir()
    assert cache.is_own_file(entry)


@needs_compiler
def test_folders_of_ended_builds_are_deleted_and_those_of_running_builds_are_not(folder, monkeypatch):
    compile_library(TWICE, "twice")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f".building-{cache._machine()}-{pid}-abc" for pid in (gone.pid, os.getpid())] + [".building-old"]
    for name in names:
        (folder / name).mkdir()
    os.utime(folder / names[2], (0, 0))
    forget(monkeypatch)
    compile_library(TWICE, "twice")
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [names[1]]


@needs_compiler
def test_the_time_limit_of_the_compiler_counts_its_cpu_time(folder, monkeypatch, tmp_path):
    script = tmp_path / "slow.sh"
    script.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo slow; exit; }\nulimit -t > limit.txt; cp limit.txt "$0.said"; exit 1\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with pytest.warns(KernelWarning, match="is not used"):
        assert compile_library(TWICE, "twice") is None
    assert 0 < int(Path(f"{script}.said").read_text()) <= 600


@needs_compiler
def test_a_folder_of_another_user_is_not_used(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.warns(KernelWarning, match="belongs to another user"):
        assert twice(compile_library(TWICE, "twice")) == 42.0
    assert list(folder.iterdir()) == []


@needs_compiler
def test_without_a_cache_folder_kernels_are_compiled_but_not_kept(folder, monkeypatch):
    folder.parent.joinpath("kernels").write_text("a file stands where the folder should")
    with pytest.warns(KernelWarning, match="not kept"):
        assert twice(compile_library(TWICE, "twice")) == 42.0


def test_without_a_compiler_one_warning_is_given(folder, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    with pytest.warns(KernelWarning, match="no C\\+\\+ compiler: false") as said:
        assert compile_library(TWICE, "twice") is None
        assert compile_library(TWICE, "again") is None
    assert len(said) == 1 and "\n" not in str(said[0].message)


@needs_compiler
def test_without_a_compiler_cached_libraries_are_used(folder, monkeypatch):
    compile_library(TWICE, "twice")
    forget(monkeypatch)
    monkeypatch.setenv("CXX", "false")
    assert twice(compile_library(TWICE, "twice")) == 42.0


@needs_compiler
def test_a_compiler_that_fails_is_explained_in_one_line(folder):
    with pytest.warns(KernelWarning, match=r"the kernel broken is not used.*error") as said:
        assert compile_library("nonsense;", "broken") is None
        assert compile_library("nonsense;", "broken") is None
    assert len(said) == 1 and "\n" not in str(said[0].message)
    assert list(folder.iterdir()) == []


def test_kernels_that_are_switched_off_give_no_warning(folder, monkeypatch):
    monkeypatch.setenv("ATOMGRAPH_KERNELS", "off")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compile_library(TWICE, "twice") is None
    assert not folder.exists()


@needs_compiler
def test_nan_infinities_and_subnormal_numbers_survive(folder):
    library = compile_library(
        '#include <cmath>\nextern "C" __attribute__((visibility("default"))) double f(double x)'
        "{ return std::isnan(x) ? 1 : x - x + (x == x ? 0 : 5); }"
        'extern "C" __attribute__((visibility("default"))) double small(double x) { return x * 1e-310; }',
        "special",
    )
    library.f.restype, library.f.argtypes = ctypes.c_double, [ctypes.c_double]
    library.small.restype, library.small.argtypes = ctypes.c_double, [ctypes.c_double]
    assert library.f(float("nan")) == 1.0
    assert library.f(float("inf")) != library.f(float("inf"))
    assert float(library.f(1.0)) == 0.0 and library.small(0.5) == 1e-310 / 2


PARALLEL = """
#include "parallel.h"
ATOMGRAPH_API int sum(int n_threads, long n, long *out, int *threads) {
    std::atomic<long> total{0};
    std::atomic<int> used{0};
    try {
        atomgraph::parallel_for(n_threads, n, 3, [&](long begin, long end, int thread) {
            used |= 1 << thread;
            for (long i = begin; i < end; ++i) {
                if (i == 666) throw 1;
                atomgraph::parallel_for(2, 1 + i % 2, 1, [&](long, long, int) { total += i; });
                if (thread == 0) std::this_thread::yield();
            }
        });
    } catch (const std::bad_alloc &) { return -1; }
    *out = total, *threads = used;
    return 0;
}
"""


def sum_with(library, n_threads, n):
    out, threads = ctypes.c_long(), ctypes.c_int()
    code = library.sum(n_threads, ctypes.c_long(n), ctypes.byref(out), ctypes.byref(threads))
    return code, out.value, threads.value


WITH_OPENMP = "#define WITH_OPENMP" + PARALLEL


@needs_compiler
@pytest.mark.parametrize("source", [PARALLEL, WITH_OPENMP], ids=["own threads", "OpenMP's"])
def test_loops_run_on_several_threads_and_raise_errors(source):
    library = compile_library(source, "parallel_test")
    expected = sum(i * (1 + i % 2) for i in range(500))
    for n_threads in (1, 2, 3, 2):
        for _ in range(50):
            code, total, used = sum_with(library, n_threads, 500)
            assert (code, total) == (0, expected) and used < 1 << n_threads
    assert sum_with(library, 3, 0)[:2] == (0, 0)
    assert sum_with(library, 2, 1000)[0] == -1
    assert sum_with(library, 2, 500)[:2] == (0, expected)


def run(script):
    """In a process of its own, which may hang or fail."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=1800, env=environment, check=False)
    assert done.returncode == 0


@needs_compiler
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell threads")
def test_loops_with_openmp_use_the_threads_of_torch():
    run(f"""
    import ctypes, os
    import torch
    from atomgraph.kernels import compile_library
    torch.set_num_threads(3)
    torch.ones(500, 500) @ torch.ones(500, 500)
    def more(source):
        before, library = len(os.listdir("/proc/self/task")), compile_library(source, "parallel_test")
        library.sum(3, ctypes.c_long(600), ctypes.byref(ctypes.c_long()), ctypes.byref(ctypes.c_int()))
        return len(os.listdir("/proc/self/task")) - before
    openmp = hasattr(ctypes.CDLL(None), "GOMP_parallel")
    assert (more({WITH_OPENMP!r}), more({PARALLEL!r})) == (0 if openmp else 2, 2)
    """)


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("source", [PARALLEL, WITH_OPENMP], ids=["own threads", "OpenMP's"])
def test_a_forked_process_has_threads_of_its_own(source):
    run(f"""
    import ctypes, os
    import torch
    from atomgraph.kernels import compile_library
    torch.set_num_threads(2)
    torch.ones(500, 500) @ torch.ones(500, 500)
    library = compile_library({source!r}, "parallel_test")
    def total(n_threads):
        out, threads = ctypes.c_long(), ctypes.c_int()
        library.sum(n_threads, ctypes.c_long(600), ctypes.byref(out), ctypes.byref(threads))
        return out.value
    before = total(3)
    child = os.fork()
    if child == 0:
        os._exit(0 if all(total(3) == before for _ in range(20)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert total(3) == before
    """)


@needs_compiler
@pytest.mark.parametrize("source", [PARALLEL, WITH_OPENMP], ids=["own threads", "OpenMP's"])
def test_no_openmp_runtime_is_linked(folder, source):
    compile_library(source, "parallel_test")
    (entry,) = folder.iterdir()
    if shutil.which("ldd"):
        linked = subprocess.run(["ldd", str(entry)], capture_output=True, text=True, check=True).stdout
        assert "omp" not in linked
