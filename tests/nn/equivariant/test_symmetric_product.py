"""The symmetric product basis is the contraction written out, for any order, element and kind of couplings."""

import copy

import pytest
import torch
from e3nn import o3

from atomgraph.analysis.laws.structures import rotation_matrix
from atomgraph.errors import WiringError
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct
from atomgraph.nn.part import build, to_spec
from atomgraph.ops.coupling import coupling_tensor
from atomgraph.testing.measures import wigner_d

L2 = "0e+1o+2e"


def explicit_sum(product, a, element):
    """B = (… ((T_ν · x) + T_{ν−1}) · x …) with T_ν = Σ_p U_ν W_ν, irrep by irrep."""
    x, irreps = a.transpose(1, 2), "+".join(str(irrep) for _, irrep in product.irreps_in)
    results = []
    for _, irrep in product.irreps_out:
        out = torch.zeros(())
        for nu in range(product.order, 0, -1):
            key = f"{irrep}_{nu}"
            if key in product.weights:
                given = dict(product.named_buffers()).get(f"coupling_{key}")
                u = coupling_tensor(irreps, str(irrep), nu) if given is None else given
                out = torch.einsum("...p,zpc->zc...", u, product.weights[key][element]) + out
            if out.ndim > 2:
                out = torch.einsum("zc...i,zci->zc...", out, x)
        results.append(out.reshape(len(a), x.shape[1], -1) if out.ndim else a.new_zeros(len(a), x.shape[1], irrep.dim))
    return torch.cat(results, dim=2).transpose(1, 2)


def inputs(product, n_atoms=5, seed=0):
    random = torch.Generator().manual_seed(seed)
    a = torch.randn(n_atoms, product.irreps_in.dim, product.channels, dtype=torch.float64, generator=random)
    return a, torch.randint(product.n_elements, (n_atoms,), generator=random)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "irreps_in, irreps_out",
    [("0e", "0e"), ("0e+1o", "0e+1o"), (L2, "0e+1o+2e"), ("0o+0e+1o+1e", "0o+0e+1o+1e"), ("0e+1e+2e", "0e+1e")],
)
def test_product_equals_the_explicit_contraction(irreps_in, irreps_out, order):
    product = SymmetricProduct(irreps_in, irreps_out, order, 3, 2).double()
    a, element = inputs(product)
    expected = explicit_sum(product, a, element)
    torch.testing.assert_close(product(a, element), expected, rtol=1e-12, atol=1e-12 * expected.abs().max().item())


def test_published_shapes_need_few_independent_couplings():
    product = SymmetricProduct("0e+1o+2e+3o", "0e+1o+2e", 3, 1)
    ranks = {key: tuple(r.shape) for key, r in product._get_tables(torch.zeros(1, 16, 1).double()).reduction.items()}
    assert {k: v for k, v in ranks.items() if k.endswith("3")} == {"0e_3": (8, 23), "1o_3": (12, 51), "2e_3": (14, 65)}


def test_second_derivatives():
    product = SymmetricProduct("0e+1o", "0e+1o", 3, 2, 2).double()
    a, element = inputs(product, 2)
    weights = tuple(w.detach().requires_grad_() for w in product.weights.values())

    def of(a, *weights):
        named = {f"weights.{key}": w for key, w in zip(product.weights, weights, strict=True)}
        return torch.func.functional_call(product, named, (a, element))

    assert torch.autograd.gradcheck(of, (a.requires_grad_(), *weights))
    assert torch.autograd.gradgradcheck(of, (a, *weights))


def test_product_is_equivariant():
    product = SymmetricProduct(L2, "0e+1o+2e", 3, 2).double()
    a, element = inputs(product)
    d = torch.block_diag(*[wigner_d(l, torch.as_tensor(rotation_matrix(1))) for l in range(3)])
    torch.testing.assert_close(product(d @ a, element), d @ product(a, element), rtol=0, atol=1e-11)


def with_file_couplings(product, change=lambda u: u):
    """The same product with its couplings as buffers, as a file brings them."""
    n_paths = {
        str(irrep): [product.weights[f"{irrep}_{nu}"].shape[1] for nu in range(1, product.order + 1)]
        for _, irrep in product.irreps_out
    }
    second = SymmetricProduct(
        product.irreps_in, product.irreps_out, product.order, product.channels, product.n_elements, n_paths
    ).double()
    irreps = "+".join(str(irrep) for _, irrep in product.irreps_in)
    state = product.state_dict()
    for _, irrep in product.irreps_out:
        for nu in range(1, product.order + 1):
            state[f"coupling_{irrep}_{nu}"] = change(coupling_tensor(irreps, str(irrep), nu))
    second.load_state_dict(state)
    return second


