"""Every golden check holds, and would not if what it rests on were different."""

import numpy as np
import pytest

from golden import CHECKS, algoperf, deepobs, noise, quadratics, table

ALL = [check for checks in CHECKS.values() for check in checks]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.name[:60])
def test_what_is_known_is_measured(check):
    measured = check.measure()
    assert len(measured) == len(check.known)
    assert check.holds(measured), f"measured {list(measured)}, known {list(check.known)} within {check.tolerance}"


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.name[:60])
def test_no_tolerance_admits_twice_the_number(check):
    known = np.asarray(check.known, dtype=float)
    assert not check.holds(2 * known + 1)
    assert np.all(np.broadcast_to(check.tolerance, known.shape) <= np.maximum(0.6 * np.abs(known), table.ROUNDED))


def test_the_order_of_batches_decides_which_optimiser_is_best():
    """Momentum 0.99 is first with one order for all epochs and last when reshuffled: published curves need the fixed order."""
    fixed = [deepobs.fixed_order(name)[:, -1].mean() for name in deepobs.RUNS]
    shuffled = deepobs.reshuffled()[0].mean(axis=1)
    assert (np.argmin(fixed), np.argmax(shuffled)) == (1, 1)
    known, deviation = table.FINALS["momentum"]
    assert abs(shuffled[1] - known) > 4 * table.four_errors(deviation)


def test_momentum_of_0_9_does_not_give_the_published_curve(monkeypatch):
    monkeypatch.setitem(deepobs.RUNS, "momentum", {"lr": 10**-2.6, "momentum": 0.9})
    check = next(check for check in ALL if check.name.startswith("momentum 0.99") and "one order" in check.name)
    assert not check.holds(deepobs.fixed_order.__wrapped__("momentum").mean(axis=0))


def test_the_best_score_depends_on_a_gate_at_the_speed_of_another():
    """Most of the gap between first and second is one held-out workload, judged against the eighth entrant's time."""
    gated, free = (dict(zip(algoperf.BASE, scores, strict=True)) for scores in (algoperf.scores(), algoperf.ungated_scores()))
    assert gated["shampoo"] - gated["schedule_free_adamw"] > 0.07
    assert free["shampoo"] - free["schedule_free_adamw"] < 0.01


def test_tuned_sgd_beats_what_the_textbook_figure_shows():
    sgd, momentum, adam = quadratics.three_values()
    assert adam < momentum < sgd
    rate, best = quadratics.best_of_sgd()
    assert best < 1e-9 * adam
    assert rate == pytest.approx(0.0948, abs=1e-4)


def test_a_ratio_of_means_of_one_batch_size_would_be_biased():
    """Without the second batch size |G|^2 is too high by the noise of a batch."""
    assert noise.norms()[0].mean() > 2 * noise.TRUTH[0]
