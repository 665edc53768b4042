"""A race on a surface as text."""

import dataclasses

from ravine.report.surface_tables import notes, steps_words, surface_text
from ravine.surfaces import race
from surface_races import endless, few, many


def rows(text):
    return {line.split()[0]: line for line in text.splitlines() if line.startswith(" ")}


def test_a_row_for_each_and_the_protocol_under_it():
    text = surface_text(few())
    found = rows(text)
    path = few().path("adam")
    assert f"{path.steps_to_minimum} " in found["adam"]
    assert f"{path.overshoot:.0%}" in found["adam"]
    assert f"{path.length:.3g}" in found["adam"]
    assert f"diverged at step {few().path('sgd').diverged_at}" in found["sgd"]
    assert text.startswith("ravine: 0.5*(x**2 + 20*y**2), from (-4, 1)\n")
    assert "Protocol: rates as given" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_a_formula_is_named_once_and_has_no_steps_without_a_minimum():
    text = surface_text(endless())
    assert text.startswith("x + 0*y, from (0, 0)\n")
    assert "No minimum is known inside the picture" in text


def test_noise_and_seeds_are_told():
    found = race("bowl", ["sgd"], lr=0.1, steps=4, noise=0.5, seeds=(0, 7))
    text = surface_text(found)
    assert "gradient noise 0.5" in text
    assert [line.split()[:2] for line in text.splitlines() if line.startswith(" sgd")] == [["sgd", "0"], ["sgd", "7"]]


def test_rates_at_an_end_of_the_grid_are_told():
    found = race("bowl", ["sgd", "momentum"], lr=(1e-5, 1e-4), steps=5)
    assert "The rates of sgd and momentum are at an end of the grid: a better one may lie beyond it." in notes(found)


def test_who_is_left_out_is_told():
    found = dataclasses.replace(few(), left_out={"sophia_g": "it draws labels"})
    assert "sophia_g is left out: it draws labels." in notes(found)


def test_steps_in_few_words():
    assert steps_words(few().path("sgd")).startswith("diverged at step ")
    assert steps_words(few().path("adam")).endswith(" steps")
    assert steps_words(many().path("adagrad")) == "not reached"


def test_nothing_is_not_reached_where_no_minimum_is_known():
    path = endless().path("adam")
    assert steps_words(path) == f"height {path.final_height:.3g} at the end"