def test_couplings_from_a_file_give_equal_products():
    product = SymmetricProduct(L2, "0e+1o", 3, 3, 2).double()
    a, element = inputs(product)
    torch.testing.assert_close(with_file_couplings(product)(a, element), product(a, element), rtol=1e-12, atol=1e-12)


def test_couplings_from_a_file_keep_their_rounding():
    """Couplings that were rounded to float32 are other couplings, and in float64 they count as they are."""
    product = with_file_couplings(SymmetricProduct(L2, "0e+1o", 3, 3).double(), lambda u: u.float().double())
    a, element = inputs(product)
    expected = explicit_sum(product, a, element)
    torch.testing.assert_close(product(a, element), expected, rtol=0, atol=1e-13 * expected.abs().max().item())


def test_couplings_that_are_loaded_later_are_used():
    product = with_file_couplings(SymmetricProduct(L2, "0e", 2, 2).double())
    a, element = inputs(product)
    before = product(a, element)
    doubled = {k: 2 * v if k.startswith("coupling") else v for k, v in product.state_dict().items()}
    for assign in (False, True):
        second = copy.deepcopy(product)
        second.load_state_dict(doubled, assign=assign)
        torch.testing.assert_close(second(a, element), 2 * before, rtol=1e-12, atol=1e-12)


def test_product_is_exact_after_float32_and_inference_mode():
    product = SymmetricProduct(L2, "0e+1o", 3, 2).double()
    a, element = inputs(product)
    before = product(a, element)
    weights = copy.deepcopy(product.state_dict())
    with torch.inference_mode():
        single = product.float()(a.float(), element)
    torch.testing.assert_close(single.double(), before, rtol=1e-4, atol=1e-5)
    product.double().load_state_dict(weights)
    assert torch.equal(product(a.requires_grad_(), element), before)
    product(a, element).sum().backward()


def test_large_batches_are_split_without_derivatives(monkeypatch):
    product = SymmetricProduct(L2, "0e+1o", 3, 2, 2).double()
    a, element = inputs(product, 7)
    before = product(a, element)
    monkeypatch.setattr("atomgraph.nn.equivariant.symmetric_product._MAX_NUMBERS", 2 * 2 * 45 * 4)
    with torch.no_grad():
        torch.testing.assert_close(product(a, element), before, rtol=1e-13, atol=1e-13)


def test_no_atom_gives_no_rows():
    product = SymmetricProduct(L2, "0e+1o", 2, 3)
    assert product(torch.zeros(0, 9, 3), torch.zeros(0, dtype=torch.int64)).shape == (0, 4, 3)


def test_product_is_built_again_from_its_arguments():
    product = with_file_couplings(SymmetricProduct("0e+1o", "0e+1o", 2, 2).double())
    again = build(to_spec(product))
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in product.state_dict().items()}


@pytest.mark.parametrize("arguments", [("2x0e", "0e", 2, 1), ("0e", "0e", 0, 1), ("0e", "0e", 1, 0)])
def test_invalid_arguments_raise(arguments):
    with pytest.raises(WiringError):
        SymmetricProduct(*arguments)


def test_an_unreachable_irrep_is_zero():
    product = SymmetricProduct("0e+2e", "0e+1o", 2, 2).double()
    a, element = inputs(product)
    assert not product(a, element)[:, 1:].any() and o3.Irreps(product.irreps_out).dim == 4


def test_equal_products_share_their_tables():
    first, second, right = (SymmetricProduct("0e+1o", out, 3, channels=2) for out in ("0e+1o", "0e+1o", "0e"))
    A, element = torch.randn(3, 4, 2), torch.zeros(3, dtype=torch.int64)
    for product in (first, second, right):
        product(A, element)
    assert first._get_tables(A) is second._get_tables(A)
    assert first._get_tables(A) is not right._get_tables(A)
    assert first._get_tables(A) is not first._get_tables(A.double())


def test_copies_share_their_tables():
    product = SymmetricProduct("0e+1o", "0e", 2, 3).double()
    a, element = inputs(product)
    result = product(a, element)
    second = copy.deepcopy(product)
    assert second._get_tables(a) is product._get_tables(a)
    torch.testing.assert_close(second(a, element), result)
