"""`ravine race`."""

import contextlib
import sys
from pathlib import Path
from typing import Any

from ravine.base.errors import InputError
from ravine.cli import _files, _race_options, _racing, _several, _studying, _values


def race(
    tasks: _race_options.Texts,
    *,
    optimizers: _race_options.Optimizers = None,
    schedule: _race_options.Schedule = "constant",
    steps: _race_options.Steps = None,
    epochs: _race_options.Epochs = None,
    batch_size: _race_options.BatchSize = None,
    seeds: _race_options.Seeds = None,
    min_seeds: _race_options.MinSeeds = None,
    max_seeds: _race_options.MaxSeeds = None,
    studies: _race_options.Studies = None,
    lrs: _race_options.Rates = "auto",
    shared_lr: _race_options.SharedRate = None,
    exhaustive: _race_options.Exhaustive = False,
    tune: _race_options.Tune = None,
    configurations: _race_options.Configurations = None,
    budget: _race_options.Budget = None,
    budget_gradients: _race_options.BudgetGradients = None,
    target: _race_options.Target = None,
    seed: _race_options.Seed = 0,
    out: _race_options.Out = None,
    force: _race_options.Force = False,
    resume: _race_options.Resume = False,
    workers: _race_options.Workers = "auto",
    ray: _race_options.Ray = None,
    device: _race_options.Device = "auto",
    figure: _race_options.Figure = True,
    dark: _race_options.Dark = False,
    report: _race_options.Report = False,
    plan: _race_options.DryRun = False,
    nodes: _race_options.Nodes = None,
    as_json: _race_options.Json = False,
    quiet: _race_options.Quiet = False,
    explain: _race_options.Explain = False,
) -> None:
    """Race optimisers on a task and rank them; on several, one after another.

    Each is tuned on its own learning rates with an equal budget, and ranked on fresh seeds with intervals and ties.

    Prints the ranked table and a recommendation, and says where the record, the figure and the report lie.
    """
    _begin(locals())


OPTIONS = (
    *("steps", "epochs", "seeds", "min_seeds", "max_seeds", "shared_lr", "exhaustive", "configurations", "budget", "budget_gradients"),
    *("target", "schedule", "ray", "device", "force", "resume"),
)
"""Options that a race takes as they are given."""


def _begin(given: dict[str, Any]) -> None:
    """What the command does.

    Args:
        given: its arguments by name.
    """
    tasks, out, batch_size, studies = (given[name] for name in ("tasks", "out", "batch_size", "studies"))
    options = {name: given[name] for name in OPTIONS} | {"race_seed": given["seed"], "tune": _values.names(given["tune"])}
    options |= {"optimizers": _values.names(given["optimizers"]), "lrs": _values.rates(given["lrs"])}
    options |= {"workers": _values.workers(given["workers"])}
    looks = _several.Looks(**{name: given[name] for name in ("figure", "dark", "report", "as_json", "quiet", "explain")})
    if looks.explain and looks.quiet:
        raise InputError("--explain and --quiet exclude each other: one says more, the other nothing.")
    if looks.dark and not looks.figure:
        raise InputError("--dark has no effect with --no-figure. Leave one of them out.")
    if given["plan"] or given["nodes"] is not None:
        from ravine.cli import _planning

        writes = {f"--{name}": given[name] for name in ("out", "force", "resume", "dark", "report", "ray", "studies")}
        _planning.plan_all(tasks, batch_size, given["nodes"], plan=given["plan"], as_json=looks.as_json, writes=writes, options=options)
    elif studies is not None:
        if len(tasks) > 1:
            raise InputError(f"--studies {studies} repeats the race of one task, and {len(tasks)} tasks are given: give one at a time.")
        _studying.race_studies(tasks[0], studies, out, batch_size, looks=looks, options=options)
    elif len(tasks) > 1:
        _several.race_all(tasks, out, batch_size, looks, options)
    else:
        _race_one(tasks[0], out, batch_size, looks, options)


def _race_one(text: str, out: Path | None, batch_size: int | None, looks: _several.Looks, options: dict[str, Any]) -> None:
    resume = options["resume"]
    # What the user's own code prints is a message; results alone go to the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        loaded = _racing.load_task(text, batch_size)
        chosen = {"figure": looks.figure, "report": looks.report, "force": options["force"], "resume": resume}
        files = _files.outputs(out, loaded.name, **chosen, reference=loaded.reference)
        result = _racing.run(loaded, files.record, quiet=looks.quiet, explain=looks.explain, **options)
    _racing.show(result, files, resumed=resume, as_json=looks.as_json, quiet=looks.quiet, theme=looks.theme)
