"""A recipe's task, optimiser and schedule as ravine's own names, for the script that uses ravine."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ravine.base.errors import InputError
from ravine.optim.creating import NATIVE_STEPS, driver_for
from ravine.race._driver_text import opened
from ravine.race._optimizer_text import MARGIN, OptimizerText
from ravine.race._source_text import literal
from ravine.race._task_text import FULL_SEED, PLAIN_SEED, SEED_EVERYTHING, TaskText, is_own_source
from ravine.rules import Rule
from ravine.rules._ascent import SECOND_GRADIENT
from ravine.rules._wrapping import Wrapper
from ravine.tasks import Task

if TYPE_CHECKING:
    from ravine.race.recipe import Recipe

LOADED = "task = load({reference})"


def ravine_task_text(task: Task) -> TaskText:
    """The task as ravine loads it.

    Raises:
        InputError: it was made in Python and has no reference.
    """
    if task.reference is None:
        raise InputError(
            f"the task {task.name!r} was made in Python and has no name that a script could load it by. "
            "Put it into a file of its own as task = ravine.Task(...) and race 'path/to/file.py'.",
            given=task.name,
        )
    # Functions of a built-in draw from torch alone; a user's may draw from anything.
    is_plain = is_own_source(task)
    loaded = LOADED.format(reference=literal(task.reference))
    return TaskText(
        sections=(loaded,) if is_plain else (loaded, SEED_EVERYTHING),
        imports=("from ravine.tasks import load", "import random", "import numpy as np", "import torch"),
        seed=PLAIN_SEED if is_plain else FULL_SEED,
        model="task.model()",
        data=("train = task.data.train", "validation = task.data.validation"),
        criterion="task.step" if task.step is not None else "task.loss",
        metrics="task.metrics" if task.metrics else {},
    )


def ravine_optimizer_text(name: str, rule: Rule, hypers: Mapping[str, float]) -> OptimizerText:
    """The optimiser as `ravine.optim.create` makes it at the rate `LR`.

    Args:
        name: registry name.
        rule: with its flags set.
        hypers: every hyper by symbol; `lr` is not read.

    Raises:
        InputError: it needs a loop of its own, which the plain script has.
    """
    needs = rule.needs
    if needs:
        what = "two gradients a step" if SECOND_GRADIENT in needs else f"{' and '.join(sorted(needs))} besides gradients"
        raise InputError(
            f"{name!r} needs {what}, for which the form 'ravine' has no loop: use the form 'torch', whose script has one.",
            given=name,
        )
    settings = [f"{symbol}={literal(value)}" for symbol, value in hypers.items() if symbol != "lr"]
    is_split = any(flag.name == "elementwise" for flag in rule.flags)
    params = "ravine.optim.muon_groups(model)" if is_split else "model.parameters()"
    # As `ravine.train` chooses it, so that both end with the same bits.
    is_native = driver_for(name, NATIVE_STEPS) == "native"
    driver = [f'driver="native" if STEPS >= {NATIVE_STEPS} else "auto"'] if is_native else []
    arguments = [literal(name), params, "lr=LR", *settings, *driver]
    return OptimizerText(
        opened(f"{MARGIN}ravine.optim.create(", arguments, ")", indent=4).removeprefix(MARGIN),
        imports=("import torch", "import ravine"),
        averages=type(rule).evaluate is not Rule.evaluate,
        average="with optimizer.averaged():" if isinstance(rule, Wrapper) else "optimizer.eval()  # to the averaged weights",
    )


def ravine_schedule(recipe: "Recipe") -> str:
    """The schedule as an expression; empty for a rate that never changes."""
    if recipe.schedule == "constant" and not recipe.warmup:
        return ""
    warmup = ".warmup(WARMUP)" if recipe.warmup else ""
    return f"ravine.schedules.create({literal(recipe.schedule)}, horizon=STEPS){warmup}"
