"""A run of the page as texts to copy: the plain PyTorch of one lane, the command, and the Python that races the same."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from ravine.base.errors import RavineError
from ravine.lab.course import LANE_SEED, plan_of
from ravine.lab.curves import make_subject
from ravine.race.entrants import Setting
from ravine.race.plan import Plan
from ravine.race.recipe import Recipe, how_close
from ravine.tasks import Task

AT_THE_END = "# What that lane had on validation at the end."
"""How a recipe's script begins the values of its lane."""


def run_texts(
    setting: dict[str, Any],
    rates: dict[str, float],
    *,
    lane: int,
    raced: dict[str, float],
    step: int,
    own: str | None = None,
    points: tuple[tuple[float, float], ...] = (),
) -> dict[str, Any]:
    """The texts of a run.

    Args:
        setting: of the run, checked.
        rates: optimiser -> peak rate.
        lane: whose script is wanted.
        raced: metric -> what the lane had on validation.
        step: at which it had that.
        own: the user's task as given on the command line.
        points: of a curve that was sent.
    """
    subject = make_subject(setting, own, points)
    plan, tuned = plan_of(subject, rates, setting), setting["lrs"] == "tuned"
    note = "Python and command repeat the race of the page up to rounding." if not tuned else "Command and Python tune each rate in full."
    try:
        script = _script(plan, rates, lane, raced, step)
    except RavineError as error:
        script, note = "", f"{note} There is no script: {error}"
    shared = len(set(rates.values())) == 1
    has_command = plan.task.reference is not None and (tuned or shared)
    if not has_command:
        note = f"{note} There is no command for {'rates that differ' if plan.task.reference is not None else 'a curve of the page'}."
    return {
        "scripts": {plan.entrants[lane].label: script},
        "command": _command(plan, setting, rates) if has_command else "",
        "python": _python(plan, setting, rates),
        "note": note,
    }


def _script(plan: Plan, rates: Mapping[str, float], lane: int, raced: Mapping[str, float], step: int) -> str:
    entrant = plan.entrants[lane]
    row = entrant.entry("final", lane, Setting(rates[entrant.label]), LANE_SEED).row
    task = plan.task
    heading = (
        f"Trains {task.name} with {entrant.optimizer} at lr={row.lr:.3g} on the {row.schedule} schedule, as the lab showed it.",
        f"It repeats the lane's initial weights and batches (seed {plan.race_seed}), and its validation loss {how_close(task)}.",
    )
    recipe = Recipe(
        optimizer=entrant.optimizer,
        lr=row.lr,
        schedule=row.schedule,
        hypers=row.hypers,
        steps=plan.steps,
        batch_size=task.rows_per_step,
        race_seed=plan.race_seed,
        seed=LANE_SEED,
        raced=raced,
        heading=heading,
        task=task,
    )
    text = recipe.code()
    where = f"# What that lane had on validation at step {step}, where it was copied."
    return text if step == plan.steps else text.replace(AT_THE_END, where)


def _command(plan: Plan, setting: Mapping[str, Any], rates: Mapping[str, float]) -> str:
    names, lr = ",".join(rates), next(iter(rates.values()))
    parts = ["ravine", "race", str(plan.task.reference), "--optimizers", names, "--steps", str(plan.steps), "--seed", str(plan.race_seed)]
    parts += ["--seeds", "5"] if setting["lrs"] == "tuned" else ["--shared-lr", repr(lr), "--seeds", "1"]
    if setting["schedule"] != "constant":
        parts += ["--schedule", setting["schedule"]]
    if setting["batch_size"] is not None:
        parts += ["--batch-size", str(setting["batch_size"])]
    return shlex.join(parts)


def _python(plan: Plan, setting: Mapping[str, Any], rates: Mapping[str, float]) -> str:
    """A text that races the same through ravine's own functions."""
    task, before = _task(plan.task, setting["batch_size"])
    given = [f"steps={plan.steps}", f"race_seed={plan.race_seed}", f"schedule={json.dumps(setting['schedule'])}"]
    head = "import ravine\n\n" + before
    if setting["lrs"] == "tuned":
        race = f"ravine.race({task}, optimizers={json.dumps(list(rates))}, {', '.join(given)}, seeds=5)"
        return f"{head}result = {race}\nprint(result.table())\n"
    lines = [head + f"task = {task}", "for name, lr in {"]
    lines += [f"    {json.dumps(name)}: {rate!r}," for name, rate in rates.items()]
    lines += ["}.items():", f"    result = ravine.race(task, optimizers=[name], shared_lr=lr, {', '.join(given)}, seeds=1)"]
    return "\n".join([*lines, "    print(result.table())", ""])


def _task(task: Task, rows: int | None) -> tuple[str, str]:
    """An expression for the task, and what must stand before it."""
    if task.reference is not None:
        loaded = f"ravine.tasks.load({json.dumps(task.reference)})"
        return (loaded, "") if rows is None else (f"dataclasses.replace({loaded}, batch_size={rows})", "import dataclasses\n\n")
    assert task.sources is not None, "tasks of the page have their source"
    data = f"train, validation, test = {task.sources.data}"
    made = f"ravine.Task({json.dumps(task.name)}, lambda: {task.sources.model}, train, validation, {task.sources.loss}, test=test"
    return f"{made}, batch_size={task.batch_size!r})", f"{task.sources.text()}\n\n{data}\n"
