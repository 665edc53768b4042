"""Settings that a page sends, completed and checked as far as that needs no torch; the rest is for the training process."""

import csv
import io
import math
from collections.abc import Mapping
from typing import Any, get_args

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError
from ravine.lab.protocol import Limits, Setting, Stop, Target, TaskOptions
from ravine.rules import registry
from ravine.schedules import REGISTRY as SCHEDULES

LIMITS = Limits(optimizers=12, steps=50_000, width=512, batch_size=8192, points=5000)
"""Wider than what is useful on one core, and narrow enough that a typing mistake ends no machine."""

SWEPT_STEPS = 300
"""Of every lane of a sweep for rates: they are told apart long before the end, and the page waits."""

FEWEST_POINTS = 12
LONGEST_FORMULA = 1000
LARGEST_SEED = 2**31 - 1

PRESET = Setting(
    task="curve",
    task_options=TaskOptions(target="two-bumps"),
    optimizers=["sgd", "momentum", "rmsprop", "adam", "adamw", "lion"],
    lrs=0.1,
    schedule="constant",
    seed=7,
    width=32,
    batch_size=None,
    steps=1000,
    stop=Stop(),
)
"""What is loaded before anything is chosen: one rate for all, with which they fare very differently."""

TASKS = ("curve", "digits", "user")


def read_setting(given: Mapping[str, Any], *, has_own: bool, curves: Mapping[str, Any]) -> Setting:
    """A whole setting; what is left out is as in `PRESET`.

    Args:
        given: of the page.
        has_own: whether the lab was started with a task of the user's.
        curves: points that were sent, by name.

    Raises:
        InputError: something is out of range, or unknown.
    """
    for name in given:
        if name not in PRESET:
            raise unknown_name("setting", name, PRESET)
    values: dict[str, Any] = {**PRESET, **given}
    task = _one_of("task", values["task"], TASKS)
    if task == "user" and not has_own:
        raise InputError("task='user': the lab was started without one. Start it again with ravine lab --task path/to/file.py.", given=task)
    names = _names(values["optimizers"])
    return Setting(
        task=task,  # type: ignore[typeddict-item]
        task_options=_options(values["task_options"], task, curves),
        optimizers=names,
        lrs=_rates(values["lrs"], names),
        schedule=_one_of("schedule", values["schedule"], SCHEDULES),
        seed=count("seed", values["seed"], at_least=0, at_most=LARGEST_SEED),
        width=count("width", values["width"], at_most=LIMITS["width"]),
        batch_size=_optional_count("batch_size", values["batch_size"], LIMITS["batch_size"]),
        steps=count("steps", values["steps"], at_most=LIMITS["steps"]),
        stop=_stop(values["stop"]),
    )


def sweep_in_words(setting: Setting) -> str:
    """How rates are found."""
    steps = min(setting["steps"], SWEPT_STEPS)
    return f"12 half-decade rates over {steps:,} steps on another lane seed, by the last validation loss"


def read_speed(value: object) -> float | None:
    """Steps a second, None for as many as possible."""
    return None if value is None else number("speed", value, at_least=0.1, at_most=1e6, do="Use null for as fast as it goes.")


def read_points(text: object) -> list[tuple[float, float]]:
    """Points from comma-separated values, x before y; a first line without numbers is a heading.

    Raises:
        InputError: a line that is not two finite numbers, or too few, too many or unusable points.
    """
    if not isinstance(text, str):
        raise InputError("csv must be text with two columns, x and y. Send the content of the file.", given=type(text).__name__)
    points: list[tuple[float, float]] = []
    for place, row in enumerate((row for row in csv.reader(io.StringIO(text), delimiter=_delimiter(text)) if any(map(str.strip, row))), 1):
        pair = _pair(row)
        if pair is None and place == 1:
            continue
        if pair is None:
            shown = ",".join(row)[:40]
            given = f"line {place} of the CSV is {shown!r}"
            raise InputError(f"{given}: must be two finite numbers, x and y. Correct or remove it.", given=shown)
        points.append(pair)
        if len(points) > LIMITS["points"]:
            raise InputError(f"the CSV has more than {LIMITS['points']:,} points: at most so many. Thin it out.", given=len(points))
    if len(points) < FEWEST_POINTS:
        raise InputError(f"the CSV has {len(points)} points: must have at least {FEWEST_POINTS}. Send more.", given=len(points))
    if len({x for x, _ in points}) < 2:
        raise InputError("all points of the CSV have one x: must have at least two. Put x into the first column.", given=points[0][0])
    return points


