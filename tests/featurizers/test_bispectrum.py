"""SNAP's bispectrum: its laws under every option, its order, LAMMPS's numbers for three atoms."""

import ase
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import Bispectrum
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, sample_structures

RADII = {"H": 0.4, "C": 0.5, "O": 0.45, "Si": 0.5}
WEIGHTS = {"H": 0.4, "C": 1.0, "O": -0.7, "Si": 1.3}
CHEM = {"H": 0, "C": 1, "O": 1, "Si": 0}
INNER = {"H": [0.9, 0.3], "C": [1.4, 0.4], "O": [1.3, 0.2], "Si": [2.0, 0.3]}


class TestBispectrum(FeaturizerLaws):
    def featurizer(self):
        return Bispectrum(ELEMENTS, 3.5, twojmax=5, radii=RADII, weights=WEIGHTS)


class TestUsualBispectrum(FeaturizerLaws):
    def featurizer(self):
        return Bispectrum(ELEMENTS, 3.0)


class TestQuadraticBispectrum(FeaturizerLaws):
    def featurizer(self):
        return Bispectrum(ELEMENTS, 3.2, twojmax=3, quadratic=True, bzero=True, rmin0=0.3, rfac0=0.9)


class TestBispectrumOfTwoChannels(FeaturizerLaws):
    def featurizer(self):
        return Bispectrum(ELEMENTS, 3.5, twojmax=3, chem=CHEM, bzero=True, weights=WEIGHTS)


class TestBispectrumOfTwoChannelsWithItselfInBoth(FeaturizerLaws):
    def featurizer(self):
        return Bispectrum(ELEMENTS, 3.5, twojmax=2, chem=CHEM, bnorm=True, wselfall=True, bzero=True, wself=0.8)


class TestBispectrumThatFadesInside(FeaturizerLaws):
    def featurizer(self):
        return Bispectrum(ELEMENTS, 3.2, twojmax=3, inner=INNER)


class TestBispectrumWithoutSwitch(FeaturizerLaws):
    smooth = False  # LAMMPS's switchflag 0: a neighbour comes with its whole weight

    def featurizer(self):
        return Bispectrum(ELEMENTS, 3.2, twojmax=3, switch=False)


def components(atoms, *arguments, dtype=torch.float64, **settings):
    featurizer = Bispectrum(*arguments, **settings)
    graph = make_graph(atoms, featurizer.cutoff)
    return featurizer(graph, Edges.of(graph, ElementTable(featurizer.elements), dtype))


LAMMPS = {  # compute sna/atom of 2025-07-22, rcutfac 4, rfac0 0.99, twojmax 2, R 0.5 and 0.42, w 1 and 0.65
    "inner": (
        {"inner": {"Si": [1.5, 0.3], "C": [1.7, 0.4]}},
        [
            [3.210990526169934, 3.4647746696654296, 2.723758412293767, 3.5547881341307797, 1.6425606901516983],
            [2.3362417585845106, 2.9310965682304655, 3.026120280612931, 3.961894516235528, 2.5124505997527393],
            [3.635534797128773, 3.4970936942887385, 2.281671179326838, 4.514202429491897, 1.416552959926714],
        ],
    ),
    "rmin0": (
        {"rmin0": 0.6},
        [
            [7.017335134479667, 8.482560937495018, 6.620224028069207, 6.783054298309625, 2.6843202094092655],
            [6.578361470557319, 8.841174126741592, 8.80107973122169, 9.861257070500093, 5.241954767983493],
            [5.154624999964027, 5.754043688930324, 4.2924790655254945, 5.969948515633018, 1.4640533987876145],
        ],
    ),
    "bnorm": (
        {"bnorm": True},
        [
            [5.035597834445185, 2.393613855023364, 0.9973377946400714, 1.3286423957529598, 0.38592131087482995],
            [4.765934724777073, 2.6973458354112876, 1.3733384537289917, 1.8765759165548077, 0.49027991816175515],
            [3.716347371410645, 1.7786589455596529, 0.7602169415941187, 1.5209245488754448, 0.45685248411443236],
        ],
    ),
    "every ninth of two channels": (
        {"chem": {"Si": 0, "C": 1}, "bnorm": True, "wselfall": True, "bzero": True},
        [
            [0.0, -0.20569473222280732, 0.3614586497370298, -0.09250342192383021, 1.3936138550233639],
            [3.2217175952991433, -0.4053547221259519, -0.0768289855164972, 0.10054784589501553, -0.039456703355570166],
            [2.256892027912961, -0.38126339886641825, -0.0694174909765286, -0.0542191824913536, -0.039456703355570166],
        ],
    ),
}


@pytest.mark.parametrize("option", LAMMPS)
def test_three_atoms_have_lammps_components(option):
    settings, theirs = LAMMPS[option]
    atoms = ase.Atoms("SiCC", positions=[(10, 10, 10), (11.5, 10.4, 9.8), (9.3, 11.6, 10.7)])
    usual = {"twojmax": 2, "radii": {"Si": 0.5, "C": 0.42}, "weights": {"Si": 1.0, "C": 0.65}, "rfac0": 0.99}
    ours = components(atoms, ["Si", "C"], 4.0, **usual, **settings)
    ours = ours[:, ::9] if "chem" in settings else ours
    torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chem", [None, CHEM])
