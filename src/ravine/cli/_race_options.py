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
Optimizers = Annotated[
    str | None, typer.Option(metavar="A,B,C|all", help="Names (`ravine optimizers`), as adamw or adamw+wsd; if left out, six usual ones.")
]
Schedule = Annotated[str, typer.Option(metavar="NAME", help="Shape of the rate (`ravine schedules`), for optimisers named without one.")]
Steps = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Optimiser steps of every lane; 1000 if left out.")
]
Epochs = Annotated[
    float | None, typer.Option(metavar="N", parser=_values.number, help="Passes over the training data, in place of --steps.")
]
BatchSize = Annotated[int | None, typer.Option(metavar="B", parser=_values.whole_number, help="Rows of a step, instead of the task's own.")]
Seeds = Annotated[
    int | None, typer.Option(metavar="K", parser=_values.whole_number, help="Fresh seeds that the ranking stands on; 5 if left out.")
]
MinSeeds = Annotated[
    int | None,
    typer.Option(
        metavar="A", parser=_values.whole_number, help="In place of --seeds: run A, and more only while they may change the advice."
    ),
]
MaxSeeds = Annotated[
    int | None,
    typer.Option(
        metavar="B", parser=_values.whole_number, help="The most seeds that this may come to. Either option alone will do: A is 3, B is 20."
    ),
]
Studies = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Repeat the whole race, tuning too, with N seeds in a row.")
]
Rates = Annotated[str, typer.Option(metavar="auto|X,Y", help="Learning rates to try; auto: 12 around each optimiser's own scale.")]
SharedRate = Annotated[
    float | None,
    typer.Option(metavar="X", parser=_values.number, help="One untuned rate for all, as in a textbook figure; not fair."),
]
Exhaustive = Annotated[bool, typer.Option("--exhaustive", help="Run every rate to its end; without it, most are stopped early.")]
Tune = Annotated[str | None, typer.Option(metavar="lr,A,B", help="Tune more than the rate: weight_decay, beta1, batch_size, warmup, ...")]
Configurations = Annotated[
    int | None,
    typer.Option(
        metavar="C", parser=_values.whole_number, help="How many settings of what --tune names each optimiser tries; 8 if left out."
    ),
]
Budget = Annotated[
    str | None, typer.Option(metavar="10m", help="Time for the whole race: decides the steps or, if --steps is given, what is cut to fit.")
]
BudgetGradients = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="The same, as gradient evaluations of the whole race.")
]
Target = Annotated[
    float | None, typer.Option(metavar="X", parser=_values.number, help="Value to reach; if left out, close to what the reference reaches.")
]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE.ravine", help="The record; if left out, TASK.ravine here, or a free name. Of several tasks, the folder."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what stands at --out.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the race at --out, or the unfinished one here; give its own options again.")
]
Workers = Annotated[str, typer.Option(metavar="auto|N", help="Processes that share the lanes.")]
Ray = Annotated[str | None, typer.Option(metavar="local|ADDRESS", help="Ray cluster whose workers share the lanes; local starts one here.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where lanes run.")]
Figure = Annotated[bool, typer.Option("--figure/--no-figure", help="Draw a PNG beside the record.")]
Dark = Annotated[bool, typer.Option("--dark", help="Draw it on a dark ground.")]
Report = Annotated[bool, typer.Option("--report", help="Write an HTML report beside the record.")]
DryRun = Annotated[bool, typer.Option("--plan", help="Say what the race would take: lanes, shards, memory, hours; run nothing.")]
Nodes = Annotated[int | None, typer.Option(metavar="N", parser=_values.whole_number, help="With --plan: machines like this one, at most.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON (schema 1), and nothing else, on the standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no messages but errors.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say why each stage runs as it does: what was measured, what was not tried.")]
