"""`ravine range-test`."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ravine.base.errors import InputError
from ravine.cli import _files, _train_options, _values

Optimizer = Annotated[str, typer.Option(metavar="NAME", help="See `ravine optimizers`.")]
Seeds = Annotated[int, typer.Option(metavar="K", parser=_values.whole_number, help="Lanes, side by side; 3 to 5 show the spread.")]
Steps = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Of the ramp.")]
From = Annotated[
    float | None, typer.Option("--from", metavar="X", parser=_values.number, help="First rate; else 4 decades below the usual one.")
]
To = Annotated[float | None, typer.Option("--to", metavar="X", parser=_values.number, help="Last rate; else 3 decades above it.")]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE.png|svg|pdf", help="Draw it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file at --plot.")]
Json = Annotated[bool, typer.Option("--json", help="Print the bounds as JSON (schema 1), and nothing else, on the standard output.")]


def range_test(
    task: _train_options.Text,
    *,
    optimizer: Optimizer = "adamw",
    seeds: Seeds = 3,
    steps: Steps = 200,
    from_lr: From = None,
    to_lr: To = None,
    seed: Seed = 0,
    plot: Plot = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Bound the learning rate: raise it step by step until the loss diverges.

    Several seeds run side by side. The rates at which the loss begins to fall and at which it diverges are bounds, never a pick.
    """
    if force and plot is None:
        raise InputError("--force has no effect without --plot. Leave it out, or give --plot.")
    if plot is not None:
        _files.check_new(plot, force=force, option="another --plot")
    import ravine

    with contextlib.redirect_stdout(sys.stderr):
        test = ravine.range_test(task, optimizer=optimizer, seeds=seeds, steps=steps, from_lr=from_lr, to_lr=to_lr, seed=seed)
    from ravine.report.range_tests import range_figure, range_text

    if plot is not None:
        range_figure(test, plot)
    typer.echo(json.dumps(test.summary(), allow_nan=False, indent=2) if as_json else range_text(test))
    if plot is not None:
        typer.echo(f"figure  {plot}", err=as_json)
