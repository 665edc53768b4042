"""What the page can offer: tasks, optimisers with their style and equations, schedules, and what is loaded at the start."""

import inspect
from collections.abc import Sequence
from typing import Any, get_args

from ravine._version import __version__
from ravine.lab.protocol import Catalogue, Colour, Optimizer, Rate, Schedule, Style, Target, TaskEntry
from ravine.lab.settings import LIMITS, PRESET
from ravine.report._styles import styles, theme_named
from ravine.rules import registry
from ravine.schedules import REGISTRY as SCHEDULES

TITLES = {
    "sgd": "SGD",
    "momentum": "Momentum",
    "nesterov": "Nesterov",
    "sgdw": "SGDW",
    "rmsprop_tf": "RMSprop (TensorFlow)",
    "amsgrad": "AMSGrad",
    "schedule_free_sgd": "Schedule-free SGD",
    "schedule_free_adamw": "Schedule-free AdamW",
    "sophia_g": "Sophia-G",
    "sophia_h": "Sophia-H",
    "dadapt_adam": "D-Adapt Adam",
}
"""Names for people where the rule's class has another."""


def catalogue(files: Sequence[str], own: str | None) -> Catalogue:
    """The catalogue.

    Args:
        files: records given on the command line.
        own: the user's task as given there.
    """
    return Catalogue(
        version=__version__,
        tasks=_tasks(own),
        optimizers=_optimizers(),
        schedules=[Schedule(name=name, summary=_first_line(kind)) for name, kind in SCHEDULES.items()],
        files=list(files),
        limits=LIMITS,
        preset=PRESET,
    )


def _tasks(own: str | None) -> list[TaskEntry]:
    targets = list(get_args(Target))
    found = [
        TaskEntry(name="curve", title="A curve", kind="curve", width=32, batch_size=None, targets=targets),
        TaskEntry(name="digits", title="Handwritten digits", kind="digits", width=32, batch_size=64, targets=[]),
    ]
    if own is not None:
        found.append(TaskEntry(name="user", title=own, kind="user", width=None, batch_size=None, targets=[]))
    return found


def _optimizers() -> list[Optimizer]:
    names = registry.names()
    light, dark = (styles(names, theme_named(theme)) for theme in ("light", "dark"))
    found = []
    for name in names:
        entry, grid = registry.get(name), registry.get(name).grid()
        drawn: Any = light[name]
        style = Style(colour=Colour(light=drawn.color, dark=dark[name].color), dash=list(drawn.dash[1] or ()), marker=drawn.mark)
        found.append(
            Optimizer(
                name=name,
                title=TITLES.get(name, entry.rule.__name__),
                summary=entry.summary,
                source=str(entry.rule.citation),
                style=style,
                lr=Rate(low=grid[0], high=grid[-1], default=entry.defaults["lr"]),
                hypers={symbol: value for symbol, value in entry.defaults.items() if symbol != "lr"},
                formula=_equations(entry.rule),
            )
        )
    return found


def _equations(rule: type) -> str:
    """The indented block of a rule's docstring: its equations in its own symbols."""
    lines = (inspect.getdoc(rule) or "").splitlines()
    first = next((place for place, line in enumerate(lines) if line.startswith("    ")), None)
    if first is None:
        return ""
    block = []
    for line in lines[first:]:
        if line and not line.startswith("    "):
            break
        block.append(line)
    return inspect.cleandoc("\n".join(["", *block])).strip()


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").splitlines()[0]
