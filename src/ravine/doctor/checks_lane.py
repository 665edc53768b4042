"""Why a lane of a race diverged or stayed stuck: from its record, and from a look into the lane where it was trained again."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ravine.doctor.checks_gradients import MANY_DEAD, dead_layers
from ravine.doctor.checks_numbers import largest_eigenvalue
from ravine.doctor.checks_rate import NEAR
from ravine.doctor.replay import Replay
from ravine.records import Lane
from ravine.records.findings import Finding

SILENT = "silently"
"""How the reason of a lane begins that stayed at the loss of a constant output."""
RANKED = "it was number"
"""What the reason of a lane says that was culled in good health."""
BLOWN_UP = 1e3
"""Growth of the weights from which what is not finite follows from them, and not from an operation at its edge."""
_QUADRATIC = "gradient descent on a quadratic; Cohen et al. (2021), arXiv:2103.00065"
_RACE = "PROTOCOL, the race, 10"


@dataclass(frozen=True, slots=True)
class Known:
    """What a record says of a lane that did not go well, and of its optimiser's others.

    Attributes:
        lane: the lane.
        runs_at: highest rate below the lane's at which a lane of the same optimiser went well; None if none did.
        has_run: whether a lane at the very rate, of another seed, went well.
    """

    lane: Lane
    runs_at: float | None
    has_run: bool

    @property
    def is_stuck(self) -> bool:
        """Whether it stayed at the loss of a constant output, all numbers finite."""
        return (self.lane.reason or "").startswith(SILENT)

    @property
    def kind(self) -> str:
        """Lanes of one kind ended in the same way, and one explains the others."""
        if self.lane.status == "culled":
            return "broken"
        return "stuck" if self.is_stuck else "seed" if self.has_run else "rate"

    @property
    def ended_at(self) -> int:
        """Step at which it diverged, or was culled."""
        return self.lane.steps_done if self.lane.diverged_at is None else self.lane.diverged_at

    @property
    def end(self) -> str:
        """What became of it, in words."""
        reason, step = self.lane.reason or "it diverged", f"step {self.ended_at:,}"
        if self.lane.status == "culled":
            return f"culled at {step}: {reason}"
        return f"{reason.partition(': ')[2] if self.is_stuck else reason} at {step}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look into a lane, trained again, showed.

    Attributes:
        lane: the one that was looked into.
        seed: its seed.
        place: where a number first was not finite; empty if all were finite.
        step: at which that was, counted from 1; None if all were finite.
        operation: one that made numbers not finite from finite ones, and where; empty if none did.
        growth: norm of the weights over that at the start.
        update: largest update of a matrix over its norm.
        sharpness: largest eigenvalue of the Hessian at the start; None where it bounds no rate of the rule.
        dead: layer with the most units that are zero on every input, and their share; of layers with too many.
    """

    lane: int
    seed: int
    place: str
    step: int | None
    operation: str
    growth: float
    update: float
    sharpness: float | None
    dead: tuple[str, float]


def rates_that_ran(lanes: Iterable[Lane]) -> dict[str, list[float]]:
    """Of each optimiser the rates at which a lane went well, ascending."""
    found: dict[str, set[float]] = {}
    for lane in lanes:
        if _went_well(lane):
            found.setdefault(lane.optimizer, set()).add(lane.lr)
    return {optimizer: sorted(rates) for optimizer, rates in found.items()}


def known(lane: Lane, ran: Mapping[str, Sequence[float]]) -> Known:
    """What a record says of one of its lanes.

    Args:
        lane: of the record.
        ran: `rates_that_ran`.
    """
    own = ran.get(lane.optimizer, ())
    below = bisect_left(own, lane.lr)
    return Known(lane, own[below - 1] if below else None, lane.lr in own)


def _went_well(lane: Lane) -> bool:
    """Of a culled lane, its place among the others is told where nothing was wrong with it."""
    return lane.status == "done" or (lane.status == "culled" and not is_lost(lane))


def is_lost(lane: Lane) -> bool:
    """Whether a lane diverged, stayed at the loss of a constant output, or was culled because its loss had grown."""
    if lane.status == "culled":
        return bool(lane.reason) and RANKED not in str(lane.reason)
    return lane.status == "diverged" and lane.diverged_at is not None


def see(replay: Replay) -> Seen:
    """Look into a lane that was trained again up to where it ended."""
    reading, rule = replay.look(), replay.lane.rule
    broken = next((one for one in reading.doubtful if one.is_broken), None)
    updates = [ratio for row in replay.rows for ratio in row[2] if np.isfinite(ratio)]
    sharpness = None
    if rule.name == "sgd":
        try:
            sharpness = largest_eigenvalue(replay.fresh(), replay.batch(0), seed=replay.race_seed)
        except RuntimeError:  # something in the model cannot be differentiated twice
            sharpness = None
    worst = max(dead_layers(reading.units), key=lambda unit: unit.dead, default=None)
    return Seen(
        lane=replay.lane.number,
        seed=replay.lane.seed,
        place=replay.place,
        step=None if replay.broken is None else replay.broken + 1,
        operation=f"{broken.operation} {broken.what} in {broken.place}" if broken is not None else "",
        growth=replay.growth,
        update=max(updates, default=float("nan")),
        sharpness=sharpness if sharpness is not None and np.isfinite(sharpness) and sharpness > 0 else None,
        dead=("", 0.0) if worst is None else (worst.place, worst.dead),
    )


