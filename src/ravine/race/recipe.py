"""The winner of a race as a recipe: what to set, and a plain PyTorch script that needs no ravine."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch.nn.modules.batchnorm import _BatchNorm

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError, RavineError, RecordError
from ravine.race._trainer_text import trainer_text
from ravine.race.entrants import WARMUP, split_schedule
from ravine.race.script import docstring, script
from ravine.race.stage import BATCH_SIZE, pace_of
from ravine.records import Lane, RankedEntrant, Record
from ravine.tasks import REGISTRY, Task, load

FORMS = ("torch", "ravine", "transformers")
"""What a recipe can be written as."""

TRAINER = (
    "Hand your model and data to make_trainer(model, train_dataset). Optimiser, schedule, batch size and steps are the race's; Trainer "
    "draws weights and orders batches in its own way, so numbers differ as from seed to seed."
)
SHOWN = 8
"""Rows of the ranking that the script's heading shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train the task as the winner of the race did.

    Attributes:
        optimizer: registry name, with wrappers behind "+" if it has some.
        lr: peak learning rate.
        schedule: registry name of the schedule.
        hypers: every other hyper by symbol.
        steps: optimiser steps, the horizon of the schedule.
        batch_size: rows of a step.
        race_seed: seed of the race.
        seed: lane seed of the lane that `code()` repeats, the first fresh seed that did not diverge.
        raced: metric -> what that lane had on validation at the end.
        device: where the race ran.
        heading: what the race found, in paragraphs.
        task: what was raced; None where it was made in Python and is not at hand.
        warmup: steps of linear warm-up, part of the horizon.
    """

    optimizer: str
    lr: float
    schedule: str
    hypers: Mapping[str, float]
    steps: int
    batch_size: int
    race_seed: int
    seed: int
    raced: Mapping[str, float]
    device: str = "cpu"
    heading: tuple[str, ...] = field(default=(), repr=False)
    task: Task | None = field(default=None, repr=False, compare=False)
    warmup: int = 0

    def code(self, form: str = "torch") -> str:
        """A script that trains the winner and prints its validation loss beside the race's.

        It repeats one lane of the final: the same initial weights, batches and random draws. Numbers agree to rounding, as far as
        that is not amplified (`how_close`).

        Args:
            form: "torch", a plain script that does not import ravine; "ravine", a shorter one with ravine's task, optimizer and
                schedule; or "transformers", the `TrainingArguments` of Hugging Face's `Trainer`, for a model and data of one's own.

        Raises:
            InputError: the task was made in Python and stands in no file, or the form cannot express the recipe.
            UnknownNameError: there is no such form.
        """
        if form not in FORMS:
            raise unknown_name("form of a recipe", form, FORMS)
        if form == "transformers":
            return trainer_text(self, docstring((*self.heading[:-1], TRAINER)))
        if self.task is None:
            raise InputError(
                "the task of this race was made in Python, so the record cannot name it. "
                "Put it into a file of its own as task = ravine.Task(...) and race 'path/to/file.py'."
            )
        return script(self, self.task, with_ravine=form == "ravine")


def make_recipe(record: Record, task: Task | None = None) -> Recipe:
    """The recipe that a record recommends.

    Args:
        record: of a finished race.
        task: what was raced; loaded by the reference in the record if None.

    Raises:
        RecordError: the race is not finished, or recommends nothing.
        TaskError: the task's file cannot be loaded any more.
    """
    meta = record.meta
    chosen = _recommendation(record, meta)
    protocol, about = meta["protocol"], meta["task"]
    lane = _lane(record, chosen)
    if task is None and about["reference"] is not None:
        task = load(about["reference"])
    pace = pace_of(lane, protocol["batch_size"])
    steps = pace.own(protocol["steps"])
    raced = {name: float(record.curve(lane.lane, "validation", name)[1][-1]) for name in ("loss", *about["metrics"])}
    return Recipe(
        optimizer=_plain(lane.optimizer),
        lr=lane.lr,
        schedule=lane.schedule,
        hypers={name: value for name, value in lane.hypers.items() if name not in (WARMUP, BATCH_SIZE)},
        steps=steps,
        batch_size=pace.rows,
        race_seed=protocol["race_seed"],
        seed=lane.seed,
        raced=raced,
        device=meta["environment"]["device"],
        heading=_heading(meta, record.ranking(), lane, raced, how_close(task)),
        task=task,
        warmup=round(lane.hypers.get(WARMUP, 0.0) * steps),
    )


def printed_recipe(record: Record, task: Task | None = None) -> tuple[str, str]:
    """The script for a page, and a note on it; without a script where the record supports none.

    A page must not run code that a record merely names, so a task in a user's file has no script here unless it is at hand.
    """
    reference = (record.meta.get("task") or {}).get("reference")
    if task is None and (reference is None or str(reference).partition(":")[0] not in REGISTRY):
        return "", ""
    try:
        code = make_recipe(record, task).code()
    except RavineError:
        return "", ""
    return code, "Plain PyTorch, without ravine: it repeats one lane of the final and prints its values beside the race's."


def _recommendation(record: Record, meta: Mapping[str, Any]) -> Mapping[str, Any]:
    status, shared = meta.get("status"), (meta.get("protocol") or {}).get("shared_lr")
    chosen: Mapping[str, Any] = meta.get("recommendation") or {}
    if shared is not None:
        reason = f"every optimiser ran at the shared rate {shared:g}, untuned. Race again without --shared-lr."
    elif status != "done":
        reason = f"its race is {status}, not done. Let it finish; the same command with --resume goes on with it."
    elif not chosen.get("optimizer"):
        reason = "every lane of its final diverged, or none got better than at its start. Race again with other rates in --lrs."
    else:
        return chosen
    raise RecordError(f"{record.path} has no recipe: {reason}")


def _lane(record: Record, chosen: Mapping[str, Any]) -> Lane:
    """The winner's lane of the first fresh seed that did not diverge."""
    lanes = record.lanes(stage="final", optimizer=chosen["optimizer"])
    hypers = chosen.get("hypers", {})
    done = [lane for lane in lanes if lane.status == "done" and math.isclose(lane.lr, chosen["lr"], rel_tol=1e-12)]
    done = [lane for lane in done if lane.is_set(lane.lr, hypers)]
    if not done:
        given = f"{record.path} is damaged: no lane of the final is {chosen['optimizer']!r} at lr={chosen['lr']:g} without divergence"
        raise RecordError(f"{given}. Restore it from a copy or run the race again.")
    return min(done, key=lambda lane: lane.seed)


