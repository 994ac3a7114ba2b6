"""Lazy compilation uses kernels if they are cached or save time; results do not change."""

import pickle
import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers.compilers import forget, needs_compiler
from helpers.unoptimised import unoptimised

import atomgraph
from atomgraph import Calculator, Potential
from atomgraph.compiled import CompiledPotential, LazyCompiled, for_inference, lazy
from atomgraph.compiled.fused_model import FusedModel
from atomgraph.errors import ConfigError
from atomgraph.kernels import KernelWarning
from atomgraph.kernels import warnings as kernel_warnings
from atomgraph.loading import as_dtype
from atomgraph.models import GCN, MACE
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, molecule
from atomgraph.testing.measures import randomise

CUTOFF = 3.5


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    unoptimised(monkeypatch)


def tiny(**options):
    radial = {"n_radial": 3, "transform": None}
    return MACE(
        ELEMENTS,
        CUTOFF,
        hidden_irreps="2x0e",
        l_max=1,
        order=2,
        n_layers=1,
        radial=radial,
        readout={"readout_hidden": 2},
        **options,
    )


@pytest.fixture
def potential():
    return Potential(randomise(tiny().double())).eval()


@pytest.fixture
def graph():
    return make_graph(crystal(), CUTOFF)


@pytest.fixture
def nothing_said(monkeypatch):
    monkeypatch.setattr(kernel_warnings, "_given", set())


@pytest.fixture
def always_worth_it(monkeypatch, nothing_said):
    """A machine that has kept nothing, for people who never wait."""
    monkeypatch.setattr(lazy, "SECONDS", -1.0)
    monkeypatch.setattr(lazy, "seconds_to_compile", lambda fused: -1.0)
    monkeypatch.setattr(FusedModel, "is_cached", lambda self: False)


def same(result, expected):
    for name in ("energy", "node_energy", "forces", "stress"):
        torch.testing.assert_close(result[name], expected[name], rtol=1e-8, atol=1e-9)


@needs_compiler
def test_long_use_compiles_with_one_warning_and_equal_results(potential, graph, always_worth_it):
    first = for_inference(potential)
    same(first(graph), potential(graph))
    assert first._compiled is None
    with pytest.warns(KernelWarning, match="once") as said:
        same(first(graph), potential(graph))
        same(first(graph), potential(graph))
    assert sum(issubclass(each.category, KernelWarning) for each in said) == 1
    assert isinstance(first._compiled, CompiledPotential)


@needs_compiler
def test_cached_kernels_are_used_from_the_first_call(potential, graph):
    atomgraph.compile(potential)
    first = for_inference(potential)
    same(first(graph), potential(graph))
    assert isinstance(first._compiled, CompiledPotential)


@pytest.mark.parametrize(("n_atoms", "worth"), [(0, 1e9), (1, -1.0 + 1e-9)])
def test_short_use_does_not_compile(potential, graph, monkeypatch, n_atoms, worth, always_worth_it):
    monkeypatch.setattr(lazy, "seconds_to_compile", lambda fused: max(worth, 0.0))
    first = for_inference(potential, n_atoms=n_atoms)
    for _ in range(3):
        same(first(graph), potential(graph))
    assert first._compiled is None


@needs_compiler
def test_changed_weights_discard_the_kernels(potential, graph, always_worth_it):
    first = for_inference(potential)
    with pytest.warns(KernelWarning):
        before = [first(graph), first(graph)][1]
    with torch.no_grad():
        for parameter in potential.parameters():
            parameter.mul_(1.1)
    now = first(graph)
    same(now, potential(graph))
    assert not torch.allclose(now["energy"], before["energy"], rtol=1e-6)


def test_a_mace_without_fused_form_is_named_and_other_families_are_not(graph, always_worth_it):
    attention = for_inference(Potential(tiny(interaction="attention_residual")).eval())
    with pytest.warns(KernelWarning, match="attention_residual") as said:
        for _ in range(3):
            attention(graph)
    assert sum(issubclass(first.category, KernelWarning) for first in said) == 1
    second = for_inference(Potential(GCN(ELEMENTS, CUTOFF)).eval())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            second(graph)


@needs_compiler
def test_the_user_can_force_and_forbid(potential):
    assert for_inference(potential, compile=False) is potential
    forced = for_inference(potential, compile=True)
    assert isinstance(forced, CompiledPotential)
    assert for_inference(forced) is forced


