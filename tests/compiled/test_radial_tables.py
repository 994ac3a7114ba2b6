"""Tables of radial weights have the stated error; their size is limited; failures give warnings."""

import pytest
import torch

from atomgraph.compiled import radial_tables as radial
from atomgraph.compiled.mace.interaction_weights import density_function, weight_functions
from atomgraph.compiled.radial_tables import (
    PIECES,
    TOLERANCE,
    Grid,
    PairTables,
    evaluate_with_derivative,
    fit_to_tolerance,
)
from atomgraph.kernels import KernelWarning
from atomgraph.models import MACE
from atomgraph.nn.equivariant.distance_transform import Agnesi, Soft
from atomgraph.ops.piecewise import evaluate_pieces
from atomgraph.testing.measures import construct, randomise

ELEMENTS = ["H", "O"]
CUTOFF = 4.0
KINDS = {
    "plain": {},
    "agnesi": {"transform": Agnesi(ELEMENTS)},
    "soft": {"transform": Soft(ELEMENTS)},
    "normalised": {"interaction": "nonlinear_residual"},
}


def interaction(kind, seed, gain):
    """The second layer's, with random weights as large as ``gain`` times what they are at first."""
    options = dict(KINDS[kind])
    radial = {"n_radial": 8, "transform": options.pop("transform", None)}
    interaction = options.pop("interaction", "density_residual")
    arguments = {"hidden_irreps": "4x0e+4x1o", "l_max": 2, "order": 2, "radial": radial, "interaction": interaction}
    model = construct(lambda: MACE(ELEMENTS, CUTOFF, **arguments)).double()
    result = randomise(model, seed).branches[0].layers[1].interaction.eval().requires_grad_(False)
    for parameter in result.network.parameters():
        parameter *= gain
    return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gain", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_stated_error_holds_everywhere_and_values_are_continuous(kind, gain, dtype):
    of = interaction(kind, seed=int(10 * gain), gain=gain)
    pairs, tolerance = [(0, 1), (0, 0)], TOLERANCE[dtype]
    for function in (weight_functions(of, pairs), density_function(of, pairs)):
        table, grid, error = fit_to_tolerance(function, Grid(CUTOFF, *PIECES[dtype]), tolerance)
        assert error <= tolerance
        start = torch.arange(grid.n_pieces, dtype=torch.float64)
        start = start[grid.distance(start) > 0.5]
        places = torch.linspace(-0.5, 0.5, 12, dtype=torch.float64)
        r = grid.distance(start + 0.5 + places[:, None])  # (n_places, n_pieces)
        exact = [each.unflatten(0, r.shape) for each in evaluate_with_derivative(function, r.flatten())]
        for k in range(len(pairs)):
            pair_values = function.pair_values(k, table)
            whole, grads = (each.chunk(len(pairs), dim=2)[k] for each in exact)
            scale = grads.abs().amax(dim=(0, 2)).flip(0).cummax(dim=0).values.flip(0)
            scale = scale.clamp(min=0.02 * float(scale.max()))  # the largest from here on
            ends = []
            for s, value, grad, distance in zip(places, whole, grads, r, strict=True):
                result, by_place = evaluate_pieces(pair_values, start.long(), s.expand(len(start)))
                by_r = by_place * grid.locate(distance)[2][:, None]
                assert ((by_r - grad).abs().amax(dim=1) <= 2.0 * tolerance * scale).all()
                assert ((result - value).abs().amax(dim=1) <= 0.05 * tolerance * scale * grid.cutoff).all()
                ends.append(result)
            assert ((ends[0][1:] - ends[-1][:-1]).abs().amax(dim=1) <= 0.02 * tolerance * scale[:-1] * CUTOFF).all()


def test_a_distance_is_in_the_piece_that_begins_before_it():
    grid = Grid(CUTOFF, 97, 5)
    r = torch.linspace(0.0, CUTOFF, 777, dtype=torch.float64)
    piece, s, by_r = grid.locate(r)
    assert int(piece.min()) == 0 and int(piece.max()) == 96
    assert float(s.abs().max()) <= 0.5 + 1e-12
    torch.testing.assert_close(grid.distance(piece + s + 0.5), r)
    torch.testing.assert_close(by_r[1:-1], torch.gradient((piece + s), spacing=(r,))[0][1:-1], rtol=1e-4, atol=0)


def tables(tolerance=1e-6):
    of = interaction("agnesi", 1, 1.0)
    return PairTables(
        lambda pairs: weight_functions(of, pairs), Grid(CUTOFF, 97, 5), tolerance, lambda table: table.clone()
    )


def test_weights_that_are_too_steep_give_one_warning(monkeypatch):
    monkeypatch.setattr(radial, "MAX_PIECES", 97)
    result = tables(tolerance=1e-12)
    with pytest.warns(KernelWarning, match=r"97 polynomials are too few .* error of \de-\d\d, more than 1e-12") as told:
        result.get_tables([(0, 1)])
        result.get_tables([(1, 1)])
    assert len(told) == 1 and result.error > 1e-12


def test_tables_that_are_not_needed_are_dropped(monkeypatch):
    result = tables()
    first = result.get_tables([(0, 0), (0, 1)])
    size = result.n_bytes
    monkeypatch.setattr(radial, "MAX_CACHED_BYTES", size)
    second = result.get_tables([(0, 1), (1, 1)])
    assert result.n_bytes == size
    assert second.tables[0] is first.tables[1]  # what is in use stays
    again = result.get_tables([(0, 0), (0, 1), (1, 1)])  # more than may be kept, but all are needed
    assert result.n_bytes == 1.5 * size
    torch.testing.assert_close(again.tables[0], first.tables[0], rtol=0, atol=1e-12)
