import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.ops.laplacian import KINDS, NORMALISATIONS, laplacian, mean_of_neighbours, sum_of_neighbours

# The labelled graph of the lecture (its nodes 1 … 6): six nodes, seven bonds.
BONDS = [(0, 1), (0, 4), (1, 2), (1, 4), (2, 3), (3, 4), (3, 5)]
LAPLACIAN_OF_THE_LECTURE = [
    [2, -1, 0, 0, -1, 0],
    [-1, 3, -1, 0, -1, 0],
    [0, -1, 2, -1, 0, 0],
    [0, 0, -1, 3, -1, -1],
    [-1, -1, 0, -1, 3, 0],
    [0, 0, 0, -1, 0, 1],
]
EVERY = pytest.mark.parametrize(
    ("kind", "normalisation"), [(kind, normalisation) for kind in KINDS for normalisation in NORMALISATIONS]
)


def lecture():
    """Neighbour and centre rows of the lecture's graph, both directions, sorted by centre."""
    pairs = sorted([(j, i) for i, j in BONDS] + BONDS, key=lambda pair: pair[1])
    return torch.tensor(pairs).T


def random_graph(n_atoms=7, n_edges=30, seed=0, channels=None):
    """A random directed multigraph with loops and double edges, as an atom's images make them; atom 0 has no neighbour."""
    random = torch.Generator().manual_seed(seed)
    neighbour = torch.randint(0, n_atoms, (n_edges,), generator=random)
    centre = torch.randint(1, n_atoms, (n_edges,), generator=random).sort().values
    shape = (n_edges,) if channels is None else (n_edges, channels)
    return torch.rand(shape, generator=random, dtype=torch.float64), centre, neighbour, n_atoms


def dense(weight, centre, neighbour, n_atoms):
    """The adjacency as a matrix, an edge at a time."""
    matrix = torch.zeros(n_atoms, n_atoms, dtype=torch.float64)
    for w, i, j in zip(weight, centre, neighbour, strict=True):
        matrix[i, j] += w
    return matrix


def dense_laplacian(matrix, kind, normalisation):
    """The table of the file's docstring, in matrices."""
    eye, total = torch.eye(len(matrix), dtype=matrix.dtype), matrix.sum(dim=1)
    if kind == "plain":
        return torch.diag(total) - matrix
    degree = total if normalisation == "bare" else 1.0 + total
    adjacency = matrix + eye if normalisation == "self_loop" else matrix
    inverse = torch.tensor([1.0 / d if d > 0 else 0.0 for d in degree.tolist()], dtype=matrix.dtype)
    left, right = {
        "symmetric": (inverse.sqrt(), inverse.sqrt()),
        "random_walk": (inverse, torch.ones_like(inverse)),
        "diffusion": (torch.ones_like(inverse), inverse),
    }[kind]
    return eye - torch.diag(left) @ adjacency @ torch.diag(right)


def test_laplacian_of_the_lectures_six_nodes():
    neighbour, centre = lecture()
    operator = laplacian(torch.ones(14, dtype=torch.float64), centre, neighbour, 6, "plain")
    matrix = operator(torch.eye(6, dtype=torch.float64))
    assert torch.equal(matrix, torch.tensor(LAPLACIAN_OF_THE_LECTURE, dtype=torch.float64))


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_operator_is_its_matrix(kind, normalisation, seed):
    weight, centre, neighbour, n_atoms = random_graph(seed=seed)
    matrix = dense_laplacian(dense(weight, centre, neighbour, n_atoms), kind, normalisation)
    applied = laplacian(weight, centre, neighbour, n_atoms, kind, normalisation)(torch.eye(n_atoms, dtype=weight.dtype))
    torch.testing.assert_close(applied, matrix, rtol=1e-13, atol=1e-13)