def stable_factor(replay: Replay) -> float:
    """What a rate must stay below, in units of 1 / lambda_max: 2 without momentum."""
    momentum = float(replay.lane.hypers.get("momentum", 0.0))
    return (2 + 2 * momentum) / (1 + 2 * momentum) if replay.lane.rule.on("nesterov") else 2 + 2 * momentum


def explain(facts: Known, seen: Seen | None, factor: float = 2.0) -> Finding:
    """The diagnosis of a lane.

    Args:
        facts: from the record.
        seen: a look into it, or into one that ended like it; None if there was none.
        factor: `stable_factor` of the lane.
    """
    if seen is not None and seen.step == 1 and seen.place and not seen.place.startswith("the update"):
        return _finding(facts, seen, ("initial loss", "the loss is not finite before the first update"), ("finite", "IEEE 754"), _SETUP)
    if facts.is_stuck:
        return _stuck(facts, seen)
    if seen is not None and seen.operation and seen.growth < BLOWN_UP:
        remedy = "Keep its argument from the edge: torch.log(x.clamp(min=1e-8)), x / (y + eps), F.log_softmax for log(softmax)."
        title = f"an operation leaves the finite numbers: {seen.operation}"
        return _finding(facts, seen, ("precision", title), ("finite", "IEEE 754"), remedy)
    if seen is not None and seen.sharpness is not None and facts.lane.lr > factor / seen.sharpness:
        bound = factor / seen.sharpness
        own = "" if seen.lane == facts.lane.lane or seen.seed == facts.lane.seed else f" of lane {seen.lane}"
        measured = f"lambda_max {seen.sharpness:.3g} at the start{own}, {facts.lane.lr / bound:.2g} times the bound"
        formula = f"{factor:.3g} / lambda_max = {bound:.3g}"
        found = _finding(facts, seen, ("rate", f"the rate is above {factor:.3g} / lambda_max"), (formula, _QUADRATIC), _lower(facts))
        return replace(found, measured=f"{found.measured}; {measured}")
    return _of_rate(facts, seen)


_SETUP = "The rate has no part in it: `ravine doctor TASK` looks at the data and the model."


def _of_rate(facts: Known, seen: Seen | None) -> Finding:
    if facts.has_run:
        threshold = f"below {facts.lane.lr / NEAR:.3g}, a third of it"
        return _finding(facts, seen, ("rate", "the rate is near the top: other seeds ran at it"), (threshold, _RACE), _lower(facts))
    if facts.runs_at is not None:
        threshold = f"{facts.runs_at:.3g}, the highest rate of {facts.lane.optimizer} below it that ran"
        return _finding(facts, seen, ("rate", "the rate is too high"), (threshold, _RACE), _lower(facts))
    remedy = "Race lower rates with --lrs; if these break as well, `ravine doctor TASK` looks at the model."
    threshold = f"a rate of {facts.lane.optimizer} that runs, at or below it"
    return _finding(facts, seen, ("gradients", "it breaks at every rate this low that was tried"), (threshold, _RACE), remedy)


def _stuck(facts: Known, seen: Seen | None) -> Finding:
    if seen is not None and seen.dead[0]:
        place, share = seen.dead
        found = _finding(facts, seen, ("dead units", "the units of a layer are dead"), (f"{MANY_DEAD:.0%}", "PROTOCOL"), _lower(facts))
        return replace(found, measured=f"{found.measured}; {share:.0%} are zero on every input", where=place)
    return _finding(facts, seen, ("curve", "the loss stays at that of a constant output"), ("1 % below it", _RACE), _lower(facts))


def _lower(facts: Known) -> str:
    if facts.runs_at is None:
        return "Race lower rates with --lrs, warm up, or clip gradients."
    return f"Nothing in a race, which finds the rate; by hand, lr={facts.runs_at:.3g} or less, a warm-up, or clipped gradients."


def _finding(facts: Known, seen: Seen | None, what: tuple[str, str], bound: tuple[str, str], remedy: str) -> Finding:
    """A finding with what is known of every lane: its rate, its end, and, where it was looked into, the size of its updates."""
    measured, where = f"lr={facts.lane.lr:.3g}: {facts.end}", f"step {facts.ended_at:,}"
    if seen is not None:
        if np.isfinite(seen.update):
            measured = f"{measured}; updates up to {seen.update:{_digits(seen.update)}} times the weights"
        if seen.place and seen.lane == facts.lane.lane:
            where = f"{seen.place}, step {seen.step:,}"
        elif seen.place:
            where = f"{where}; in lane {seen.lane}, {seen.place}, step {seen.step:,}"
    (rung, title), (threshold, source) = what, bound
    return Finding("error", rung, title, measured, threshold, source, where, remedy)


def _digits(size: float) -> str:
    """Two, and three where two would need an exponent."""
    return ".3g" if 99.5 <= size < 999.5 else ".2g"
