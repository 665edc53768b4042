"""The ladder: every rung in order, until a lower one makes those above it meaningless."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ravine.doctor import (
    checks_curve,
    checks_data,
    checks_functions,
    checks_gradients,
    checks_loss,
    checks_numbers,
    checks_rate,
    checks_setup,
)
from ravine.doctor.curves import fall
from ravine.doctor.hindsight import (
    with_causes_first,
    with_remedies_of_causes,
    without_echoes,
    without_overcome_starts,
    without_slow_descents,
)
from ravine.doctor.outcome import Outcome, judged, skipped, unknown
from ravine.doctor.short_run import ShortRun, Trajectory, short_run
from ravine.doctor.subject import Settings, Subject
from ravine.fleet.tile_run import quiet_threads
from ravine.records.findings import RUNGS, Diagnosis, Finding
from ravine.records.sweeps import RangeTest
from ravine.tasks import Task
from ravine.tasks.splits import first_line

ALL = frozenset(RUNGS)
OF_TRAINING = frozenset({"rate", "update-to-weight", "curve", "curvature", "batch size"})
"""What a training says, which means nothing where not even one batch can be learnt."""
STOPPED = {
    "loading": ALL,
    "initial loss": ALL,
    "overfit one batch": OF_TRAINING,
    "gradients": frozenset({"update-to-weight", "curve", "curvature", "batch size"}),
}
"""Rung -> rungs above it that suppose it."""

Observer = Callable[[str], object]
"""Told the name of each rung before it is climbed."""


def examine(task: Task, settings: Settings | None = None, observer: Observer | None = None) -> Diagnosis:
    """Walk the ladder.

    Args:
        task: anything that `ravine.Task` accepted.
        settings: how it is to be trained.
        observer: see `Observer`.
    """
    chosen, tell = settings or Settings(), observer or (lambda rung: None)
    with quiet_threads():
        tell(RUNGS[0])
        try:
            usable, found = checks_setup.runnable(task)
        except checks_setup.Blocked as error:
            return _blocked(task, error.finding)
        climb = _Climb(Subject(usable, chosen), found)
        outcomes = without_echoes([_climbed(climb, name, tell) for name in RUNGS], climb.stops)
        outcomes = with_causes_first(outcomes, climb.stops)
        outcomes = without_overcome_starts(outcomes, climb.reached, usable.baseline_loss())
        outcomes = with_remedies_of_causes(without_slow_descents(outcomes, *climb.fallen))
    findings = tuple(finding for outcome in outcomes for finding in outcome.findings)
    return Diagnosis(usable.describe(), findings, tuple(outcome.rung for outcome in outcomes))


def _blocked(task: Task, finding: Finding) -> Diagnosis:
    """The diagnosis of a task that cannot be run."""
    why = "the task does not run, and nothing above means anything before it does"
    place = RUNGS.index(finding.rung)
    below = [judged(name, "one batch was read and run").rung for name in RUNGS[:place]]
    rest = [skipped(name, why).rung for name in RUNGS[place + 1 :]]
    rungs = (*below, judged(finding.rung, finding.measured, [finding]).rung, *rest)
    return Diagnosis({"name": task.name, "description": task.description}, (finding,), rungs)


def _climbed(climb: "_Climb", name: str, tell: Observer) -> Outcome:
    for rung, why in climb.stops.items():
        if name in STOPPED.get(rung, frozenset()):
            return skipped(name, why)
    tell(name)
    try:
        outcome = climb.rung(name)
    except Exception as error:  # the user's code may raise anywhere; one rung that cannot be climbed does not hide the others
        return unknown(name, f"could not be measured: {type(error).__name__}: {first_line(error)}")
    if outcome.stops:
        climb.stops[name] = outcome.stops
    return outcome


@dataclass
class _Climb:
    """What rungs hand to those above them."""

    subject: Subject
    before: list[Finding]
    stops: dict[str, str] = field(default_factory=dict)

    def rung(self, name: str) -> Outcome:
        """Climb one rung."""
        return _CLIMBS[name](self)

    @cached_property
    def test(self) -> RangeTest:
        """The range test."""
        return checks_rate.tested(self.subject)

    @property
    def lr(self) -> float:
        """The rate of the short training."""
        settings = self.subject.settings
        if settings.lr is not None:
            return settings.lr
        usual = settings.entry.search_lr
        return usual if "overfit one batch" in self.stops else checks_rate.working_rate(self.test, usual)

    @cached_property
    def run(self) -> ShortRun:
        """The short training."""
        return short_run(self.subject, self.lr)

    @property
    def trained(self) -> Trajectory | None:
        """The short training; None if there was none, or it broke."""
        run: ShortRun | None = self.__dict__.get("run")
        return None if run is None or run.trajectory.broken is not None else run.trajectory

    @property
    def reached(self) -> float | None:
        """Loss at its end."""
        return None if self.trained is None else checks_curve.end(self.trained)

    @property
    def fallen(self) -> tuple[float | None, int]:
        """Share by which the loss fell in it, and its steps."""
        return (None, 0) if self.trained is None else (fall(self.trained.losses), len(self.trained.losses))

    @property
    def directions(self) -> dict[str, bool]:
        """Whether higher is better, of every metric."""
        return {name: self.subject.task.higher_is_better(name) for name in self.subject.task.metrics}


def _curve(climb: _Climb) -> Outcome:
    trajectory, task = climb.run.trajectory, climb.subject.task
    outcome = checks_curve.curve(trajectory, task.baseline_loss(), higher_is_better=climb.directions)
    # Where one class holds nearly all rows, a metric may begin at what always saying so has.
    is_crowd = any(True for _ in checks_data.crowd(climb.subject))
    apart = [] if is_crowd else list(checks_curve.disagreement(trajectory, climb.directions, task.rank_by))
    if task.loss is None:
        # A loss of the user's own may have terms that no metric knows, as that of a physics-informed network does.
        apart = [replace(one, severity="information") for one in apart]
    return judged(outcome.rung.rung, outcome.rung.measured, [*apart, *outcome.findings]) if apart else outcome


_CLIMBS: Mapping[str, Callable[[Any], Outcome]] = {
    "loading": lambda climb: checks_setup.loading(climb.subject, climb.before),
    "initial loss": lambda climb: checks_loss.initial_loss(climb.subject),
    "input-independent baseline": lambda climb: checks_loss.input_independent(climb.subject),
    "overfit one batch": lambda climb: checks_loss.overfit(climb.subject),
    "gradient check": lambda climb: checks_functions.gradient_check(climb.subject),
    "rate": lambda climb: checks_rate.rate(climb.test, climb.subject.settings.lr),
    "gradients": lambda climb: checks_gradients.gradients(climb.run.trajectory),
    "update-to-weight": lambda climb: checks_gradients.updates(climb.run.trajectory),
    "dead units": lambda climb: checks_gradients.units(climb.run.after),
    "activations": lambda climb: checks_gradients.activations(climb.run.after),
    "curve": _curve,
    "precision": lambda climb: checks_numbers.precision(climb.subject, climb.run.before, climb.run.after),
    "curvature": lambda climb: checks_numbers.curvature(climb.subject, climb.run, climb.lr),
    "batch size": lambda climb: checks_numbers.batch_size(climb.subject, climb.run),
}
