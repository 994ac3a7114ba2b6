"""Calls with other weights."""

import torch

from atomgraph.models.call_with_weights import call_with_weights


class Twice(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = self.second = torch.nn.Linear(1, 1, bias=False)

    def forward(self, x):
        return self.first(x) + self.second(x)


def test_weights_of_a_shared_part_are_used_and_restored():
    module, x = Twice(), torch.ones(1, 1)
    before = {name: weight.clone() for name, weight in module.named_parameters()}
    result = call_with_weights(module, {"first.weight": torch.full((1, 1), 3.0)}, (x,))
    assert result.item() == 6.0
    assert all(torch.equal(weight, before[name]) for name, weight in module.named_parameters())
    assert module.first.weight.requires_grad
