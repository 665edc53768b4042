"""What `ravine race` takes: one declaration an option, in the order of its help."""

from pathlib import Path
from typing import Annotated

import typer

from ravine.cli import _values

Texts = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK...", help="Built-in name (`ravine tasks`), file.py, file.py:name or package.module:name. Of several, each is raced."
    ),
]
Optimizers = Annotated[str | None, typer.Option(metavar="A,B,C|all", help="Names (`ravine optimizers`), as adamw or adamw+wsd; else six.")]
Schedule = Annotated[str, typer.Option(metavar="NAME", help="Shape of the rate (`ravine schedules`) of those that name none.")]
Steps = Annotated[int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Optimiser steps of every lane; else 1000.")]
Epochs = Annotated[float | None, typer.Option(metavar="N", parser=_values.number, help="Passes over the training data, not --steps.")]
BatchSize = Annotated[int | None, typer.Option(metavar="B", parser=_values.whole_number, help="Rows of a step, instead of the task's own.")]
Seeds = Annotated[
    int | None, typer.Option(metavar="K", parser=_values.whole_number, help="Fresh seeds that the ranking stands on; else 5.")
]
MinSeeds = Annotated[
    int | None,
    typer.Option(metavar="A", parser=_values.whole_number, help="Run A seeds, more only while they may change the advice; else 3."),
]
MaxSeeds = Annotated[
    int | None, typer.Option(metavar="B", parser=_values.whole_number, help="With --min-seeds, or instead: B seeds at most; else 20.")
]
Studies = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Repeat the whole race, tuning too, with N seeds in a row.")
]
Rates = Annotated[str, typer.Option(metavar="auto|X,Y", help="Learning rates to try; auto: 12 around each optimiser's own scale.")]
SharedRate = Annotated[
    float | None,
    typer.Option(metavar="X", parser=_values.number, help="One untuned rate for all, as in a textbook figure; not fair."),
]
Exhaustive = Annotated[bool, typer.Option("--exhaustive", help="Run every rate of the grid to its end; else most end early.")]
Tune = Annotated[str | None, typer.Option(metavar="lr,A,B", help="Tune more than the rate: weight_decay, beta1, batch_size, warmup, ...")]
Configurations = Annotated[
    int | None, typer.Option(metavar="C", parser=_values.whole_number, help="Of what --tune names, for each optimiser; else 8.")
]
Budget = Annotated[str | None, typer.Option(metavar="10m", help="Time for the whole race: decides --steps, or what is cut to fit them.")]
BudgetGradients = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="The same in gradient evaluations of the whole race.")
]
Target = Annotated[
    float | None, typer.Option(metavar="X", parser=_values.number, help="Value to reach; if left out, close to what the reference reaches.")
]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE.ravine", help="The record; else TASK.ravine here, or a free name. Of several tasks, the folder."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what stands at --out.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the race at --out, or the latest here; give its own options again.")]
Workers = Annotated[str, typer.Option(metavar="auto|N", help="Processes that share the lanes.")]
Ray = Annotated[str | None, typer.Option(metavar="local|ADDRESS", help="Ray cluster whose workers share the lanes; local starts one here.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where lanes run.")]
Figure = Annotated[bool, typer.Option("--figure/--no-figure", help="Draw a PNG beside the record.")]
Report = Annotated[bool, typer.Option("--report", help="Write an HTML report beside the record.")]
DryRun = Annotated[bool, typer.Option("--plan", help="Say what the race would take: lanes, shards, memory, hours; run nothing.")]
Nodes = Annotated[int | None, typer.Option(metavar="N", parser=_values.whole_number, help="With --plan: machines like this one, at most.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON (schema 1), and nothing else, on the standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no messages but errors.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say why each stage runs as it does: what was measured, what was not tried.")]
