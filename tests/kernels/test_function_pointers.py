"""Functions of libraries raise errors of C++ in Python, for one thread and several."""

import pytest
from helpers.compilers import needs_compiler

from atomgraph.kernels import compile_library
from atomgraph.kernels.function_pointers import INT, LONG, bind_function

pytestmark = needs_compiler
SOURCE = """
#include "parallel.h"
ATOMGRAPH_API int fill(int n_threads, int n_pieces, int too_much) {
    return atomgraph::guarded([=] {
        atomgraph::parallel_for(n_threads, n_pieces, 1, [&](std::int64_t k, std::int64_t, int) {
            if (too_much && k == n_pieces - 1) throw std::bad_alloc();
        });
    });
}
ATOMGRAPH_API std::int64_t number() { return std::int64_t(1) << 40; }
"""


@pytest.mark.parametrize("n_threads", [1, 3])
def test_missing_memory_in_a_kernel_raises_an_error(n_threads):
    fill = bind_function(compile_library(SOURCE, "fill"), "fill", INT, INT, INT)
    for _ in range(3):
        with pytest.raises(MemoryError, match="kernel"):
            fill(n_threads, 20, 1)
        assert fill(n_threads, 20, 0) == 0


def test_a_function_that_is_bound_twice_gives_equal_results():
    number, _ = (
        bind_function(compile_library(SOURCE, "fill"), "number", result=LONG, check=lambda result, *_: result // 2)
        for _ in range(2)
    )
    assert number() == 1 << 39
