import math

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.lessons import _criterion as criterion
from ravine.lessons._criterion import Part, exact, judge, median_over_seeds, over_seeds, sentence, share_of_seeds, verdict


def part(number="gap", **ends):
    return Part(number=number, says=f"{number} is so", measures=number, **({"above": 0.0} | ends))


STATED, ELSEWHERE = part("stated"), part("elsewhere", elsewhere=True)
HIGH, LOW, WIDE = over_seeds([1.0, 1.1, 0.9, 1.0]), over_seeds([-1.0, -1.1, -0.9, -1.0]), over_seeds([1.0, -1.1, 0.9, -1.0])


@pytest.mark.parametrize(
    ("stated", "elsewhere", "expected"),
    [
        (HIGH, HIGH, "supported"),
        (LOW, HIGH, "refuted"),
        (LOW, WIDE, "refuted"),
        (HIGH, LOW, "holds only at the stated settings"),
        (WIDE, LOW, "cannot be told"),
        (WIDE, HIGH, "cannot be told"),
        (HIGH, WIDE, "cannot be told"),
    ],
    ids=["all", "stated fails", "stated fails, rest open", "elsewhere fails", "stated open", "stated open, rest holds", "elsewhere open"],
)
def test_the_verdict_follows_from_the_numbers(stated, elsewhere, expected):
    judged = judge([STATED, ELSEWHERE], {"stated": stated, "elsewhere": elsewhere})
    assert verdict(judged) == expected
    assert sentence(judged).lower().startswith(expected)


def test_one_failure_among_many_parts_refutes():
    parts = [part(str(index)) for index in range(4)]
    numbers = {str(index): HIGH for index in range(4)}
    assert verdict(judge(parts, numbers)) == "supported"
    assert verdict(judge(parts, numbers | {"2": LOW})) == "refuted"


def test_the_sentence_names_the_number_that_decided():
    said = sentence(judge([STATED, ELSEWHERE], {"stated": HIGH, "elsewhere": LOW}))
    assert said.startswith("Holds only at the stated settings: elsewhere it is not so that elsewhere is so (measured -1 [")
    assert said.endswith("must be above 0).")
    both = sentence(judge([STATED, part("second")], {"stated": LOW, "second": LOW}))
    assert both.endswith(", and 1 more.")


def test_an_interval_that_touches_the_end_is_open():
    one = part(above=1.0)
    assert judge([one], {"gap": exact(1.5)})[0].holds is True
    assert judge([one], {"gap": exact(0.5)})[0].holds is False
    assert judge([one], {"gap": over_seeds([0.5, 1.5, 0.9, 1.2])})[0].holds is None


@pytest.mark.parametrize(("value", "expected"), [(0.5, True), (0.0, False), (1.0, False), (2.0, False), (-1.0, False)])
def test_a_range_is_open_at_both_ends(value, expected):
    assert judge([part(above=0.0, below=1.0)], {"gap": exact(value)})[0].holds is expected


def test_a_part_without_ends_is_refused():
    with pytest.raises(InputError, match="must have above or below, or it could not fail"):
        Part(number="gap", says="", measures="")


def test_a_number_that_is_missing_is_named():
    with pytest.raises(InputError, match="gives no 'stated'; it gives other"):
        judge([STATED], {"other": HIGH})


def test_intervals_hold_together():
    """Among twenty parts each interval is wider than alone, so that all of them hold 95 % of the time."""
    alone = judge([part()], {"gap": HIGH})[0].interval
    among = judge([part(), *(part(str(index)) for index in range(19))], {"gap": HIGH, **{str(index): HIGH for index in range(19)}})[
        0
    ].interval
    assert alone.confidence == pytest.approx(0.95)
    assert among.confidence == pytest.approx(0.9975)
    assert among.low < alone.low < alone.high < among.high


def test_all_intervals_cover_together_in_simulation():
    stream = np.random.default_rng(0)
    missed = 0
    parts = [part(str(index)) for index in range(5)]
    for _ in range(400):
        judged = judge(parts, {str(index): over_seeds(stream.normal(0.0, 1.0, 6)) for index in range(5)})
        missed += any(one.holds is not None for one in judged)
    assert missed / 400 == pytest.approx(0.05, abs=0.03)


def test_what_cannot_be_sampled_has_no_interval():
    for sample in (over_seeds([1.0]), over_seeds([1.0, 1.0, 1.0]), over_seeds([1.0, math.inf]), over_seeds([1.0, math.nan, 2.0])):
        assert sample.interval().low is None
        assert judge([part()], {"gap": sample})[0].holds is None


def test_medians_bear_what_never_happened():
    sample = median_over_seeds([10.0, 11.0, 12.0, 13.0, math.inf, math.inf, math.inf, math.inf])
    assert judge([part(above=5.0)], {"gap": sample})[0].holds is True
    assert judge([part(below=20.0)], {"gap": sample})[0].holds is None
    # Three seeds enclose a median 75 % of the time: too little to decide on.
    assert judge([part(above=5.0)], {"gap": median_over_seeds([10.0, 11.0, 12.0])})[0].holds is None


def test_shares_have_clopper_and_pearsons_interval():
    # Their table for 8 of 10: 0.4439 to 0.9748.
    interval = share_of_seeds([True] * 8 + [False] * 2).interval()
    assert (interval.estimate, round(interval.low, 4), round(interval.high, 4)) == (0.8, 0.4439, 0.9748)
    assert share_of_seeds([False] * 10).interval().low == 0.0
    assert share_of_seeds([True] * 10).interval().high == 1.0


def test_json_has_no_infinity():
    judged = judge([part(above=5.0)], {"gap": median_over_seeds([math.inf] * 9)})[0]
    assert judged.holds is True
    assert judged.as_json()["estimate"] is None


def test_numbers_are_shown_with_their_intervals():
    assert criterion.shown(exact(0.25).interval()) == "0.25"
    assert criterion.shown(over_seeds([1.0]).interval()) == "1 (no interval)"
    assert criterion.shown(share_of_seeds([True, False]).interval()) == "0.5 [0.01258, 0.9874]"
