"""Splines of radial weights keep the error that they state, for any weights and anywhere between their knots."""

import pytest
import torch
from measures import generic

from atomgraph.compiled.radial import TOLERANCE, Grid, converged, density_of, derivatives, weights_of
from atomgraph.models import MACE
from atomgraph.nn.distance_transform import Agnesi, Soft
from atomgraph.ops.hermite import piecewise

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
    model = MACE(ELEMENTS, CUTOFF, hidden="4x0e+4x1o", l_max=2, order=2, radial=radial, interaction=interaction)
    found = generic(model.double(), seed).branches[0].layers[1].interaction.eval().requires_grad_(False)
    for parameter in found.network.parameters():
        parameter *= gain
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gain", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_stated_error_holds_anywhere(kind, gain, dtype):
    of = interaction(kind, seed=int(10 * gain), gain=gain)
    pairs = [(0, 1), (0, 0)]
    for function in (weights_of(of, pairs), density_of(of, pairs)):
        start = Grid(CUTOFF, 48, 3 if dtype == torch.float32 else 4)
        table, grid, error = converged(function, start, TOLERANCE[dtype])
        assert error <= TOLERANCE[dtype]
        for s in torch.linspace(-0.5, 0.5, 12, dtype=torch.float64):
            piece = torch.arange(grid.n_pieces)[grid.knots()[:-1] > 0.5]
            exact = derivatives(function, grid.knots()[piece] + (s + 0.5) * grid.step, 2)
            for k, of_pair in enumerate(exact.chunk(len(pairs), dim=2)):
                value, slope = piecewise(function.of_pair(k, table), piece, s.expand(len(piece)))
                scale = of_pair[:, 1].abs().max()
                assert (slope / grid.step - of_pair[:, 1]).abs().max() <= 2.0 * TOLERANCE[dtype] * scale
                assert (value - of_pair[:, 0]).abs().max() <= 0.1 * TOLERANCE[dtype] * scale * grid.cutoff
