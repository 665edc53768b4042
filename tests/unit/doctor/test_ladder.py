"""The ladder: its order, where it stops, and that what cannot be measured is said."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from doctor_tasks import blobs, healthy, network
from ravine.doctor import Settings, checks_loss, examine, ladder
from ravine.doctor.outcome import judged
from ravine.doctor.short_run import Trajectory
from ravine.records.findings import RUNGS, Finding


def rungs(**outcomes):
    """Stand-ins for the rungs, which pass unless told otherwise."""
    return {name: outcomes.get(name.replace(" ", "_"), lambda climb, name=name: judged(name, "well")) for name in RUNGS}


@pytest.fixture
def climb(monkeypatch):
    def run(observer=None, **outcomes):
        monkeypatch.setattr(ladder, "_CLIMBS", rungs(**outcomes))
        return examine(healthy(), Settings(), observer)

    return run


def failing(name, stops):
    finding = Finding("error", name, "sick", "m", "", "", "", "r")
    return lambda climb: judged(name, "m", [finding], stops=stops)


def test_every_rung_is_climbed_in_order(climb):
    told = []
    diagnosis = climb(told.append)
    assert [rung.rung for rung in diagnosis.rungs] == list(RUNGS)
    assert {rung.verdict for rung in diagnosis.rungs} == {"pass"}
    assert told == [RUNGS[0], *RUNGS]
    assert diagnosis.task["parameters"] == 180


def test_above_a_broken_rung_only_what_still_means_something_is_climbed(climb):
    diagnosis = climb(overfit_one_batch=failing("overfit one batch", "not even one batch can be learnt"))
    skipped = {rung.rung for rung in diagnosis.rungs if rung.verdict == "skipped"}
    assert skipped == {"rate", "update-to-weight", "curve", "curvature", "batch size"}
    assert diagnosis.rung("rate").measured == "not even one batch can be learnt"
    assert diagnosis.rung("gradients").verdict == "pass"


def test_what_is_only_the_echo_of_a_batch_that_is_not_learnt_is_no_finding_of_its_own(climb):
    def baseline(climb):
        finding = Finding("error", "input-independent baseline", checks_loss.NO_INPUT, "m", "", "", "", "r")
        return judged("input-independent baseline", "m", [finding])

    sick = failing("overfit one batch", "not even one batch can be learnt")
    alone, echoed = (
        climb(**{"input-independent_baseline": baseline}),
        climb(**{"input-independent_baseline": baseline}, overfit_one_batch=sick),
    )
    assert [finding.rung for finding in alone] == ["input-independent baseline"]
    assert [finding.rung for finding in echoed] == ["overfit one batch"]
    assert echoed.rung("input-independent baseline").verdict == "unknown"


@pytest.mark.parametrize(("last", "verdict"), [(0.1, "pass"), (3.0, "fail")])
def test_a_loss_that_begins_too_high_is_a_fault_only_where_training_does_not_make_up_for_it(climb, last, verdict):
    def initial(climb):
        finding = Finding("error", "initial loss", checks_loss.TOO_HIGH, "m", "", "", "", "r")
        return judged("initial loss", "m", [finding])

    def trained(climb):
        losses, rows = np.linspace(6.0, last, 100), np.empty((0, 0))
        climb.__dict__["run"] = SimpleNamespace(trajectory=Trajectory((), {}, losses, rows, rows, 0.1))
        return judged("gradients", "well")

    assert climb(initial_loss=initial, gradients=trained).rung("initial loss").verdict == verdict


def test_a_finding_that_stops_nothing_skips_nothing(climb):
    assert not [rung for rung in climb(rate=failing("rate", "")).rungs if rung.verdict == "skipped"]


def test_a_rung_that_raises_is_unknown_and_hides_no_other(climb):
    def raising(climb):
        raise RuntimeError("of the user's\nsecond line")

    diagnosis = climb(activations=raising)
    assert diagnosis.rung("activations").verdict == "unknown"
    assert diagnosis.rung("activations").measured == "could not be measured: RuntimeError: of the user's"
    assert diagnosis.rung("batch size").verdict == "pass"


def test_a_task_that_does_not_run_stops_at_once():
    def model():
        raise OSError("no such file: weights.pt")

    diagnosis = examine(healthy(model))
    assert [(finding.severity, finding.rung) for finding in diagnosis] == [("error", "loading")]
    assert "no such file: weights.pt" in diagnosis[0].measured
    assert {rung.verdict for rung in diagnosis.rungs[1:]} == {"skipped"}


def test_a_loss_that_is_not_finite_at_the_start_is_of_the_second_rung():
    def model():
        made = network()
        with torch.no_grad():
            made[0].weight.fill_(float("inf"))
        return made

    diagnosis = examine(healthy(model))
    assert [finding.rung for finding in diagnosis] == ["initial loss"]
    assert [rung.verdict for rung in diagnosis.rungs[:3]] == ["pass", "fail", "skipped"]


def test_streams_threads_and_data_are_as_they_were(climb):
    x = blobs()[0]
    streams, threads = torch.get_rng_state(), torch.get_num_threads()
    climb()
    assert torch.equal(torch.get_rng_state(), streams)
    assert torch.get_num_threads() == threads
    assert torch.equal(x, blobs()[0])


@pytest.mark.slow  # all rungs, with native code of a model
@pytest.mark.parametrize(
    ("model", "title"),
    [
        (network, ""),
        (
            lambda: nn.Sequential(*[part for _ in range(30) for part in (nn.Linear(6, 6), nn.Sigmoid())], nn.Linear(6, 4)),
            "gradients vanish",
        ),
    ],
)
def test_the_whole_ladder(model, title):
    diagnosis = examine(healthy(model))
    assert not [rung for rung in diagnosis.rungs if "could not be measured" in rung.measured]
    severe = [finding.title for finding in diagnosis if finding.severity != "information"]
    assert any(found.startswith(title) for found in severe[:2]) if title else severe == []