@EVERY
def test_each_channel_may_have_its_own_weights(kind, normalisation):
    weight, centre, neighbour, n_atoms = random_graph(channels=3)
    h = torch.randn(n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    together = laplacian(weight, centre, neighbour, n_atoms, kind, normalisation)(h)
    for c in range(3):
        alone = laplacian(weight[:, c], centre, neighbour, n_atoms, kind, normalisation)(h[:, c : c + 1])
        torch.testing.assert_close(together[:, c : c + 1], alone, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_random_walk_laplacian_subtracts_the_mean(normalisation):
    weight, centre, neighbour, n_atoms = random_graph()
    h = torch.randn(n_atoms, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mean = mean_of_neighbours(h, weight, centre, neighbour, normalisation)
    operator = laplacian(weight, centre, neighbour, n_atoms, "random_walk", normalisation)
    torch.testing.assert_close(h - mean, operator(h), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", ["plain", "random_walk"])
def test_differences_of_equal_features_vanish(kind):
    weight, centre, neighbour, n_atoms = random_graph()
    normalisation = "self_loop"
    equal = torch.ones(n_atoms, 1, dtype=torch.float64)
    assert laplacian(weight, centre, neighbour, n_atoms, kind, normalisation)(equal).abs().max() < 1e-14


@pytest.mark.parametrize("kind", ["plain", "diffusion"])
def test_diffusion_keeps_the_sum(kind):
    neighbour, centre = lecture()
    weight = torch.rand(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = (weight + weight.T)[centre, neighbour]  # as strong in both directions
    h = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    change = laplacian(weight, centre, neighbour, 6, kind, "bare")(h)
    assert change.sum(dim=0).abs().max() < 1e-14


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_eigenvalues_of_the_symmetric_laplacian_lie_between_zero_and_two(normalisation):
    neighbour, centre = lecture()
    weight = (10.0 * torch.rand(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).square()
    weight = (weight + weight.T)[centre, neighbour]
    matrix = laplacian(weight, centre, neighbour, 6, "symmetric", normalisation)(torch.eye(6, dtype=torch.float64))
    values = torch.linalg.eigvalsh(matrix)
    assert values.min() > -1e-13 and values.max() < 2 + 1e-13


@EVERY
def test_no_edges_at_all(kind, normalisation):
    none = torch.zeros(0, dtype=torch.int64)
    h = torch.ones(3, 2, dtype=torch.float64)
    operator = laplacian(torch.zeros(0, dtype=torch.float64), none, none, 3, kind, normalisation)
    expected = 0.0 if kind == "plain" or normalisation == "self_loop" else 1.0
    assert torch.equal(operator(h), expected * h)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalisation", ["smooth", "self_loop"])
def test_smooth_when_the_last_neighbour_reaches_the_cutoff(kind, normalisation):
    pair = torch.tensor([0, 1]), torch.tensor([1, 0])
    h = torch.tensor([[1.0], [-3.0]], dtype=torch.float64)
    faded = laplacian(torch.full((2,), 1e-12, dtype=torch.float64), *pair, 2, kind, normalisation)(h)
    gone = laplacian(torch.zeros(2, dtype=torch.float64), *pair, 2, kind, normalisation)(h)
    assert (faded - gone).abs().max() < 1e-10


def test_the_bare_degree_jumps_when_the_last_neighbour_leaves():
    """Why energies do not use it."""
    pair = torch.tensor([0, 1]), torch.tensor([1, 0])
    h = torch.tensor([[1.0], [-3.0]], dtype=torch.float64)
    faded = laplacian(torch.full((2,), 1e-12, dtype=torch.float64), *pair, 2, "random_walk", "bare")(h)
    gone = laplacian(torch.zeros(2, dtype=torch.float64), *pair, 2, "random_walk", "bare")(h)
    assert (faded - gone).abs().max() > 0.9


@EVERY
@pytest.mark.parametrize("channels", [None, 2], ids=["shared weights", "weights per channel"])
def test_first_and_second_derivatives(kind, normalisation, channels):
    weight, centre, neighbour, n_atoms = random_graph(n_atoms=4, n_edges=6, channels=channels)
    h = torch.randn(n_atoms, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def apply(weight, h):
        return laplacian(weight, centre, neighbour, n_atoms, kind, normalisation)(h)

    inputs = (weight.requires_grad_(True), h.requires_grad_(True))
    assert torch.autograd.gradcheck(apply, inputs)
    assert torch.autograd.gradgradcheck(apply, inputs)


def test_first_and_second_derivatives_of_mean_and_sum():
    weight, centre, neighbour, n_atoms = random_graph(n_atoms=4, n_edges=6)
    h = torch.randn(n_atoms, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs = (h.requires_grad_(True), weight.requires_grad_(True))
    for function in (sum_of_neighbours, mean_of_neighbours):
        assert torch.autograd.gradcheck(lambda h, w, f=function: f(h, w, centre, neighbour), inputs)
        assert torch.autograd.gradgradcheck(lambda h, w, f=function: f(h, w, centre, neighbour), inputs)


def test_unknown_names_raise_with_the_most_similar_name():
    weight, centre, neighbour, n_atoms = random_graph()
    with pytest.raises(WiringError, match="did you mean symmetric"):
        laplacian(weight, centre, neighbour, n_atoms, "symetric")
    with pytest.raises(WiringError, match="did you mean smooth"):
        laplacian(weight, centre, neighbour, n_atoms, "symmetric", "smoth")
