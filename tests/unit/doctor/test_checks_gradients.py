"""Rungs that look inside, fed with arrays: sick in one way, and the healthy twin."""

import numpy as np
import pytest

from ravine.doctor import checks_gradients as checks
from ravine.doctor.operations import Unit
from ravine.doctor.probe import Activation, Reading
from ravine.doctor.short_run import Trajectory

STEPS = 120


def trajectory(**changes):
    """Three layers, of gradient norm 1 each, whose loss falls from 2 to 1."""
    stream = np.random.default_rng(0)
    given = {
        "names": ("a.weight", "b.weight", "c.weight"),
        "kinds": {"a.weight": "matrix", "b.weight": "matrix", "c.weight": "output"},
        "losses": np.linspace(2.0, 1.0, STEPS),
        "gradients": 1.0 + 0.1 * stream.random((STEPS, 3)),
        "updates": np.full((STEPS, 3), 1e-3),
        "rate": 1e-3,
    }
    return Trajectory(**given | changes)


def reading(units=(), activations=()):
    return Reading(1.0, tuple(activations), tuple(units), {}, 0.0, "", (), ())


def layer(name, mean_abs=1.0, variance=1.0):
    return Activation(name, "Linear", True, mean_abs, variance)


def said(outcome):
    return [(finding.severity, finding.title) for finding in outcome.findings]


def test_healthy_arrays_give_no_finding():
    healthy = trajectory()
    looked = reading([Unit("1, relu", "relu", 16, 0.1, 0.0)], [layer("a"), layer("b"), layer("c")])
    outcomes = [checks.gradients(healthy), checks.updates(healthy), checks.units(looked), checks.activations(looked)]
    assert [(outcome.rung.verdict, outcome.findings) for outcome in outcomes] == [("pass", ())] * 4


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ([1e-6, 1.0, 1.0], [("error", "gradients vanish on the way to the first layer")]),
        ([1e-2, 1.0, 100.0], []),
        ([100.0, 1.0, 1.0], [("warning", "gradients grow towards the first layer")]),
    ],
)
def test_gradients_through_the_depth(scale, expected):
    assert said(checks.gradients(trajectory(gradients=trajectory().gradients * scale))) == expected


@pytest.mark.parametrize(("value", "expected"), [(1.0, []), (1e-6, ["gradients vanish on the way to the first layer"])])
def test_queries_that_get_little_are_no_vanishing_gradient_where_values_beside_them_get_enough(value, expected):
    names = [f"blocks.{block}.{part}.weight" for block in range(2) for part in ("query", "key", "value", "out")]
    norms = np.ones((STEPS, len(names)))
    norms[:, 0], norms[:, 1] = 1e-6, value
    run = Trajectory(tuple(names), dict.fromkeys(names, "matrix"), np.linspace(2.0, 1.0, STEPS), norms, np.full_like(norms, 1e-3), 1e-3)
    assert [title for _, title in said(checks.gradients(run))] == expected


def test_a_large_gradient_is_a_remark_and_with_a_jump_of_the_loss_a_warning():
    norms, losses = trajectory().gradients, np.linspace(2.0, 1.0, STEPS)
    norms[80] *= 10
    assert said(checks.gradients(trajectory(gradients=norms))) == [("information", "single gradients are large")]
    losses[81] = 6.0
    outcome = checks.gradients(trajectory(gradients=norms, losses=losses))
    assert said(outcome) == [("warning", "single gradients are large")]
    assert outcome.findings[0].where == "step 81"


def test_a_broken_training_names_its_step_and_place():
    outcome = checks.gradients(trajectory(broken=7, place="the output of 2 (Root)"))
    assert said(outcome) == [("error", "a loss or gradient is not finite")]
    assert outcome.findings[0].where == "the output of 2 (Root), step 8"
    assert outcome.stops == "the training broke at step 8"


