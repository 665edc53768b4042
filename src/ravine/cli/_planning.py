"""`ravine race --plan`: what the race would take, without running it."""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ravine.base._checks import count
from ravine.base.errors import InputError
from ravine.cli._racing import load_task, plan_of
from ravine.cli._tally import duration, size

if TYPE_CHECKING:
    from ravine.race.outlook import Outlook


def plan_all(
    texts: Sequence[str],
    batch_size: int | None,
    nodes: int | None,
    *,
    plan: bool,
    as_json: bool,
    writes: Mapping[str, object],
    options: Mapping[str, Any],
) -> None:
    """Print what the race of each task would take; as JSON, of several tasks as a list.

    Args:
        texts: what each task is called on the command line.
        batch_size: rows of a step instead of the tasks' own.
        nodes: most machines; 1 if None.
        plan: whether the race is only to be planned.
        as_json: whether as JSON.
        writes: options that write or connect, by name.
        options: of the race.

    Raises:
        InputError: an option has no effect.
    """
    check_plan(plan=plan, nodes=nodes, writes=writes)
    # What the user's own code prints is a message; results alone go to the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        found = [_found(text, batch_size, nodes or 1, options) for text in texts]
    if as_json:
        facts = [one.as_json() for one in found]
        typer.echo(json.dumps(facts if len(facts) > 1 else facts[0], allow_nan=False, indent=2))
    else:
        typer.echo("\n\n".join("\n".join(lines(one)) for one in found))


def check_plan(*, plan: bool, nodes: int | None, writes: Mapping[str, object]) -> None:
    """Refuse what has no effect; see `plan_all`."""
    if not plan:
        raise InputError(f"--nodes {nodes} has no effect without --plan: leave it out, or give --plan.")
    for name, value in writes.items():
        if value:
            raise InputError(f"{name} has no effect with --plan, which runs, writes and connects to nothing: leave one out.")
    if nodes is not None:
        count("--nodes", nodes)


def _found(text: str, batch_size: int | None, nodes: int, options: Mapping[str, Any]) -> "Outlook":
    from ravine.race.outlook import outlook

    plan = plan_of(load_task(text, batch_size), options)
    return outlook(plan, workers=options["workers"], nodes=nodes, device=options["device"])


def lines(found: "Outlook") -> list[str]:
    """An outlook as a person reads it."""
    result = [f"{found.task}: {found.steps:,} steps a lane, {found.mode} ({found.reason})", ""]
    result.append(f"  {'stage':8}{'lanes':>8}{'shards':>8}{'gradients':>14}{'one process':>13}")
    result += [
        f"  {stage.name:8}{stage.lanes:8,}{stage.shards[0]:8,}{stage.gradients:14,}{duration(stage.seconds):>13}" for stage in found.stages
    ]
    result += ["", f"  {'nodes':>7}{'workers':>9}{'memory, each':>14}{'shards':>8}{'time':>9}"]
    for number, (workers, seconds) in enumerate(zip(found.workers, found.seconds, strict=True), 1):
        shards = sum(stage.shards[number - 1] for stage in found.stages)
        result.append(f"  {number:7,}{workers:9,}{size(found.memory_bytes) + ' x ' + str(workers):>14}{shards:8,}{duration(seconds):>9}")
    return [*result, "", "machines like this one, with one thread a worker; less where lanes diverge, more where grids must be extended"]
