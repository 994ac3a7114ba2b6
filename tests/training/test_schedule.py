import math

import pytest

from atomgraph.errors import ConfigError
from atomgraph.training import LearningRate, Phase


def test_each_phase_starts_at_the_end_of_the_previous_one():
    rate = LearningRate(
        [Phase("warmup", epochs=2), Phase("cosine", epochs=4, final=0.1), Phase("constant")], max_epochs=10
    )
    assert rate.factor(1.0) == pytest.approx(0.5)
    assert rate.factor(2.0) == pytest.approx(1.0)
    assert rate.factor(4.0) == pytest.approx(0.1 + 0.9 * 0.5)
    assert rate.factor(6.0) == pytest.approx(0.1)
    assert rate.factor(9.9) == pytest.approx(0.1)


def test_an_open_last_phase_ends_with_the_run():
    rate = LearningRate([Phase("warmup", epochs=1), Phase("cosine", final=0.01)], max_epochs=5)
    assert rate.factor(5.0) == pytest.approx(0.01)
    assert rate.factor(3.0) == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 2)))


def test_exponential_is_geometric():
    rate = LearningRate([Phase("exponential", final=0.01)], max_epochs=4)
    assert rate.factor(2.0) == pytest.approx(0.1)


def test_plateau_halves_the_rate_after_patience():
    rate = LearningRate([Phase("warmup", epochs=1), Phase("plateau", factor=0.5, patience=2, final=0.1)], max_epochs=99)
    rate.update_plateau(9.0, 1.0)  # still warming up: not watched
    factors = []
    for epoch, loss in enumerate([1.0, 0.5, 0.5, 0.6, 0.5, 0.4, 0.4], start=2):
        rate.update_plateau(loss, float(epoch))
        factors.append(rate.factor(epoch + 0.5))
    assert factors == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    rate.drops = 20
    assert rate.factor(50.0) == pytest.approx(0.1)


def test_open_phases_before_the_last_and_unknown_kinds_are_refused():
    with pytest.raises(ConfigError, match="only the last phase"):
        LearningRate([Phase("constant"), Phase("cosine", epochs=2)])
    with pytest.raises(ConfigError, match="did you mean cosine"):
        Phase("cosin")
