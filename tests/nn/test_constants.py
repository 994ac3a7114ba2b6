"""Constants are exact in every dtype, made once, and fit for derivatives wherever they were made."""

import torch

from atomgraph.nn.constants import Constants

THIRD = 1.0 / 3.0


def test_constants_are_exact_after_a_conversion_to_float32():
    constants = Constants(third=[THIRD])
    assert constants.like(torch.ones(1, dtype=torch.float32))["third"].dtype == torch.float32
    assert constants.like(torch.ones(1, dtype=torch.float64))["third"].item() == THIRD


def test_tensors_are_made_once_per_device_and_dtype():
    constants, x = Constants(third=[THIRD]), torch.ones(1)
    assert constants.like(x)["third"] is constants.like(x + 1)["third"]


def test_integers_stay_integers():
    assert Constants(place=[[0, -1]]).like(torch.ones(1))["place"].dtype == torch.int64


def test_constants_made_in_inference_mode_have_derivatives():
    constants = Constants(third=[THIRD])
    with torch.inference_mode():
        constants.like(torch.ones(1))
    x = torch.ones(1, requires_grad=True)
    (x * constants.like(x)["third"]).square().backward()
    assert x.grad is not None
