import pytest
import torch
from helpers.labelled_structures import crystals, mixed

from atomgraph.data import EdgeBudgetSampler, GraphDataset, GraphLoader, budget_batches, build_graphs, collate
from atomgraph.errors import DataError
from atomgraph.graph.geometry import edge_vectors


@pytest.fixture(scope="module")
def graphs():
    return build_graphs([*mixed(), *crystals(10, seed=5)], 4.0)


def same(first, second):
    for name in first.keys():  # noqa: SIM118
        assert torch.equal(first[name], second[name]), name


def test_a_batch_has_the_edge_vectors_of_its_graphs_and_gives_them_back(graphs):
    batch = collate(graphs)
    torch.testing.assert_close(edge_vectors(batch), torch.cat([edge_vectors(graph) for graph in graphs]))
    assert batch.n_graphs == len(graphs) and batch.n_atoms == sum(graph.n_atoms for graph in graphs)
    for first, second in zip(batch.to_data_list(), graphs, strict=True):
        same(first, second)


def test_budget_batches_keep_order_and_budget_and_take_graphs_one_by_one(graphs):
    taken = []

    def stream():
        for number, graph in enumerate(graphs):
            taken.append(number)
            yield graph

    batches = budget_batches(stream(), 500)
    first = next(batches)
    assert len(taken) < len(graphs)
    everything = [first, *batches]
    assert sum(batch.n_graphs for batch in everything) == len(graphs)
    assert torch.equal(torch.cat([b.pos for b in everything]), torch.cat([g.pos for g in graphs]))
    assert all(batch.n_edges <= 500 or batch.n_graphs == 1 for batch in everything)
    assert all(batch.n_atoms <= 10 for batch in budget_batches(graphs, 10**6, 10))
    assert list(budget_batches([], 10)) == []


def test_padding_has_the_atoms_and_none_of_the_labels(graphs):
    data = GraphDataset(graphs)
    padding_structure = data[~8]
    assert torch.equal(padding_structure.pos, graphs[8].pos)
    assert not (
        padding_structure.energy_mask.any()
        or padding_structure.forces_mask.any()
        or padding_structure.stress_mask.any()
        or padding_structure.weight.any()
    )
    assert graphs[8].energy_mask.all() and graphs[8].weight.all()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_carry_the_counts_of_their_whole_step_for_any_number_of_workers(graphs, num_workers):
    loaders = [
        GraphLoader(
            graphs,
            EdgeBudgetSampler(graphs, 700, rank=rank, world_size=2, accumulate=2, seed=1),
            num_workers=num_workers,
        )
        for rank in range(2)
    ]
    batches = [list(loader) for loader in loaders]
    for step in range(loaders[0].batch_sampler.n_steps):
        here = [batch for mine in batches for batch in mine[2 * step : 2 * step + 2]]
        counts = sum(
            torch.tensor([b.energy_mask.sum(), 3 * b.forces_mask.sum(), 9 * b.stress_mask.sum()]).double() for b in here
        )
        for batch in here:
            torch.testing.assert_close(batch.window_counts, counts)
    alone = [list(GraphLoader(graphs, loader.batch_sampler)) for loader in loaders]
    for mine, theirs in zip(batches, alone, strict=True):
        for first, second in zip(mine, theirs, strict=True):
            same(first, second)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loader_draws_no_random_number_of_the_run(graphs, num_workers):
    """A resumed run makes its loader again: were a number drawn for it, dropout would go on with others."""
    before = torch.get_rng_state()
    list(GraphLoader(graphs, EdgeBudgetSampler(graphs, 700), num_workers=num_workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_of_two_processes_sum_to_those_of_one_with_the_joint_batch(graphs):
    """The reason for window_counts, on the smallest model there is: one number for the energy of an atom."""
    joint = EdgeBudgetSampler(graphs, 700, accumulate=2, seed=2)

    def gradient(batch):
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        sizes = torch.bincount(batch.batch, minlength=batch.n_graphs)
        off = (weight - batch.energy / sizes)[batch.energy_mask]
        (off.square().sum() / batch.window_counts[0].clamp(min=1)).backward()
        return weight.grad

    loaders = [GraphLoader(graphs, EdgeBudgetSampler(graphs, 700, rank=r, world_size=2, seed=2)) for r in range(2)]
    for step, pair in enumerate(zip(*loaders, strict=True)):
        whole = collate([graphs[index] for index in joint.window(step)])
        whole.window_counts = torch.from_numpy(joint.counts(step)).double()
        torch.testing.assert_close(sum(gradient(batch) for batch in pair), gradient(whole), rtol=1e-13, atol=1e-13)


def test_a_loader_goes_on_where_another_stopped(graphs):
    make = lambda: GraphLoader(graphs, EdgeBudgetSampler(graphs, 500, seed=1))  # noqa: E731
    first, second = make(), make()
    for loader in (first, second):
        loader.batch_sampler.set_epoch(3)
    stream = iter(first)
    for _ in range(2):
        next(stream)
    second.load_state_dict(first.state_dict())
    second.batch_sampler.set_epoch(3)
    rest, resumed = list(stream), list(second)
    assert len(rest) == len(resumed) == len(first) - 2
    for left, right in zip(rest, resumed, strict=True):
        same(left, right)


def test_nothing_to_batch_and_foreign_samplers_are_refused(graphs):
    with pytest.raises(DataError, match="at least one structure"):
        collate([])
    with pytest.raises(DataError, match=r"made for 3 structures, but got"):
        GraphLoader(graphs, EdgeBudgetSampler(graphs[:3], 500))
