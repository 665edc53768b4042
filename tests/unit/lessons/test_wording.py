from dataclasses import replace

from ravine.lessons import over_seeds
from ravine.lessons._criterion import judge
from ravine.lessons._running import carry_out
from ravine.lessons._wording import WIDTH, criterion_text, outcome_text, outcome_word
from ravine.lessons.elongated_bowl import LESSON


def test_everything_that_is_promised_is_there_in_order():
    outcome = carry_out(LESSON, quick=True)
    text = outcome_text(outcome)
    order = [
        text.index(word)
        for word in ("claim", "source", "set-up", "(quick form)", "criterion", "measured", "also measured", outcome.sentence[:20])
    ]
    assert order == sorted(order)
    assert max(map(len, text.splitlines())) <= WIDTH


def test_every_part_shows_its_number_and_its_range():
    text = " ".join(outcome_text(carry_out(LESSON, quick=True)).split())
    assert "holds: the steep coordinate shrinks at every step greatest |y| after a step over |y| before: 0.2, must be below 1" in text


def test_the_criterion_says_how_sure_it_wants_to_be():
    assert criterion_text(1).startswith("the whole interval of each number (95%)")
    assert "(95% for all 3 together)" in criterion_text(3)


def test_a_part_is_told_in_one_word():
    part = LESSON.parts[0]
    for values, word in (([0.1, 0.2, 0.15], "holds"), ([2.1, 2.2, 2.15], "fails"), ([0.1, 2.2, 1.0], "open")):
        assert outcome_word(judge([part], {part.number: over_seeds(values)})[0]) == word


def test_notes_stand_before_the_verdict():
    outcome = replace(carry_out(LESSON, quick=True), notes=("Two lanes were lost.",))
    text = outcome_text(outcome)
    assert text.index("note: Two lanes were lost.") < text.index(outcome.sentence[:15])
