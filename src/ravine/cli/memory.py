"""`ravine memory`."""

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ravine.base.errors import InputError
from ravine.cli import _values

if TYPE_CHECKING:
    from ravine.exhibits import Model

Text = Annotated[str | None, typer.Argument(metavar="[TASK]", help="A task, whose model is built and run on one batch; or --params.")]
Params = Annotated[float | None, typer.Option(metavar="N", parser=_values.number, help="Number of parameters, such as 124e6.")]
Optimizer = Annotated[str | None, typer.Option(metavar="NAME", help="See `ravine optimizers`; all of them if left out.")]
Precision = Annotated[str, typer.Option(metavar="NAME", help="fp32, bf16, fp16 or pure_bf16, as in `ravine train`, or mixed.")]
Bits = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Of the optimiser's state: 32, 16 or 8.")]
Weights = Annotated[str | None, typer.Option(metavar="NAME", help="How narrow weights are kept: master, kahan, stochastic or plain.")]
Zero = Annotated[int, typer.Option(metavar="0..3", parser=_values.whole_number, help="ZeRO's stage: what the processes share.")]
Shards = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Processes that share.")]
Batch = Annotated[int | None, typer.Option(metavar="B", parser=_values.whole_number, help="Rows of the batch, else the task's own.")]
Json = Annotated[bool, typer.Option("--json", help="Print bytes as JSON (schema 1), and nothing else, on the standard output.")]

DEFAULT = "adamw"
"""The optimiser under which a plan for all of them is checked: one whose class keeps state and weights in every way."""


def memory(
    task: Text = None,
    *,
    params: Params = None,
    optimizer: Optimizer = None,
    precision: Precision = "fp32",
    bits: Bits = 32,
    weights: Weights = None,
    zero: Zero = 0,
    shards: Shards = 1,
    batch_size: Batch = None,
    as_json: Json = False,
) -> None:
    """What training takes in memory: bytes per parameter and in all, for one process.

    Weights, gradients, optimiser state and master weights; for a TASK the activations of one batch too, measured.
    mixed: half-precision weights and gradients with float32 master weights, as in the ZeRO paper.
    """
    from ravine.exhibits import Plan, every_optimizer, memory_of
    from ravine.report.memory_exhibits import memory_summary, memory_text, optimizers_text

    plan = Plan(optimizer or DEFAULT, precision, bits, weights, zero, shards)
    model = model_of(task, params, (precision,), batch_size)
    found = [memory_of(model, plan)] if optimizer else every_optimizer(model, plan)
    if as_json:
        typer.echo(json.dumps(memory_summary(found), allow_nan=False, indent=2))
    else:
        typer.echo(memory_text(found[0]) if optimizer else optimizers_text(found))


def model_of(task: str | None, params: float | None, precisions: Sequence[str], batch_size: int | None) -> "Model":
    """The model that is meant: a bare number of parameters, or a task's.

    Raises:
        InputError: neither or both are given, or a batch size for a number.
    """
    from ravine.exhibits import counted

    if (task is None) == (params is None):
        given = "neither a TASK nor --params" if task is None else f"both the task {task} and --params"
        raise InputError(f"{given}: must be one of them. Give --params 124e6, or a task such as digits.", given=task)
    if params is not None:
        if batch_size is not None:
            raise InputError(f"--batch-size {batch_size} has no effect on a number of parameters. Leave it out, or give a TASK.")
        return counted(params)
    from ravine.exhibits import measured
    from ravine.tasks import load

    with contextlib.redirect_stdout(sys.stderr):
        return measured(load(str(task)), precisions, rows=batch_size)
