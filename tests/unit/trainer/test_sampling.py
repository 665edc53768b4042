import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from ravine.base.errors import InputError
from ravine.trainer.sampling import Choice, draw, probabilities

LOGITS = torch.tensor([0.5, 2.0, -1.0, 1.0, 2.0, -torch.inf])


def drawn(choice, number=4000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [draw(LOGITS, choice, generator) for _ in range(number)]


def test_without_options_it_is_the_softmax():
    torch.testing.assert_close(probabilities(LOGITS, Choice()), LOGITS.double().softmax(0))


def test_temperature_divides_logits():
    torch.testing.assert_close(probabilities(LOGITS, Choice(0.5)), (2 * LOGITS.double()).softmax(0))
    torch.testing.assert_close(probabilities(LOGITS, Choice(1e9))[:5], torch.full((5,), 0.2, dtype=torch.float64))


@pytest.mark.parametrize("temperature", [1e-4, 1e-300])
def test_towards_zero_only_the_likeliest_is_left(temperature):
    logits = torch.tensor([0.1, 0.9, 0.8])
    assert probabilities(logits, Choice(temperature)).tolist() == [0.0, 1.0, 0.0]


def test_top_k_keeps_k_in_their_proportions():
    assert probabilities(LOGITS, Choice(top_k=1)).tolist() == [0, 1, 0, 0, 0, 0]
    kept = probabilities(LOGITS, Choice(top_k=3))
    assert kept.nonzero().flatten().tolist() == [1, 3, 4]
    torch.testing.assert_close(kept[[1, 3, 4]], LOGITS[[1, 3, 4]].double().softmax(0))
    torch.testing.assert_close(probabilities(LOGITS, Choice(top_k=99)), LOGITS.double().softmax(0))


def test_top_p_keeps_the_fewest_that_reach_it():
    logits = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()
    for top_p, expected in ((0.4, [1]), (0.6, [2 / 3, 1 / 3]), (0.76, [5 / 9, 5 / 18, 1 / 6]), (1.0, [0.5, 0.25, 0.15, 0.1])):
        assert probabilities(logits, Choice(top_p=top_p)).tolist() == pytest.approx([*expected, *[0.0] * (4 - len(expected))])
    both = probabilities(logits, Choice(top_k=2, top_p=0.6))
    assert both.tolist() == pytest.approx([1, 0, 0, 0])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-50, 50), min_size=1, max_size=30),
    st.floats(0.01, 100),
    st.none() | st.integers(1, 40),
    st.none() | st.floats(0.01, 1),
)
def test_what_is_left_is_a_distribution_of_the_likeliest(values, temperature, top_k, top_p):
    logits = torch.tensor(values)
    found = probabilities(logits, Choice(temperature, top_k, top_p))
    assert found.sum().item() == pytest.approx(1)
    kept = found > 0
    assert kept.sum() <= (top_k or len(values))
    assert kept[logits.argmax()]
    assert all(logits[kept].min() >= left for left in logits[~kept])


@pytest.mark.parametrize("choice", [Choice(), Choice(0.7), Choice(top_k=3), Choice(1.5, top_p=0.9)], ids=str)
def test_draws_have_these_probabilities(choice):
    expected = probabilities(LOGITS, choice)
    kept = expected > 0
    counts = torch.bincount(torch.tensor(drawn(choice)), minlength=len(LOGITS))
    assert counts[~kept].sum() == 0
    assert chisquare(counts[kept].numpy(), (expected[kept] * 4000).numpy()).pvalue > 1e-3


def test_the_same_seed_draws_the_same_and_another_others():
    assert drawn(Choice(), 50) == drawn(Choice(), 50)
    assert drawn(Choice(), 50) != drawn(Choice(), 50, seed=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"temperature": 0.0}, "temperature=0.0: must be above 0 and finite. For the likeliest symbol each time, use top_k=1."),
        ({"temperature": float("inf")}, "temperature=inf: must be above 0 and finite."),
        ({"top_k": 0}, "top_k=0: must be a whole number, at least 1. For all symbols, leave it out."),
        ({"top_p": 0.0}, "top_p=0.0: must be above 0 and at most 1. Such as 0.9."),
        ({"top_p": 1.1}, "top_p=1.1: must be above 0 and at most 1."),
    ],
)
def test_options_out_of_range(options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        Choice(**options)
