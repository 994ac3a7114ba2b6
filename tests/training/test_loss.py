import dataclasses
import math

import pytest
import torch
from helpers.training_data import graphs, potential

from atomgraph.data import collate
from atomgraph.editing import add_head
from atomgraph.errors import ConfigError
from atomgraph.training import PotentialTask, Ramp, Term
from atomgraph.training.error_sums import ErrorSums
from atomgraph.training.loss import label_errors
from atomgraph.training.task import window_counts


def loss_of(batch, *terms):
    task = PotentialTask(potential(), terms).train()
    loss = task.loss(batch, 0, window_counts(batch))
    loss.backward()
    return loss, [p.grad for p in task.parameters()]


def perfect(batch):
    return {name: batch[name].clone() for name in ("energy", "forces", "stress")}


def test_known_values_of_the_three_losses():
    entries, weight = torch.tensor([[0.1, -0.2], [1.0, 0.0]], dtype=torch.float64), torch.tensor([1.0, 2.0])
    total = {
        loss: float(Term("forces", loss=loss, delta=0.15).sum_loss(entries, weight)) for loss in ("mse", "mae", "huber")
    }
    assert total["mse"] == pytest.approx(0.01 + 0.04 + 2.0)
    assert total["mae"] == pytest.approx(0.1 + 0.2 + 2.0)
    assert total["huber"] == pytest.approx(0.5 * 0.01 + 0.15 * (0.2 - 0.075) + 2 * 0.15 * (1 - 0.075))


def test_energies_are_compared_per_atom():
    batch = collate(graphs(3))
    result = perfect(batch)
    result["energy"] += torch.tensor([1.0, 2.0, 3.0])  # of 1, 2 and 3 atoms
    entries, _, _ = label_errors("energy", result, batch)
    torch.testing.assert_close(entries, torch.ones(3, 1, dtype=torch.float64))


def test_missing_labels_change_neither_loss_nor_gradients():
    some = graphs(4)
    some[0].forces_mask, some[2].energy_mask = torch.zeros(1, dtype=torch.bool), torch.zeros(1, dtype=torch.bool)
    terms = [Term("energy"), Term("forces"), Term("stress", weight=10.0)]
    loss, gradients = loss_of(collate(some), *terms)
    some[0].forces = some[0].forces + 7.0
    some[2].energy = some[2].energy - 3.0
    some[3].stress = some[3].stress + 1.0  # a molecule's
    again, same = loss_of(collate(some), *terms)
    assert torch.equal(loss, again)
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))


def test_stress_gradient_is_finite_in_a_batch_with_a_molecule():
    crystal, molecule = graphs(4)[0], graphs(4)[3]
    molecule.stress_mask = torch.ones(1, dtype=torch.bool)  # even where a file claims a stress
    loss, gradients = loss_of(collate([crystal, molecule]), Term("stress"))
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients if g is not None)


def test_weight_three_equals_three_copies():
    first, second = graphs(2)
    thrice = dataclasses.replace(Term("forces"), weight=1.0)
    heavy = first.clone()
    heavy.weight = 3.0 * heavy.weight
    counts = torch.ones(3, dtype=torch.float64)
    losses = []
    for batch in (collate([heavy, second]), collate([first, first, first, second])):
        losses.append(PotentialTask(potential(), [thrice]).train().loss(batch, 0, counts).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_ramp_is_linear_then_constant():
    ramp = Ramp(start=1.0, end=5.0, from_epoch=2, n_epochs=4)
    assert [ramp(epoch) for epoch in (0, 2, 3, 6, 9, math.inf)] == [1.0, 1.0, 2.0, 5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"property": "force"}, "did you mean forces"),
        ({"property": "energy", "loss": "l2"}, "known are huber, mae, mse"),
        ({"property": "energy", "weight": -1.0}, "positive or zero"),
    ],
)
def test_invalid_terms_are_refused_with_advice(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Term(**wrong)


def test_mean_errors_are_exact_over_unequal_batches():
    terms = [Term("energy"), Term("forces", weight=2.0), Term("stress")]
    some, model = graphs(7), potential().eval()
    parts = [some[:1], some[1:5], some[5:]]
    sums = ErrorSums(terms)
    for part in parts:
        sums.add(model(collate(part)), collate(part))
    whole = ErrorSums(terms)
    whole.add(model(collate(some)), collate(some))
    assert sums.means() == pytest.approx(whole.means(), rel=1e-12)
    errors = torch.cat([model(g)["forces"] - g.forces for g in some])
    assert whole.means()["forces_mae"] == pytest.approx(float(errors.abs().mean()), rel=1e-12)
    assert whole.means()["forces_rmse"] == pytest.approx(float(errors.square().mean().sqrt()), rel=1e-12)
    upper = torch.stack([(model(g)["stress"] - g.stress)[0] for g in some if g.stress_mask])
    rows, columns = torch.triu_indices(3, 3)
    assert whole.means()["stress_mae"] == pytest.approx(float(upper[:, rows, columns].abs().mean()), rel=1e-12)


def test_loss_of_each_head_is_averaged_over_its_own_labels():
    """Twice the structures of a head, or a batch cut in two, change nothing; a head's weight multiplies its part."""
    sample = graphs(6)
    for number, graph in enumerate(sample):
        graph.head = torch.tensor([number % 2])
    terms = [Term("energy"), Term("forces", weight=10.0)]
    trained = add_head(potential(), "other")

    def loss(chosen, weights, cut=None):
        task = PotentialTask(trained, terms, head_weights=weights).train()
        counts = task.count_labels(collate(chosen))
        batches = [chosen] if cut is None else [chosen[:cut], chosen[cut:]]
        return sum(float(task.loss(collate(batch), 0, counts).detach()) for batch in batches)

    both = loss(sample, [1.0, 1.0])
    assert loss([*sample, *sample[1::2]], [1.0, 1.0]) == pytest.approx(both, rel=1e-12)
    assert loss(sample, [1.0, 1.0], cut=2) == pytest.approx(both, rel=1e-12)
    first, second = loss(sample[::2], [1.0, 1.0]), loss(sample[1::2], [1.0, 1.0])
    assert both == pytest.approx(first + second, rel=1e-12)
    assert loss(sample, [0.25, 3.0]) == pytest.approx(0.25 * first + 3.0 * second, rel=1e-12)


def test_label_weights_multiply_structure_weights():
    some = graphs(2)
    some[0].label_weights = torch.tensor([[2.0, 3.0, 0.0]], dtype=torch.float64)
    some[0].weight = torch.tensor([5.0], dtype=torch.float64)
    batch = collate(some)
    for name, expected in {"energy": 10.0, "forces": 15.0, "stress": 0.0}.items():
        _, _, weight = label_errors(name, perfect(batch), batch)
        assert weight[0] == expected and weight[-1] == 1.0
