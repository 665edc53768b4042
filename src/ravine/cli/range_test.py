"""`ravine range-test`."""

import contextlib
import json
import sys
from typing import Annotated

import typer

from ravine.cli import _train_options, _values
from ravine.cli._drawing import Dark, ForcePlot, Plot, Plotted

Optimizer = Annotated[str, typer.Option(metavar="NAME", help="See `ravine optimizers`.")]
Seeds = Annotated[int, typer.Option(metavar="K", parser=_values.whole_number, help="Lanes, side by side; 3 to 5 show the spread.")]
Steps = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Of the ramp.")]
From = Annotated[
    float | None, typer.Option("--from", metavar="X", parser=_values.number, help="First rate; else 4 decades below the usual one.")
]
To = Annotated[float | None, typer.Option("--to", metavar="X", parser=_values.number, help="Last rate; else 3 decades above it.")]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
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
    dark: Dark = False,
    force: ForcePlot = False,
    as_json: Json = False,
) -> None:
    """Bound the learning rate: raise it step by step until the loss diverges.

    Several seeds run side by side. The rates at which the loss begins to fall and at which it diverges are bounds, never a pick.
    """
    picture = Plotted(plot, force, dark)
    import ravine

    with contextlib.redirect_stdout(sys.stderr):
        test = ravine.range_test(task, optimizer=optimizer, seeds=seeds, steps=steps, from_lr=from_lr, to_lr=to_lr, seed=seed)
    from ravine.report.range_tests import range_figure, range_text

    picture.draw(lambda path, theme: range_figure(test, path, theme=theme))
    typer.echo(json.dumps(test.summary(), allow_nan=False, indent=2) if as_json else range_text(test))
    picture.tell(is_message=as_json)