@needs_compiler
@pytest.mark.parametrize("copied", [deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
@pytest.mark.parametrize("compile", [True, None], ids=["compiled", "on demand"])
def test_copies_give_the_same_numbers(potential, graph, copied, compile):
    first = for_inference(potential, compile=compile)
    expected = first(graph)
    same(copied(first)(graph), expected)


def test_lazy_potentials_have_the_interface_of_potentials(potential):
    potential.head = potential.heads[0]
    first = for_inference(potential)
    assert isinstance(first, LazyCompiled)
    assert (first.head, first.elements, first.cutoff) == (potential.head, potential.elements, potential.cutoff)
    (result,), (expected,) = first.predict([molecule()]), potential.predict([molecule()])
    np.testing.assert_allclose(result["forces"], expected["forces"], rtol=1e-8, atol=1e-9)


@needs_compiler
def test_the_calculator_uses_kernels_and_gives_back_the_potential(potential):
    atoms = crystal()
    results = []
    for compile in (True, False):
        calculator = Calculator(potential, compile=compile)
        atoms.calc = calculator
        results.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
        assert calculator.potential is potential
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-9)


def test_without_a_compiler_the_model_is_used(potential, graph, monkeypatch, always_worth_it):
    monkeypatch.setenv("ATOMGRAPH_CACHE", "/nowhere")
    monkeypatch.setenv("CXX", "no-such-compiler")
    forget(monkeypatch)
    first = for_inference(potential)
    with pytest.warns(KernelWarning, match="slower code gives the same numbers"):
        for _ in range(3):
            same(first(graph), potential(graph))


def forces_of(*arguments, **options):
    atoms = crystal()
    return Calculator(*arguments, **options).get_property("forces", atoms)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "mixed"])
@pytest.mark.parametrize("compile", [True, None], ids=["compiled", "kept"])
def test_kernels_in_float32_are_made_of_the_weights_as_they_are_stored(potential, graph, dtype, compile):
    single = atomgraph.compile(potential, dtype="float32")
    of_rounded = atomgraph.compile(deepcopy(potential).float(), dtype="float32")
    rounded, expected = (
        first(make_graph(crystal(), first.cutoff + 0.5))["forces"].numpy() for first in (of_rounded, single)
    )
    calculator = Calculator(potential, dtype=dtype, compile=compile)
    with torch.no_grad():
        if compile is None and dtype == "float32":  # the calculator has a copy, which it reads later
            for parameter in potential.parameters():
                parameter.mul_(1.1)
    result = calculator.get_property("forces", crystal())
    np.testing.assert_array_equal(result, expected)
    assert not np.array_equal(result, rounded)
    assert calculator.potential.model.dtype == (torch.float64 if dtype == "mixed" else torch.float32)


@needs_compiler
def test_a_file_gives_the_same_as_the_potential(potential, tmp_path):
    potential.save(tmp_path / "one.safetensors")
    for dtype in ("float32", "mixed", "float64"):
        result = forces_of(tmp_path / "one.safetensors", dtype=dtype, compile=True)
        np.testing.assert_array_equal(result, forces_of(potential, dtype=dtype, compile=True))


@needs_compiler
def test_a_compiled_potential_in_another_dtype_has_other_kernels(potential):
    compiled, expected = atomgraph.compile(potential), forces_of(potential, dtype="mixed", compile=True)
    np.testing.assert_array_equal(forces_of(compiled, dtype="mixed"), expected)
    np.testing.assert_array_equal(forces_of(compiled, dtype="float32"), expected)
    assert not np.array_equal(forces_of(compiled), expected)


def test_mixed_without_kernels_is_an_error_or_gives_a_warning(potential, nothing_said):
    with pytest.raises(ConfigError, match=r"mixed.*compile=False.*use float32 or float64"):
        Calculator(potential, dtype="mixed", compile=False)
    with pytest.raises(ConfigError, match="float64"):
        Calculator(potential, dtype="float46")
    with pytest.raises(ConfigError, match="the dtype of a model should be float32 or float64"):
        as_dtype("mixed")
    second = Potential(GCN(ELEMENTS, CUTOFF)).eval()
    with pytest.warns(KernelWarning, match=r"mixed.*float64"):
        calculator = Calculator(second, dtype="mixed")
    assert calculator.potential.model.dtype == torch.float64
    calculator.get_property("forces", crystal())


def test_larger_models_take_longer_to_compile():
    small, large = (
        FusedModel(MACE(ELEMENTS, CUTOFF, hidden_irreps=hidden), torch.float32) for hidden in ("2x0e", "2x0e+2x1o")
    )
    assert 2.0 < lazy.seconds_to_compile(small) < lazy.seconds_to_compile(large) < 5.0
