"""Fused readouts have the energies and gradients of their readouts and baseline, for every head and activation."""

import pytest
import torch
from e3nn import o3
from helpers.compilers import needs_compiler

from atomgraph.compiled.activation_vjps import ACTIVATION_VJPS
from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.fused_readouts import FusedReadouts
from atomgraph.compiled.kernel_graph import GRAPH_SOURCE, ElementOrder, KernelGraph
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LINEAR_SOURCE
from atomgraph.compiled.linear_forms import EVEN, LinearForm
from atomgraph.kernels import compile_library
from atomgraph.models import Baseline
from atomgraph.nn.activation import ACTIVATIONS
from atomgraph.readouts import MultiHeadMLP, ScaledLinear, ZeroReadout
from atomgraph.testing.measures import construct, randomise

pytestmark = needs_compiler
ELEMENTS, HEADS, CHANNELS = ["H", "C", "O"], ["coarse", "fine"], 5
MAKERS = {
    "linear": lambda heads: ScaledLinear(CHANNELS, heads),
    "silent": lambda heads: ZeroReadout(CHANNELS, heads),
    "deep": lambda heads: MultiHeadMLP(CHANNELS, 3, heads, bias=True),
    **{f"{name} units": lambda heads, name=name: MultiHeadMLP(CHANNELS, 4, heads, name) for name in ACTIVATIONS},
}


def baseline(heads):
    result = Baseline(ELEMENTS, heads)
    for k, head in enumerate(heads):
        result.set_e0(dict(zip(ELEMENTS, (-1.0, 2.0 + k, 0.5), strict=True)), head)
        result.set_scale(0.7 + k, 0.3 * k, head)
    return result


@pytest.mark.parametrize("heads", [HEADS, HEADS[:1]])
@pytest.mark.parametrize("of_all", [True, False])
@pytest.mark.parametrize("name", MAKERS)
def test_energies_and_gradients_are_those_of_the_readouts(name, heads, of_all):
    random = torch.Generator().manual_seed(1)
    library = compile_library("\n".join([GRAPH_SOURCE, LINEAR_SOURCE]), "linear")
    order = ElementOrder.by_element(torch.tensor([0, 2, 1, 0, 2, 2]))
    readouts = [
        randomise(construct(lambda each=each: MAKERS[each](1 if of_all else len(heads))).double())
        for each in ("linear", name)
    ]
    base, n = baseline(heads), len(order.graph_row)
    sources = [Layout({o3.Irrep("1o"): 2, EVEN: 8}), Layout({EVEN: CHANNELS})]
    x = [torch.randn(n * layout.width, dtype=torch.float64, generator=random).requires_grad_() for layout in sources]
    by_element = torch.randn(3, 8, CHANNELS, dtype=torch.float64, generator=random)
    table = torch.randn(3, CHANNELS, dtype=torch.float64, generator=random)
    first = LinearForm(((0, Weights({EVEN: (8, CHANNELS)}, True, lambda _, z: by_element[z])),), table)
    second = LinearForm(((1, Weights.identity({EVEN: CHANNELS})),)).plus(first)
    head = torch.arange(n) % len(heads)

    scalars, whole = sources[0].block(x[0], EVEN)[:, 0], sources[1].block(x[1], EVEN)[:, 0]
    features = torch.einsum("ic,icd->id", scalars, by_element[order.element]) + table[order.element]
    local = [readout(h, None, None) for readout, h in zip(readouts, (features, features + whole), strict=True)]
    epsilon = sum(base.select_head(each, head) for each in local)
    reference = base.total(epsilon, None, head, order.element)
    expected = torch.autograd.grad(reference.sum(), x, materialize_grads=True)

    fused = FusedReadouts(library, readouts, base, [first, second], sources, torch.float64)
    with torch.no_grad():
        nothing = torch.empty(0)
        kernel_graph = KernelGraph(
            **vars(order),
            **dict.fromkeys(
                ("vector", "centre", "neighbour", "centre_offsets", "neighbour_offsets", "edges_by_neighbour"), nothing
            ),
        )
        of = Evaluation.from_kernel_graph(kernel_graph, torch.float64)
        energy, vjp = fused(of, [each.detach() for each in x], head if len(heads) > 1 else None)
        grads = [None, None]
        vjp(grads)
    torch.testing.assert_close(energy, reference.detach(), atol=1e-12, rtol=1e-12)
    for result, grad in zip(grads, expected, strict=True):
        result = torch.zeros_like(grad) if result is None else result
        torch.testing.assert_close(result, grad, atol=1e-12, rtol=1e-12)


def test_every_activation_has_a_gradient():
    x = torch.linspace(-2.0, 2.0, 8, dtype=torch.float64).requires_grad_()
    for activation, _ in ACTIVATIONS.values():
        expected = torch.autograd.grad(activation(x).sum(), x)[0]
        torch.testing.assert_close(
            ACTIVATION_VJPS[activation](torch.ones_like(x), x.detach()), expected, atol=1e-14, rtol=1e-14
        )
