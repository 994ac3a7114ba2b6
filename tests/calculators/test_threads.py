"""Threads and forked processes: a calculator in each thread gives the same numbers, compiled too; nothing hangs."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import torch
from ase.build import bulk
from helpers.compilers import needs_compiler

from atomgraph import models
from atomgraph.calculators import Calculator
from atomgraph.errors import AtomgraphError
from atomgraph.potential import Potential
from atomgraph.testing.measures import randomise


def potential():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = models.MACE(
            ["Si"],
            4.0,
            hidden_irreps="2x0e+2x1o",
            l_max=2,
            order=2,
            layer={"radial_hidden": [4]},
            radial={"n_radial": 4},
        )
    return Potential(randomise(model).double()).eval()


def structures(n):
    frames = [bulk("Si", cubic=True) for _ in range(n)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
    return frames


@pytest.mark.parametrize("compile_", [False, pytest.param(True, marks=needs_compiler)], ids=["model", "compiled"])
@pytest.mark.parametrize("shared", [True, False], ids=["one potential", "a potential each"])
def test_a_calculator_in_each_thread_gives_the_numbers_of_one_thread(compile_, shared):
    frames = structures(12)
    potentials = [potential()] * 3 if shared else [potential() for _ in range(3)]

    def forces(part, of):
        calculator = Calculator(of, compile=compile_)
        return [calculator.get_forces(atoms) for atoms in part for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        result = list(pool.map(forces, [frames[i::3] for i in range(3)], potentials))
    for i in range(3):
        for there, here in zip(result[i], forces(frames[i::3], potential()), strict=True):
            np.testing.assert_allclose(there, here, rtol=0, atol=1e-12)


def test_a_calculator_that_is_at_work_in_another_thread_says_so(monkeypatch):
    calculator, frames = Calculator(potential(), compile=False), structures(2)
    inside, go_on = Event(), Event()
    evaluated = calculator._evaluator.evaluate

    def slow(*arguments, **options):
        inside.set()
        assert go_on.wait(300)
        return evaluated(*arguments, **options)

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(calculator._evaluator, "evaluate", slow)
        first = pool.submit(calculator.get_forces, frames[0])
        assert inside.wait(300)
        with pytest.raises(AtomgraphError, match="in use in another thread; make one calculator for each thread"):
            calculator.get_forces(frames[1])
        go_on.set()
        assert np.isfinite(first.result()).all()
    assert np.isfinite(calculator.get_forces(frames[1])).all()


FORKED = """
import os, signal
import torch
from calculators.test_threads import Calculator, potential, structures
torch.set_num_threads(2)
torch.ones(500, 500) @ torch.ones(500, 500)
(atoms,) = structures(1)
atoms *= (3, 3, 3)
calculator = Calculator(potential(), compile={compile_})
before = calculator.get_potential_energy(atoms)
child = os.fork()
if child == 0:
    signal.alarm(1200)
    torch.set_num_threads(2)
    atoms.positions[0, 0] += 1e-3
    os._exit(0 if abs(calculator.get_potential_energy(atoms) - before) < 1.0 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
atoms.positions[0, 0] += 1e-3
assert abs(calculator.get_potential_energy(atoms) - before) < 1.0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("compile_", [False, pytest.param(True, marks=needs_compiler)], ids=["model", "compiled"])
def test_a_forked_process_that_sets_two_threads_does_not_hang(compile_):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    script = textwrap.dedent(FORKED).format(compile_=compile_)
    done = subprocess.run(
        [sys.executable, "-c", script], timeout=1800, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