def test_isolated_atom_has_the_components_of_its_weight(chem):
    """B = 2j + 1; nothing where that is subtracted."""
    atoms = ase.Atoms("C")
    result = components(atoms, ELEMENTS, 3.0, 2, chem=chem)
    own = result.reshape(-1, 5)[0 if chem is None else 7]
    torch.testing.assert_close(own, torch.tensor([1.0, 2, 3, 3, 3]).double())
    assert result.abs().sum() == pytest.approx(12.0)
    assert components(atoms, ELEMENTS, 3.0, 2, chem=chem, bzero=True).abs().max() < 1e-13
    torch.testing.assert_close(components(atoms, ELEMENTS, 3.0, 2, chem=chem, wself=2.0), 8 * result)


def test_cutoff_of_a_pair_is_the_sum_of_radii():
    pair = ase.Atoms("HC", positions=[[0, 0, 0], [0, 0, 2.9]])
    settings = {"radii": {"H": 0.4, "C": 0.6}, "bzero": True}
    assert components(pair, ["H", "C"], 3.0, **settings).abs().max() > 1e-9
    pair.positions[1, 2] = 3.01
    assert components(pair, ["H", "C"], 3.0, **settings).abs().max() < 1e-12


def test_quadratic_columns_are_halved_squares_and_products():
    b = components(crystal(), ELEMENTS, 3.2, 2)
    result = components(crystal(), ELEMENTS, 3.2, 2, quadratic=True)
    pairs = [b[:, i] * b[:, j] * (0.5 if i == j else 1.0) for i in range(5) for j in range(i, 5)]
    torch.testing.assert_close(result, torch.cat([b, torch.stack(pairs, dim=1)], dim=1))


def test_sum_over_channels_equals_one_channel():
    """Σ_abc of the components of channels is the component of all neighbours together, the atom itself once."""
    atoms = sample_structures()["molecule"]
    apart = components(atoms, ELEMENTS, 3.4, 4, chem=CHEM).unflatten(1, (8, -1)).sum(dim=1)
    torch.testing.assert_close(apart, components(atoms, ELEMENTS, 3.4, 4), rtol=1e-11, atol=1e-11)


def test_components_are_smooth_at_rmin0():
    def at(r):
        return components(ase.Atoms("C2", positions=[[0, 0, 0], [0, 0, r]]), ["C"], 4.0, 4, rmin0=1.5)

    before, on, after = at(1.5 - 1e-5), at(1.5), at(1.5 + 1e-5)
    assert (before - after).abs().max() < 1e-3 and (before + after - 2 * on).abs().max() < 1e-7


def test_float32_is_float64_to_six_digits():
    exact, single = (components(crystal(), ELEMENTS, 4.0, 8, dtype=dtype) for dtype in (torch.float64, torch.float32))
    assert single.dtype == torch.float32
    assert (single.double() - exact).abs().max() < 1e-5 * exact.abs().max()


@pytest.mark.parametrize(
    "settings, complaint",
    [
        ({"twojmax": 13}, "from 0 to 12"),
        ({"twojmax": 2.5}, "whole number"),
        ({"cutoff": 0.0}, "should be positive"),
        ({"cutoff": float("nan")}, "should be positive"),
        ({"radii": {"Si": -1.0, "C": 0.5}}, "should be positive"),
        ({"radii": {"Si": 1.0}}, "radii of a bispectrum .* lack C; add C to radii, or set radii: auto"),
        ({"weights": {"C": 1.0}}, "weights of a bispectrum .* lack Si; add Si to weights"),
        ({"radii": "auto"}, "which replaces it by numbers from the training structures"),
        ({"radii": {"Gi": 1.0}}, "Gi"),
        ({"inner": {"Ge": [1.0, 0.1]}}, "inner contains Ge; the elements are Si, C"),
        ({"weights": {"Si": float("inf"), "C": 1.0}}, "finite numbers"),
        ({"rfac0": 1.2}, "rfac0 should be in"),
        ({"rmin0": 4.0}, "rmin0 from 0 to below 4.0"),
        ({"chem": {"Si": 0}}, "every element a channel"),
        ({"chem": {"Si": 0, "C": 2}}, "without gaps"),
        ({"inner": {"Si": [1.0, 0.1]}}, "every element"),
        ({"inner": {"Si": [1.0, 0.1], "C": [1.0, 0.0]}}, "D positive"),
    ],
)
def test_invalid_arguments_raise(settings, complaint):
    with pytest.raises(WiringError, match=complaint):
        Bispectrum(**({"elements": ["Si", "C"], "cutoff": 4.0} | settings))


def test_tables_can_contain_more_elements_than_the_model():
    every = Bispectrum(["Si"], 4.0, radii={"Si": 0.6, "Cu": 0.4}, weights={"Si": 1.0, "Cu": 2.0})
    assert every.cutoff == pytest.approx(4.8, rel=1e-15)
    few = Bispectrum(["Si"], 4.0, radii={"Si": 0.6})
    graph = make_graph(ase.Atoms("Si3", [[0, 0, 0], [0, 0, 2.4], [0, 2.0, 1.0]]), 4.8)
    edges = Edges.of(graph, ElementTable(["Si"]), torch.float64)
    torch.testing.assert_close(every(graph, edges), few(graph, edges), rtol=0, atol=0)