def _delimiter(text: str) -> str:
    first = text.lstrip().partition("\n")[0]
    return next((mark for mark in (",", ";", "\t") if mark in first), ",")


def _pair(row: list[str]) -> tuple[float, float] | None:
    try:
        x, y = (float(part) for part in row)
    except ValueError:
        return None
    return (x, y) if abs(x) < 1e30 and abs(y) < 1e30 else None


def _one_of(name: str, value: object, allowed: Any) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise unknown_name(name, str(value), allowed)
    return value


def _names(given: object) -> list[str]:
    if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
        raise InputError(f"optimizers={given!r}: must be a list of names, such as ['sgd', 'adam']. Choose at least one.", given=given)
    if len(given) > LIMITS["optimizers"]:
        raise InputError(f"{len(given)} optimisers are entered: at most {LIMITS['optimizers']}. Leave some out.", given=len(given))
    for name in given:
        if name.count("+") > 3 or len(name) > 100:
            raise InputError(f"the optimizer {name[:40]!r} has too many parts: at most three wrappers. Shorten it.", given=name)
        registry.get(name)
        if given.count(name) > 1:
            raise InputError(f"{name!r} is entered twice: each optimiser has one lane. Leave one out.", given=name)
    return list(given)


def _rates(given: object, names: list[str]) -> Any:
    if given == "tuned":
        return given
    if not isinstance(given, Mapping):
        return _rate("lrs", given)
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(f"lrs has no rate for {', '.join(missing)}: must have one for each optimiser. Add it.", given=dict(given))
    return {name: _rate(f"lr of {name}", given[name]) for name in names}


def _rate(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name}={value!r}: must be a number above 0, 'tuned', or one number for each optimiser.", given=value)
    return number(name, value, above=0, at_most=1e6, do="Use 'tuned' to have it found.")


def _optional_count(name: str, value: object, most: int) -> int | None:
    return None if value is None else count(name, value, at_most=most, do="Use null for the task's own.")


def _options(given: object, task: str, curves: Mapping[str, Any]) -> TaskOptions:
    if not isinstance(given, Mapping):
        raise InputError(f"task_options={given!r}: must be an object such as {{'target': 'sine'}}.", given=given)
    if task != "curve":
        return TaskOptions()
    target = _one_of("target", given.get("target", "two-bumps"), get_args(Target))
    options = TaskOptions(target=target)  # type: ignore[typeddict-item]
    if target == "formula":
        text = given.get("formula")
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_FORMULA:
            allowed = f"must be text of at most {LONGEST_FORMULA:,} characters"
            raise InputError(f"the formula: {allowed}. Write it like sin(3*x) + x**2.", given=text)
        options["formula"] = text
    if target == "csv":
        name = given.get("curve")
        if not isinstance(name, str) or name not in curves:
            raise InputError("the points of this curve are not here any more: send the file again.", given=name)
        options["curve"] = name
    return options


def _stop(given: object) -> Stop:
    if not isinstance(given, Mapping):
        raise InputError(f"stop={given!r}: must be an object such as {{'target': 0.01}}.", given=given)
    rules = Stop()
    for name, value in given.items():
        if value is None:
            continue
        if name == "target":
            rules["target"] = number("stop at the loss", value, above=0, below=math.inf)
        elif name == "plateau":
            rules["plateau"] = count("stop after a plateau of", value, at_most=LIMITS["steps"])
        else:
            raise unknown_name("rule to stop by", str(name), ["target", "plateau"])
    return rules