@pytest.mark.parametrize(
    ("ratio", "loss", "expected"),
    [
        (0.2, 1.0, [("warning", "weights are rewritten too fast")]),
        (1e-6, 1.9, [("warning", "weights hardly move")]),
        (1e-6, 0.1, [("information", "weights hardly move")]),
        (4e-2, 1.0, []),
        (2e-4, 1.9, []),
    ],
)
def test_updates_against_weights(ratio, loss, expected):
    outcome = checks.updates(trajectory(updates=np.full((STEPS, 3), ratio), losses=np.linspace(2.0, loss, STEPS)))
    assert said(outcome) == expected


@pytest.mark.parametrize("gradient", [0.0, float("nan")])
def test_what_gets_no_gradient_is_not_called_slow(gradient):
    updates, norms = np.full((STEPS, 3), 1e-3), np.ones((STEPS, 3))
    updates[:, 0] = 0.0
    assert said(checks.updates(trajectory(updates=updates, gradients=norms))) == [("warning", "weights hardly move")]
    norms[:, 0] = gradient
    assert said(checks.updates(trajectory(updates=updates, gradients=norms))) == []


def test_the_first_updates_are_no_standard():
    updates = np.full((STEPS, 3), 1e-3)
    updates[:12] = 1.0
    assert said(checks.updates(trajectory(updates=updates))) == []


def test_without_matrices_the_updates_are_unknown():
    assert checks.updates(trajectory(kinds=dict.fromkeys(("a.weight", "b.weight", "c.weight"), "vector"))).rung.verdict == "unknown"


@pytest.mark.parametrize(
    ("dead", "saturated", "expected"),
    [
        (0.24, 0.0, []),
        (0.25, 0.0, [("warning", "units are dead on every input")]),
        (0.40, 0.0, [("error", "units are dead on every input")]),
        (0.0, 0.5, [("error", "units are saturated on every input")]),
    ],
)
def test_dead_and_saturated_units(dead, saturated, expected):
    outcome = checks.units(reading([Unit("1 (ReLU), relu", "relu", 40, dead, saturated)]))
    assert said(outcome) == expected


@pytest.mark.parametrize(
    ("count", "dead", "always_on", "layers", "expected"),
    [
        (8, 0.25, 0.25, 1, []),
        (16, 0.75, 0.25, 30, []),
        (16, 0.75, 0.25, 1, []),
        (16, 0.5, 0.0, 1, ["units are dead on every input"]),
        (64, 0.5, 0.0, 30, ["units are dead on every input"]),
        (64, 0.5, 0.5, 30, []),
        (4, 1.0, 0.0, 30, ["units are dead on every input"]),
    ],
    ids=["few", "gates of a deep model", "gates", "narrow", "wide", "inputs that hardly vary", "nothing comes through"],
)
def test_units_are_dead_by_chance_where_as_many_are_always_on(count, dead, always_on, layers, expected):
    others = [Unit(f"{place}, relu", "relu", 16, 0.0, 0.0) for place in range(1, layers)]
    outcome = checks.units(reading([Unit("0, relu", "relu", count, dead, 0.0, always_on), *others]))
    assert [finding.title for finding in outcome.findings] == expected


def test_one_unit_alone_is_no_layer():
    assert said(checks.units(reading([Unit("1, relu", "relu", 1, 1.0, 0.0)]))) == []


def test_activations_that_are_large_or_lose_their_inputs():
    assert said(checks.activations(reading(activations=[layer("a", mean_abs=12.0), layer("b"), layer("c")]))) == [
        ("warning", "activations are large")
    ]
    faded = [layer("a"), layer("b", variance=1e-9), layer("c")]
    assert said(checks.activations(reading(activations=faded))) == [("warning", "differences between inputs are lost with depth")]
    grown = [layer("a"), layer("b", variance=1e9), layer("c")]
    assert said(checks.activations(reading(activations=grown))) == [("warning", "differences between inputs grow with depth")]
    # The last layer is the output, whose scale the loss rung looks at.
    assert said(checks.activations(reading(activations=[layer("a"), layer("b"), layer("c", mean_abs=50.0)]))) == []
