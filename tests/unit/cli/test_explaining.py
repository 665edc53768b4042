"""What `--explain` says."""

from ravine.cli._explaining import explanation, hindsight
from ravine.fleet import Choice
from ravine.fleet.calibration import Trial

TRIALS = (
    Trial("loop", 1, 6.5e-4, 0.0, 49.0),
    Trial("native", 16, 2e-5, 1.6, 1.5),
    Trial("stacked", why_not="nothing else reaches it"),
)
CHOICE = Choice("native", 16, "32 times as fast as loop", {}, 1.0, 0.0, TRIALS, 2)


def test_every_mode_is_named_with_what_it_costs_or_why_it_was_not_tried():
    lines = explanation(CHOICE, 2 * 10**6)
    assert lines[1].split() == ["native", "20", "16", "2", "s", "2", "s", "<-", "chosen"]
    assert lines[2].split() == ["loop", "650", "1", "-", "49", "s"]
    assert lines[3] == "  stacked   not tried: nothing else reaches it"
    assert lines[4] == "  native, tiles of up to 16, 2 worker processes, 2 MB: forecast 1 s"
    assert len({len(line.removesuffix("  <- chosen")) for line in lines[:3]}) == 1, "columns stand below each other"


def test_a_stage_that_goes_on_was_not_measured_again():
    assert explanation(Choice("loop", 1, ""), 0) == ["  runs loop, as it was begun; nothing was measured again"]


def test_the_forecast_is_held_against_what_it_took():
    assert hindsight(CHOICE, 2.0, 0) == "  forecast 1 s, took 2 s (0.50 of it)"
    assert hindsight(CHOICE, 2.0, 3).endswith("(0.50 of it; 3 lanes diverged and ended early)")
