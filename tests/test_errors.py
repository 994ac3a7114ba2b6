"""One family of errors, and messages that name the nearest right word."""

import pytest

from atomgraph import errors


def test_one_except_catches_them_all():
    family = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(family) >= 7
    assert all(issubclass(error, errors.AtomgraphError) for error in family)


@pytest.mark.parametrize("error", [errors.GraphError, errors.DataError, errors.WiringError, errors.ConfigError])
def test_wrong_values_are_value_errors_to_those_who_know_only_python(error):
    assert issubclass(error, ValueError)


def test_the_nearest_known_word_is_named():
    assert errors.nearest("cutof", ["cutoff", "channels"]) == "; did you mean cutoff?"
    assert errors.nearest("si", ["Si", "Sn"]) == "; did you mean Si?"


def test_where_none_is_near_the_few_known_words_are_listed():
    assert errors.nearest("zzz", ["cutoff", "channels"]) == "; known are channels, cutoff"
    assert errors.nearest("zzz", []) == ""
    assert errors.nearest("zzz", [f"word{i}" for i in range(100)]) == ""


@pytest.mark.parametrize(
    ("word", "known"),
    [("model", "order"), ("gate", "states"), ("n_max", "l_max"), ("n_sparse", "n_layers"), ("checkpoint", "points")],
)
def test_a_word_that_is_no_slip_was_once_offered(word, known):
    assert errors.spelling_suggestion(word, [known]) == ""


@pytest.mark.parametrize(
    ("word", "known"),
    [("modle", "model"), ("wieght", "weight"), ("nmax", "n_max"), ("maxEpochs", "max_epochs"), ("gaus", "gaussians")],
)
def test_slips_of_the_pen_are_corrected(word, known):
    assert errors.spelling_suggestion(word, [known, "zzzz"]) == f"; did you mean {known}?"
