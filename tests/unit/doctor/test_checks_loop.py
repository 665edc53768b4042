import numpy as np
import pytest

from ravine.doctor import checks_loop
from ravine.doctor.loop_log import Looked
from watched_loops import log, measured


def looks(count=6, asleep=(), **changes):
    return [Looked(100 * number, measured(**changes), 0.1, asleep=asleep) for number in range(count)]


def titles(found, *, is_whole=True, above=True):
    """Of what is above information."""
    outcomes = checks_loop.judge(found, is_whole=is_whole)
    assert not [outcome.rung for outcome in outcomes if "could not be judged" in outcome.rung.measured]
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    return [finding.title for finding in findings if finding.severity != "information" or not above]


def test_a_healthy_run_has_nothing():
    assert titles(log()) == []


NONE = {"gradients": [float("nan")] * 2, "has_gradient": [False, False]}
ONE = {"gradients": [1.0, float("nan")], "has_gradient": [True, False]}


@pytest.mark.parametrize(
    ("title", "changes"),
    [
        ("parameters are not given to the optimizer", {"strangers": ("a.weight",)}),
        ("no gradient reaches the optimizer", {"looks": looks(**NONE)}),
        ("no gradient reaches the optimizer", {"looks": looks(gradients=[0.0, 0.0])}),
        ("parameters get no gradient", {"looks": looks(**ONE)}),
        ("gradients are not set to zero between steps", {"looks": looks(was_zeroed=False)}),
        ("modules are in evaluation mode while training", {"looks": looks(asleep=("drop",))}),
        ("weights change outside of the optimizer", {"edits": [3, 7]}),
        ("gradients are summed, not averaged", {"looks": looks(weight=8.0, passes=8)}),
        ("gradients are summed, not averaged", {"looks": looks(squares=[1.5, 2.5], passes=2), "losses": [2.0] * 600}),
        ("clipping leaves next to nothing of the gradients", {"looks": looks(raw=1e5)}),
        ("no loss scale in float16", {"half": True}),
        ("steps are skipped for overflow", {"has_scaler": True, "scales": [(0, 8.0)], "skipped": list(range(400, 600, 2))}),
    ],
)
def test_each_fault_of_a_loop_is_named(title, changes):
    assert title in titles(log(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"looks": looks(was_zeroed=None)},
        {"looks": [*looks(4, asleep=("drop",)), *looks(2)]},
        {"edits": [3]},
        {"looks": looks(weight=1.02, passes=8)},
        {"looks": looks(squares=[0.4, 0.6], passes=2)},
        {"looks": [*looks(2, squares=[1.5, 2.5]), *looks(1, squares=[1.4, 2.8])]},
        {"looks": looks(squares=[2.0])},
        {"looks": looks(raw=10.0)},
        {"half": True, "has_scaler": True, "scales": [(0, 8.0)], "skipped": [1, 2, 3]},
    ],
)
def test_and_not_where_it_is_none(changes):
    assert titles(log(**changes)) == []


@pytest.mark.parametrize(("strangers", "is_found"), [(("a.weight", "b.weight"), False), (("a.weight",), True)])
def test_where_no_parameter_is_given_their_gradients_are_not_missed(strangers, is_found):
    assert ("no gradient reaches the optimizer" in titles(log(strangers=strangers, looks=looks(**NONE)))) is is_found


@pytest.mark.parametrize(
    ("decayed", "said"), [(("a.bias",), "1 parameter of one dimension decays"), (("a", "b"), "2 parameters of one dimension decay")]
)
def test_one_and_many_are_told_apart(decayed, said):
    assert [finding.measured for finding in checks_loop.loading(log(decayed=decayed)).findings] == [f"{said} with the matrices"]


def test_norms_that_decay_are_for_information():
    assert "norms and biases are decayed" in titles(log(decayed=("a.bias",)), above=False)
    assert titles(log(decayed=("a.bias",))) == []


@pytest.mark.parametrize(("values", "is_found"), [((2.5, 2.4, 2.5, 2.6), True), ((2.5, 1.0, 2.5, 2.6), False), ((2.5, 2.4), False)])
def test_validation_that_does_not_follow(values, is_found):
    run = log(
        losses=np.linspace(2.0, 0.5, 600).tolist(), validations=[(100 * place, {"loss": value}) for place, value in enumerate(values)]
    )
    assert ("validation does not follow training" in titles(run)) is is_found


def test_a_flat_curve_is_high_only_where_the_loss_is_known():
    flat = np.full(600, np.log(4.0)) + 0.001 * np.sin(np.arange(600))
    stuck = log(losses=flat.tolist(), looks=looks(classes=4))
    assert "the loss stays flat and high" in titles(stuck)
    arrived = log(losses=(0.01 * flat).tolist(), looks=looks(classes=4))
    assert "the loss stays flat and high" not in titles(arrived)


def test_slow_updates_are_judged_once_the_rate_has_risen():
    slow = looks(updates=[1e-7, 1e-7])
    assert "weights hardly move" in titles(log(looks=slow, losses=np.linspace(2, 1.9, 600).tolist()))
    rising = log(looks=slow, rates=[(step, 1e-4 * (step + 1)) for step in range(6)])
    assert "weights hardly move" not in titles(rising, is_whole=False)


def test_the_noise_scale():
    run = log(looks=[Looked(100 * number, measured(passes=4, small=14.0, big=5.0), 0.1, rows=2) for number in range(6)])
    outcome = checks_loop.batch_size(run)
    # With b = 1 and B = 4 passes: |G|^2 = (4 * 5 - 14) / 3 = 2, tr = (14 - 5) * 4 / 3 = 12, 6 passes of 2 rows.
    assert outcome.findings[0].measured == "8 rows a step; gradient noise scale 12"
    assert checks_loop.batch_size(log()).rung.verdict == "unknown"


@pytest.mark.parametrize(
    ("value", "momentum", "verdict"), [(10.0, 0.0, "pass"), (30.0, 0.0, "warn"), (30.0, 0.9, "pass"), (1e9, None, "pass")]
)
def test_curvature(value, momentum, verdict):
    assert checks_loop.curvature(log(curvatures=[(0, value, 0.1, momentum)])).rung.verdict == verdict


def test_what_cannot_be_judged_says_so(monkeypatch):
    def broken(run, is_whole):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(checks_loop._RUNGS, "rate", broken)
    rungs = {outcome.rung.rung: outcome.rung for outcome in checks_loop.judge(log())}
    assert rungs["rate"].verdict == "unknown"
    assert "by nothing" in rungs["rate"].measured
