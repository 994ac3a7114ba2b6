"""Which cluster functions there are, that none is a sum of others, and how they become products."""

import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers.ace.functions import cluster_functions, pacemaker_functions
from atomgraph.featurizers.ace.products import ClusterProducts
from atomgraph.ops.invariant_coupling import invariant

GOOD = {"centre": "H", "neighbours": ["O", "H", "H"], "ns": [1, 2, 1], "ls": [1, 1, 2]}


def test_products_are_the_invariants_of_densities():
    """Two elements, up to four factors, against the contraction of each function's coefficients with its densities."""
    entries = [
        {"centre": "H", "neighbours": ["O"], "ns": [2], "ls": [0]},
        {"centre": "O", "neighbours": ["O", "H"], "ns": [1, 2], "ls": [2, 2]},
        {"centre": "H", "neighbours": ["H", "H"], "ns": [1, 1], "ls": [1, 1]},
        GOOD,
        {"centre": "H", "neighbours": ["O", "O", "H", "O"], "ns": [1, 1, 1, 1], "ls": [1, 1, 1, 1], "inner": [2, 2]},
    ]
    functions = cluster_functions(entries, ["H", "O"])
    places: dict[tuple, int] = {}
    products = ClusterProducts(functions, lambda factor, alone: places.setdefault((factor, alone), len(places)))
    densities = torch.randn(3, len(places), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = products(densities, torch.tensor([0, 1, 0]))
    assert result.shape == (3, 4) and not result[1, 1:].any()
    for atom, row in enumerate([0, 1, 0]):
        for column, f in enumerate(functions[row]):
            tensor = invariant(f.ls, f.inner)
            for z, n, l in zip(f.neighbours, f.ns, f.ls, strict=True):
                keys = [((z, n - 1, l, m), f.rank == 1) for m in range(-l, l + 1)]
                a = [float(densities[atom, places[key]]) if key in places else np.nan for key in keys]
                tensor = np.tensordot(np.nan_to_num(a), tensor, axes=(0, 0))
            assert float(result[atom, column]) == pytest.approx(float(tensor), abs=1e-13)


def test_results_do_not_depend_on_the_group_size(monkeypatch):
    functions = cluster_functions(pacemaker_functions(["H"], (2, 2, 1), (0, 1, 1)), ["H"])
    places: dict[tuple, int] = {}
    products = ClusterProducts(functions, lambda factor, alone: places.setdefault((factor, alone), len(places)))
    densities = torch.randn(70, len(places), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    element = torch.zeros(70, dtype=torch.int64)
    before = products(densities, element)
    monkeypatch.setattr("atomgraph.featurizers.ace.products._MAX_PRODUCTS", 1)
    torch.testing.assert_close(products(densities, element), before, rtol=1e-14, atol=0)


def test_number_of_functions_is_pacemakers():
    """r_sbessel_Mo of the reference files, and its three elements."""
    orders = (5, 3, 2, 1), (0, 2, 2, 1)
    assert len(pacemaker_functions(["Mo"], *orders)) == 52
    assert len(pacemaker_functions(["H", "Li", "O"], *orders)) == 3 * 712


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_functions_are_linearly_independent(rank):
    n_max, l_max = (0,) * (rank - 1) + (2,), (0,) * (rank - 1) + (2,)
    functions = cluster_functions(pacemaker_functions(["H"], n_max, l_max), ["H"])[0]
    column: dict[tuple, int] = {}
    every = [f.monomials() for f in functions]
    table = np.zeros((len(every), 4000))
    for i, first in enumerate(every):
        for key, value in first.items():
            table[i, column.setdefault(key, len(column))] = value
    assert np.linalg.matrix_rank(table[:, : len(column)], tol=1e-8) == len(every) > 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centre": "Ho"}, "unknown element 'Ho' in a cluster function; did you mean O"),
        ({"ns": [0, 1, 1]}, "n ≥ 1"),
        ({"ns": [1, 1]}, "1 to 6 neighbours"),
        ({"ns": [1.5, 1, 1]}, "needs centre"),
        ({"ls": [1, 1, 1]}, "odd sum"),
        ({"ls": [1, 1, 4]}, "do not couple"),
        ({"ls": None}, "needs centre"),
        ({"lint": [2]}, "has no key lint"),
        ({"ls": [40, 40, 0]}, "are not supported: a degree is at most 12"),
    ],
)
def test_invalid_functions_raise(change, message):
    with pytest.raises(WiringError, match=message):
        cluster_functions([GOOD | change], ["H", "O"])


@pytest.mark.parametrize(("n_max", "l_max"), [((1, 1), (0,)), ((), ()), ((1,) * 7, (0,) * 7), ((-1,), (0,))])
def test_invalid_orders_raise(n_max, l_max):
    with pytest.raises(WiringError, match="one number ≥ 0 per order"):
        pacemaker_functions(["H"], n_max, l_max)
