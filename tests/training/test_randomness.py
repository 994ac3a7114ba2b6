import os
import random

import numpy as np
import pytest
import torch

from atomgraph.training.randomness import random_state, set_random_state, use_seed


def draw():
    return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()  # noqa: NPY002


def test_seed_applies_inside_the_context_only():
    environment = dict(os.environ)
    state = random_state()
    expected = draw()
    set_random_state(state)
    with use_seed(4):
        first = draw()
    with use_seed(4):
        assert draw() == first
    with pytest.raises(RuntimeError), use_seed(5):
        draw()
        raise RuntimeError
    assert draw() == expected
    assert dict(os.environ) == environment
