"""A training in trackers' stores, read through each tracker's own reader; see `test_trackers` for W&B's."""

import sys
import time
from itertools import pairwise

import pytest

import ravine
from ravine.base.errors import DivergedError, InputError, MissingExtraError, UnknownNameError
from ravine.report.trackers import TRAINING
from ravine.report.training_log import GRADIENT_NORM, RATE, SCALE, TrainingLog, logged
from ravine.trainer import Began, Skipped, Stepped
from wandb_reader import read_wandb

STEPS = 6


def train(tmp_path, log, **options):
    return ravine.train("line", steps=STEPS, evaluate_every=3, log=log, out=tmp_path / "out", **options)


def expected(trained):
    """Series by name: [(step, value)]."""
    series = {TRAINING: list(enumerate(trained.history.loss)), GRADIENT_NORM: list(enumerate(trained.history.norm))}
    series |= {"validation/loss": [(values["step"], values["loss"]) for values in trained.history.evaluations]}
    return series | {"test/loss": [(STEPS, trained.metrics["test"]["loss"])]}


def check(found, trained, rel=0.0):
    for name, series in expected(trained).items():
        assert [step for step, _ in found[name]] == [step for step, _ in series]
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in series], rel=rel, abs=0.0)
    rates = [value for _, value in found[RATE]]
    assert len(rates) == STEPS
    assert all(later < earlier for earlier, later in pairwise(rates)), "the cosine falls"


def scalars(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    events = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    trained = train(tmp_path, "tensorboard", warmup=0)
    check(scalars(tmp_path / "out" / "tensorboard"), trained, rel=1e-6)


def test_a_run_that_goes_on_is_one_in_tensorboard(tmp_path):
    """What a killed run had logged after its last checkpoint is not shown twice."""
    pytest.importorskip("tensorboard", reason="needs tensorboard")

    class Break(Exception):
        pass

    def observe(event):
        if isinstance(event, Stepped) and event.step == 5:
            raise Break

    options = {"log": f"tensorboard:{tmp_path / 'events'}", "out": tmp_path / "out", "warmup": 0, "steps": STEPS, "evaluate_every": 3}
    with pytest.raises(Break):
        ravine.train("line", observer=observe, save_s=0.0, **options)
    broken = int(time.time())
    # TensorBoard names its files by the second and by a count, and reads "10" before "9".
    while int(time.time()) == broken:
        time.sleep(0.01)
    begun = []
    trained = ravine.train("line", resume=True, observer=begun.append, **options)
    since, found = begun[0].step, scalars(tmp_path / "events")
    # The step after the checkpoint is there twice, with equal values; an evaluation may stand at it, too.
    assert [step for step, _ in found[TRAINING]] == [*range(since + 1), *range(since, STEPS)]
    assert 0 < since < STEPS - 1
    assert dict(found[TRAINING]) == pytest.approx(dict(enumerate(trained.history.loss)), rel=1e-6)


def test_mlflow(tmp_path, monkeypatch):
    tracking = pytest.importorskip("mlflow.tracking", reason="needs mlflow")
    trained = train(tmp_path, ["mlflow"], warmup=0)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = tracking.MlflowClient(tracking_uri=(tmp_path / "out" / "mlflow").as_uri())
    [run] = client.search_runs([client.get_experiment_by_name("line").experiment_id])
    assert (run.info.run_name, run.info.status, run.data.params["steps"]) == ("line", "FINISHED", str(STEPS))
    names = [*expected(trained), RATE]
    check({name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)] for name in names}, trained)


def test_wandb_stays_on_this_machine(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    trained = train(tmp_path, "wandb", warmup=0)
    [file] = (tmp_path / "out" / "wandb").glob("offline-run-*/*.wandb")
    name, (config, history) = read_wandb(file)
    assert (name, config["optimizer"]) == ("line", "adamw")
    check({name: [(step, row[name]) for step, row in history if name in row] for name in [*expected(trained), RATE]}, trained)


class Kept:
    """A run that keeps what it is given."""

    def __init__(self):
        self.points, self.flushed, self.finished = [], 0, False

    def log(self, step, values):
        self.points.append((step, dict(values)))

    def flush(self):
        self.flushed += 1

    def finish(self):
        self.finished = True


def test_what_ends_a_training_ends_the_run():
    run = Kept()
    log = TrainingLog(lambda began: run)
    log(Skipped(0, 8.0))
    assert run.points == [], "before the beginning there is no run"
    log(Began(3, 0, 1, ()))
    log(Skipped(0, 8.0))
    assert run.points == [(0, {SCALE: 8.0})]
    log.close()
    log.close()
    assert run.finished


def test_a_run_is_closed_whatever_ends_the_training(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    with pytest.raises(DivergedError):
        ravine.train("line", steps=60, optimizer="sgd", lr=1e9, clip=0, warmup=0, log="tensorboard", out=tmp_path)
    assert scalars(tmp_path / "tensorboard")[TRAINING]


def test_without_a_log_the_observer_is_the_callers():
    def own(event):
        pass

    with logged(None, "line", None, own) as tell:
        assert tell is own


@pytest.mark.parametrize(
    ("log", "kind", "sentence"),
    [
        ("tensorbord", UnknownNameError, "no tracker is called 'tensorbord'; did you mean 'tensorboard'"),
        ("tensorboard", InputError, r"log='tensorboard' without out: there is no folder to write to\. Name one, such as tensorboard:logs"),
        ("tensorboard:{file}/x", InputError, "cannot be written .*: a tracker's log needs a folder"),
    ],
)
def test_what_cannot_be_logged_is_said_before_the_training(log, kind, sentence, tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(kind, match=sentence):
        ravine.train("line", steps=2, log=log.format(file=file))


def test_a_tracker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ravine\[wandb\]'"):
        ravine.train("line", steps=2, log="wandb:here")
