"""Which schedules a training has: of the rate, of other hypers, and one that looks at a metric."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ravine.base._checks import count
from ravine.base.errors import InputError
from ravine.rules.registry import get
from ravine.schedules import Between, Chain, Constant, CosineRestarts, Plateau, Schedule
from ravine.schedules import create as create_schedule
from ravine.schedules.reading import read
from ravine.trainer.options import Options, Recipe

DEFAULT_SCHEDULE, WARMUP = "cosine", 0.03
"""Of the default recipe; the warm-up is a share of the steps."""
MOMENTA = ("momentum", "betas[0]")
"""Keys that fall where the rate rises, in schedules that have a momentum."""

Scheduled: TypeAlias = Schedule | Between
Plan: TypeAlias = Mapping[str, Scheduled]
"""Key of a param group, such as "weight_decay" or "betas[0]" -> its schedule."""


@dataclass(frozen=True, slots=True)
class Scheduling:
    """The schedules of a training.

    Attributes:
        rate: of the rate, in every group that has none of its own.
        others: of other keys, and of rates of single groups: one for all groups or one each; none where only the rate
            is scheduled.
        plateau: multiplies the rate as well, and looks at the monitored metric.
    """

    rate: Schedule
    others: tuple[Plan, ...] = ()
    plateau: Plateau | None = None


def resolve_scheduling(options: Options, recipe: Recipe | None, steps: int, *, optimizer: str | None, is_higher_better: bool) -> Scheduling:
    """The schedules that were asked for, or a recipe's, or the default.

    Args:
        options: what the caller set.
        recipe: what a race found.
        steps: of the training.
        optimizer: registry name, whose symbols may stand for keys; None for one of the caller's own.
        is_higher_better: of the metric that a plateau looks at.

    Raises:
        InputError: a schedule is none, ends after the training, or cannot be had here.
        UnknownNameError: no schedule of that name.
    """
    given: Any = options.schedule
    if given is None and options.snapshots is not None:
        # Cycles of one length, as in the paper.
        cycles = CosineRestarts(cycles=count("snapshots", options.snapshots, at_least=2, do="One is no ensemble."), t_mult=1)
        return Scheduling(_warmed(cycles, options, steps))
    if given is None or (recipe is not None and given == recipe.schedule):
        return Scheduling(_usual(options, recipe, steps))
    names = _keys(optimizer)
    if isinstance(given, Sequence) and not isinstance(given, str):
        plans = tuple(_plan(part, options, steps, names) for part in given)
        if not plans or any("lr" not in plan or isinstance(plan["lr"], Plateau) for plan in plans):
            allowed = "must hold a schedule of the rate for each param group, and no plateau, which is of all groups"
            raise InputError(f"schedule={given!r}: {allowed}. Add it, or leave the list out.", given=given)
        return Scheduling(plans[0]["lr"], plans)
    plan = _plan(given, options, steps, names)
    rate, others = plan.pop("lr", None), (plan,) if plan else ()
    if isinstance(rate, Plateau):
        return Scheduling(_warmed(Constant(), options, steps), others, _directed(rate, is_higher_better=is_higher_better))
    return Scheduling(_usual(options, recipe, steps) if rate is None else rate, others)


def _plan(given: Any, options: Options, steps: int, names: Mapping[str, str]) -> dict[str, Any]:
    """What was given, by the keys of param groups; texts are read, and rates have their warm-up."""
    by_key = given if isinstance(given, Mapping) else {"lr": given}
    plan = {names.get(key, key): _read(names.get(key, key), value) for key, value in by_key.items()}
    for key, schedule in plan.items():
        _check_length(key, schedule, steps)
    rate = plan.get("lr")
    if isinstance(rate, Schedule):
        unchanged = rate if options.warmup is None else rate.warmup(options.warmup)
        plan["lr"] = _warmed(rate, options, steps) if isinstance(by_key["lr"], str) else unchanged
    return plan


def _read(key: str, given: Any) -> Scheduled | Plateau:
    found = read(given) if isinstance(given, str) else given
    if not isinstance(found, Schedule | Between | Plateau):
        kind = type(given).__name__
        raise InputError(f"schedule is of type {kind}: must be a name or a ravine.schedules.Schedule. Use one, or a loop of your own.")
    if isinstance(found, Plateau) and key != "lr":
        raise InputError(f"schedule {key}=plateau: a plateau is of the rate only. Give {key} a schedule of the step.", given=given)
    if isinstance(found, Between) and key == "lr":
        raise InputError("schedule lr=Between(...): the rate takes multipliers of lr. Give the schedule inside, and lr.", given=given)
    # A text cannot say the two values; torch's one-cycle has the same way with momentum.
    falls: Any = getattr(found, "momentum", None)
    return falls() if isinstance(given, str) and falls is not None and key in MOMENTA else found


def _usual(options: Options, recipe: Recipe | None, steps: int) -> Schedule:
    """The recipe's schedule, or the default one."""
    if recipe is None:
        return _warmed(create_schedule(DEFAULT_SCHEDULE), options, steps)
    scaled = recipe.warmup if steps == recipe.steps else round(recipe.warmup * steps / recipe.steps)
    return create_schedule(recipe.schedule, horizon=steps).warmup(scaled if options.warmup is None else options.warmup)


def _warmed(schedule: Schedule, options: Options, steps: int) -> Schedule:
    """A schedule over all steps after the usual warm-up; what begins low by itself needs none."""
    whole = dataclasses.replace(schedule, horizon=steps)
    if options.warmup is None and schedule.warmup_length:
        return whole
    usual = round(WARMUP * steps) if whole(0) >= 1.0 else 0
    return whole.warmup(usual if options.warmup is None else options.warmup)


def _keys(optimizer: str | None) -> dict[str, str]:
    """Symbols of an optimiser's hypers, such as "beta1" -> the key under which a group has them, "betas[0]"."""
    hypers = () if optimizer is None else get(optimizer).rule.hypers
    return {hyper.symbol: hyper.group_key if hyper.index is None else f"{hyper.group_key}[{hyper.index}]" for hyper in hypers}


def _directed(plateau: Plateau, *, is_higher_better: bool) -> Plateau:
    """A plateau that knows which way is up; "min" is what it says unless told."""
    if plateau.mode == "max" and not is_higher_better:
        raise InputError("plateau with mode='max', and of the monitored metric lower is better. Leave mode out.", given=plateau.mode)
    return dataclasses.replace(plateau, mode="max" if is_higher_better else "min")


def _check_length(key: str, given: Scheduled | Plateau, steps: int) -> None:
    """Refuse a schedule that the training would break off."""
    last, what = (0, "") if isinstance(given, Plateau) else _reach(given.schedule if isinstance(given, Between) else given)
    if last > steps:
        raise InputError(
            f"the {key} schedule's {what} is at {last:,} steps and the training ends at {steps:,}: it would end where it should not. "
            "Train for longer, or leave the schedule's own number of steps out.",
            given=last,
        )


def _reach(schedule: Schedule) -> tuple[int, str]:
    """The last step that a schedule was made for, as far as it says so itself, and what is there."""
    if schedule.horizon is not None:
        return schedule.horizon, "horizon"
    if isinstance(schedule, Chain) and schedule.length is not None:
        return schedule.length, "end"
    if isinstance(schedule, CosineRestarts) and schedule.t_0 is not None:
        return schedule.t_0, "first restart"
    milestones = [place for place in getattr(schedule, "milestones", ()) if isinstance(place, int)]
    return (max(milestones), "last milestone") if milestones else (0, "")
