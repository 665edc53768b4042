"""What `ravine train` takes: one declaration an option, in the order of its help."""

from pathlib import Path
from typing import Annotated

import typer

from ravine.cli import _values

Text = Annotated[str, typer.Argument(metavar="TASK", help="Built-in name (`ravine tasks`), file.py, file.py:name or package.module:name.")]
TextFile = Annotated[Path | None, typer.Option(metavar="FILE", help="The text that chars learns; else Python's standard library.")]
Recipe = Annotated[Path | None, typer.Option(metavar="FILE.ravine", help="Record of a race; train as its winner did.")]
Steps = Annotated[int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Optimiser steps; else the recipe's, or 1000.")]
Epochs = Annotated[float | None, typer.Option(metavar="N", parser=_values.number, help="Passes over the training data, not --steps.")]
BatchSize = Annotated[
    int | None, typer.Option(metavar="B", parser=_values.whole_number, help="Rows of a step; else the recipe's, or the task's.")
]
Accumulate = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Compute each batch in N pieces, to need less memory.")
]
Optimizer = Annotated[str | None, typer.Option(metavar="NAME", help="See `ravine optimizers`; else the recipe's, or adamw.")]
Rate = Annotated[float | None, typer.Option(metavar="X", parser=_values.number, help="Peak learning rate.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyper, such as weight_decay=0.05; repeatable.")]
Schedule = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[KEY=]NAME[:A=X]",
        help="See `ravine schedules`, and plateau; with KEY= of another hyper, repeatable; else the recipe's, or cosine.",
    ),
]
Snapshots = Annotated[
    int | None,
    typer.Option(metavar="N", parser=_values.whole_number, help="N cosine cycles; the weights at their ends predict together, too."),
]
Warmup = Annotated[
    float | None,
    typer.Option(metavar="N|SHARE", parser=_values.number, help="Steps of warm-up or their share; else the recipe's, or 0.03."),
]
Clip = Annotated[
    float | None,
    typer.Option(metavar="X", parser=_values.number, help="Largest norm of all gradients; 0: none; else 1, or none with a recipe."),
]
Precision = Annotated[
    str | None, typer.Option(metavar="auto|fp32|bf16|fp16|pure_bf16", help="auto: bf16 where a GPU computes in it, else fp32.")
]
Weights = Annotated[str | None, typer.Option(metavar="master|stochastic|kahan|plain", help="How pure_bf16 keeps weights; else master.")]
Ema = Annotated[float | None, typer.Option(metavar="D", parser=_values.number, help="Average the weights with this decay, such as 0.999.")]
Augment = Annotated[
    str | None, typer.Option(metavar="A,B=X", help="Change batches: crop=4, flip, smooth=0.1, mixup=0.2, cutmix=1, mask=0.15.")
]
Recompute = Annotated[str | None, typer.Option(metavar="A,B", help="Modules whose activations are computed again, to need less memory.")]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the model first.")]
EvaluateEvery = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Steps between evaluations; else 20 in all.")
]
Monitor = Annotated[str | None, typer.Option(metavar="NAME", help="loss, or the metric that says which evaluation is the best.")]
Patience = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="End after N evaluations without a better one.")
]
Seed = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of all that is random; else the recipe's, or 0.")
]
Check = Annotated[
    bool | None, typer.Option("--check/--no-check", help="Try the initial loss and one batch first; by default before 1000 steps or more.")
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Checkpoints and weights; else TASK-trained here, or a free name.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the training at --out.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the training at --out, or the latest here, if there is one.")]
SaveEvery = Annotated[float, typer.Option(metavar="S", parser=_values.number, help="Seconds between two checkpoints.")]
Log = Annotated[
    list[str] | None,
    typer.Option(metavar="TRACKER[:DIR]", help="tensorboard, mlflow or wandb (offline), in --out unless told; repeatable."),
]
Strategy = Annotated[
    str | None, typer.Option(metavar="auto|ddp|fsdp|zero1", help="Under torchrun: how the model lies over the processes; auto: ddp.")
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where it runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON (schema 1), and nothing else, on the standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no messages but errors.")]