def how_close(task: Task | None) -> str:
    """How close a script comes to its lane, in words.

    A bias right before a BatchNorm has no gradient but rounding, of which Adam makes whole steps. Training undoes them;
    evaluation, by averages of earlier steps, does not: eager torch with and without oneDNN is as far apart as native code is.
    """
    leaves = [] if task is None else [module for module in task.build(0).modules() if not list(module.children())]
    is_undone = any(isinstance(norm, _BatchNorm) and getattr(one, "bias", None) is not None for one, norm in itertools.pairwise(leaves))
    return (
        "to about three digits (a bias right before a BatchNorm amplifies rounding; bias=False does not)" if is_undone else "up to rounding"
    )


def _heading(meta: Mapping[str, Any], ranking: list[RankedEntrant], lane: Lane, raced: Mapping[str, float], close: str) -> tuple[str, ...]:
    """What a reader of the script should know of the race."""
    protocol, name = meta["protocol"], meta["task"]["name"]
    seeds, steps = protocol["seeds"], protocol["steps"]
    winner = next(entrant for entrant in ranking if entrant.optimizer == lane.optimizer)
    split = "test" if protocol["split"]["ranked_on"] == "test" else "the half of validation that was not tuned on"
    raced_by = "1 optimiser at its" if len(ranking) == 1 else f"{len(ranking)} optimisers, each at its"
    own_rows = winner.hypers.get("batch_size")
    as_many = "" if own_rows is None else f", or as many rows in batches of a size of its own, here {own_rows:,}"
    paragraphs = [
        f"Trains {name} with {_plain(lane.optimizer)} at lr={lane.lr:.3g} on the {lane.schedule} schedule{_warmed(lane)}, "
        "as a race of ravine recommends.",
        f"The race: {raced_by} own tuned {'settings' if winner.hypers else 'rate'}; "
        f"{steps:,} steps of {protocol['batch_size']:,} rows{as_many}; "
        f"{seeds} fresh {'seed' if seeds == 1 else 'seeds'}; mean {winner.final.metric} on {split} at the end"
        f"{' (95 % interval)' if seeds > 1 else ''}, best estimate first:",
        "\n".join(_rows(ranking[:SHOWN])),
    ]
    said = []
    if winner.tied_with:
        said.append(f"{winner.optimizer} cannot be told apart from {', '.join(winner.tied_with)} with {seeds} seeds.")
    if winner.at_grid_edge:
        said.append("It is not tuned: its rate sits at the end of the grid.")
    said.append(f"This holds for this model, data{', batch size' if own_rows is None else ''} and number of steps.")
    repeats = (
        f"The script repeats the race's lane of seed {lane.seed} and should reach its validation loss of {raced['loss']:.6g} "
        f"{close} (ravine {protocol['versions']['ravine']}, torch {protocol['versions']['torch']})."
    )
    return (*paragraphs, " ".join(said), repeats)


def _rows(entrants: list[RankedEntrant]) -> list[str]:
    width = max(12, *(len(entrant.optimizer) for entrant in entrants))
    return [_row(entrant, width) for entrant in entrants]


def _row(entrant: RankedEntrant, width: int) -> str:
    final = entrant.final
    if final.mean is None:
        value = "diverged"
    elif final.low is None or final.high is None:
        value = f"{final.mean:.4g}"
    else:
        value = f"{final.mean:.4g} ({final.low:.4g} to {final.high:.4g})"
    return f"    {entrant.optimizer:{width}} lr={entrant.lr:<10.3g} {value}"


def _warmed(lane: Lane) -> str:
    share = lane.hypers.get(WARMUP, 0.0)
    return f" after a warm-up over {100 * share:.3g} % of the steps" if share else ""


def _plain(label: str) -> str:
    """The registry name behind a label such as "adam#2" or "adamw+cosine"."""
    return split_schedule(label.partition("#")[0])[0]
