"""`ravine figure`: the figures beside a race, each a command."""

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine.base.errors import InputError
from ravine.cli import _values, memory
from ravine.cli._drawing import Dark, Delivery, Force, Json, Out
from ravine.cli.schedule import LONGEST, Horizon, Warmup, number_or_share

if TYPE_CHECKING:
    from ravine.tasks import Task

Seeds = Annotated[int, typer.Option(metavar="K", parser=_values.whole_number, help="Draws of weights and inputs.")]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
Width = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Features of a layer or state.")]
Rate = Annotated[float | None, typer.Option(metavar="X", parser=_values.number, help="Learning rate; else the middle of its search.")]
Optimizer = Annotated[str, typer.Option(metavar="NAME", help="See `ravine optimizers`.")]

Losses = Annotated[str | None, typer.Option(metavar="A,B", help="Some of them, else all.")]
At = Annotated[str | None, typer.Option(metavar="P,P", help="Probabilities in the table, such as 0.01,0.5.")]
Gamma = Annotated[float, typer.Option(metavar="X", parser=_values.number, help="Of the focal loss.")]
Delta = Annotated[float, typer.Option(metavar="X", parser=_values.number, help="Of the Huber loss: the error from which it is straight.")]
Smoothing = Annotated[float, typer.Option(metavar="X", parser=_values.number, help="Share of the label that is spread.")]
Classes = Annotated[
    int, typer.Option(metavar="K", parser=_values.whole_number, help="Classes that the rest of the probability is shared by.")
]


def loss_shapes(
    *,
    losses: Losses = None,
    at: At = None,
    gamma: Gamma = 2.0,
    delta: Delta = 0.5,
    smoothing: Smoothing = 0.1,
    classes: Classes = 2,
    out: Out = None,
    force: Force = False,
    dark: Dark = False,
    as_json: Json = False,
) -> None:
    """Losses and their slopes against the probability p of the true class.

    Cross-entropy, squared, absolute, Huber, focal and label-smoothed.
    """
    delivery = Delivery(out, force, dark, as_json)
    from ravine.exhibits import LossSettings, losses_at
    from ravine.exhibits.loss_shapes import TEXTBOOK
    from ravine.report.loss_exhibits import loss_shapes_figure, loss_shapes_text

    settings, names = LossSettings(gamma, delta, smoothing, classes), _values.names(losses)
    listed = losses_at(TEXTBOOK if at is None else _numbers("--at", at), names, settings)
    curves = losses_at(None, names, settings)
    summary = (curves if at is None else listed).summary()
    delivery.deliver(lambda: loss_shapes_text(listed), summary, lambda path, theme: loss_shapes_figure(curves, path, theme=theme))


GradientsTask = Annotated[str | None, typer.Argument(metavar="[TASK]", help="Whose model's gradients are cast; else the usual example.")]
Gradients = Annotated[str | None, typer.Option(metavar="G,G", help="Gradients instead of the usual example's.")]
Formats = Annotated[str | None, typer.Option(metavar="A,B", help="Of fp16, bf16, fp8_e4m3, fp8_e5m2; else all.")]
Scales = Annotated[str, typer.Option(metavar="S,S", help="Scales on the loss; 2^15 and the like may be written so.")]
After = Annotated[int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Steps that TASK is trained for first.")]


def loss_scaling(
    task: GradientsTask = None,
    *,
    gradients: Gradients = None,
    formats: Formats = None,
    scales: Scales = "1,2^15",
    after: After = None,
    seed: Seed = 0,
    out: Out = None,
    force: Force = False,
    dark: Dark = False,
    as_json: Json = False,
) -> None:
    """Which gradients survive fp16, bf16 and fp8, with and without a scale on the loss.

    By real casts, of the usual example's gradients, of those given, or of all those of a TASK's model.
    """
    delivery = Delivery(out, force, dark, as_json)
    if task is not None and gradients is not None:
        raise InputError(f"both the task {task} and --gradients: must be one of them. Leave one out.")
    if task is None and (after is not None or seed):
        raise InputError(f"{'--after' if after is not None else '--seed'} has no effect without a TASK. Leave it out, or give one.")
    from ravine.exhibits import cast_gradients, model_gradients
    from ravine.exhibits.loss_scaling import TEXTBOOK
    from ravine.report.loss_exhibits import loss_scaling_figure, loss_scaling_text

    wanted: dict[str, Any] = {"formats": _values.names(formats), "scales": _numbers("--scales", scales)}
    if task is not None:
        found = model_gradients(_loaded(task), after or 0, seed=seed, **wanted)
    elif gradients is not None:
        found = cast_gradients(_numbers("--gradients", gradients), **wanted, source="as given")
    else:
        found = cast_gradients(TEXTBOOK, **wanted)
    delivery.deliver(lambda: loss_scaling_text(found), found.summary(), lambda path, theme: loss_scaling_figure(found, path, theme=theme))


Layers = Annotated[int, typer.Option("--depth", metavar="N", parser=_values.whole_number, help="Layers.")]
Activations = Annotated[str | None, typer.Option(metavar="A,B", help="linear, sigmoid, tanh, relu, leaky_relu, gelu, silu.")]
Initialisations = Annotated[str | None, typer.Option(metavar="A,B", help="xavier, he, lecun, orthogonal, torch, small, large.")]
Normalisations = Annotated[str | None, typer.Option(metavar="A,B", help="none, layer, rms, batch.")]
Residual = Annotated[bool | None, typer.Option("--residual/--plain", help="With or without x + f(x).")]


def depth(
    *,
    layers: Layers = 50,
    activations: Activations = None,
    initialisations: Initialisations = None,
    normalisations: Normalisations = None,
    residual: Residual = None,
    width: Width = 64,
    seeds: Seeds = 5,
    seed: Seed = 0,
    out: Out = None,
    force: Force = False,
    dark: Dark = False,
    as_json: Json = False,
) -> None:
    """Activations and gradients in every layer of deep networks, before any training.

    Without parts named, a selection of networks; else every combination of the parts. `ravine figure time` is for recurrent ones.
    """
    delivery = Delivery(out, force, dark, as_json)
    from ravine.exhibits.depth import USUAL, Network, crossed, depth_study
    from ravine.report.depth_exhibits import depth_figure, depth_text

    parts = [_values.names(text) for text in (activations, initialisations, normalisations)]
    networks: tuple[Network, ...] = USUAL
    if residual is not None or any(parts):
        networks = crossed(parts[0] or ["relu"], parts[1] or ["he"], parts[2] or ["none"], [bool(residual)])
    _refuse_many(len(networks))
    study = depth_study(networks, layers, width=width, seeds=seeds, seed=seed)
    delivery.deliver(lambda: depth_text(study), study.summary(), lambda path, theme: depth_figure(study, path, theme=theme))


Cells = Annotated[str | None, typer.Option(metavar="A,B", help="rnn, lstm, gru.")]
Gains = Annotated[str | None, typer.Option(metavar="X,X", help="Times an orthogonal matrix that recurrent weights are.")]
Steps = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="How many.")]
Clip = Annotated[float | None, typer.Option(metavar="X", parser=_values.number, help="Norm that the gradient is clipped to.")]
Unclipped = Annotated[bool, typer.Option("--no-clip", help="Without clipping.")]


def time(
    *,
    cells: Cells = None,
    gains: Gains = None,
    steps: Steps = 100,
    clip: Clip = None,
    no_clip: Unclipped = False,
    width: Width = 64,
    seeds: Seeds = 5,
    seed: Seed = 0,
    out: Out = None,
    force: Force = False,
    dark: Dark = False,
    as_json: Json = False,
) -> None:
    """Gradients back through time in an RNN, an LSTM and a GRU, before and after clipping to a norm of 1.

    Without cells or gains named, a selection of networks; else every combination of them.
    """
    delivery = Delivery(out, force, dark, as_json)
    if clip is not None and no_clip:
        raise InputError(f"--clip {clip:g} and --no-clip exclude each other. Leave one out.")
    from ravine.exhibits.through_time import CELLS, USUAL, Recurrence, time_study
    from ravine.report.depth_exhibits import time_figure, time_text

    networks: tuple[Recurrence, ...] = USUAL
    if cells is not None or gains is not None:
        chosen = _numbers("--gains", gains) if gains is not None else [1.0]
        networks = tuple(Recurrence(cell, gain) for cell in _values.names(cells) or CELLS for gain in chosen)
    _refuse_many(len(networks))
    limit = None if no_clip else 1.0 if clip is None else clip
    study = time_study(networks, steps, clip=limit, width=width, seeds=seeds, seed=seed)
    delivery.deliver(lambda: time_text(study), study.summary(), lambda path, theme: time_figure(study, path, theme=theme))


Several = Annotated[str | None, typer.Option(metavar="A,B", help="Some of them, side by side.")]


def memory_bars(
    task: memory.Text = None,
    *,
    params: memory.Params = None,
    optimizers: Several = None,
    precision: memory.Precision = "fp32",
    bits: memory.Bits = 32,
    weights: memory.Weights = None,
    zero: memory.Zero = 0,
    shards: memory.Shards = 1,
    batch_size: memory.Batch = None,
    out: Out = None,
    force: Force = False,
    dark: Dark = False,
    as_json: Json = False,
) -> None:
    """What training takes in memory, a bar for each plan: weights, gradients, state, master weights, activations.

    Without a TASK or --params, for 124e6 parameters; without --optimizers, a selection of optimisers, precisions and ZeRO stages.
    """
    delivery = Delivery(out, force, dark, as_json)
    from ravine.exhibits.memory import USUAL, Plan, memory_of
    from ravine.report.memory_exhibits import memory_figure, memory_summary, plans_text

    given = (precision, bits, weights, zero, shards)
    if optimizers is None and given != ("fp32", 32, None, 0, 1):
        raise InputError(
            "--precision, --bits, --weights, --zero and --shards have no effect without --optimizers. Give some, such as adamw."
        )
    plans = USUAL if optimizers is None else tuple(Plan(name, *given) for name in _values.names(optimizers) or [])
    _refuse_many(len(plans), most=MOST_BARS)
    precisions = dict.fromkeys(plan.precision for plan in plans)
    model = memory.model_of(task, DEFAULT_PARAMS if task is None and params is None else params, tuple(precisions), batch_size)
    found = [memory_of(model, plan) for plan in plans]
    delivery.deliver(lambda: plans_text(found), memory_summary(found), lambda path, theme: memory_figure(found, path, theme=theme))


DEFAULT_PARAMS = 124e6
MOST_CURVES, MOST_BARS = 16, 40

Schedules = Annotated[str | None, typer.Argument(metavar="[NAMES]", help="Separated by commas, see `ravine schedules`; else all.")]


def schedules(
    names: Schedules = None,
    *,
    horizon: Horizon = 400,
    warmup: Warmup = "0",
    out: Out = None,
    force: Force = False,
    dark: Dark = False,
    as_json: Json = False,
) -> None:
    """Schedules of the learning rate side by side, each with its own defaults."""
    delivery = Delivery(out, force, dark, as_json)
    from ravine.base._checks import count
    from ravine.report.schedules import gallery_figure, gallery_summary, gallery_text, view_schedule
    from ravine.schedules import REGISTRY, create

    count("--horizon", horizon, at_least=2, at_most=LONGEST)
    length = number_or_share(warmup)
    views = [view_schedule(create(name, horizon=horizon, warmup=length), horizon) for name in _values.names(names) or REGISTRY]
    delivery.deliver(lambda: gallery_text(views), gallery_summary(views), lambda path, theme: gallery_figure(views, path, theme=theme))


TaskText = Annotated[str, typer.Argument(metavar="TASK", help="What is trained: a built-in task (`ravine tasks`), or your own.")]


def internals(
    task: TaskText,
    *,
    optimizer: Optimizer = "adam",
    steps: Steps = 100,
    lr: Rate = None,
    seed: Seed = 0,
    out: Out = None,
    force: Force = False,
    dark: Dark = False,
    as_json: Json = False,
) -> None:
    """An optimiser from inside over one run: its slots (m, v, ...), effective rates, and update-to-weight ratios."""
    delivery = Delivery(out, force, dark, as_json)
    from ravine.exhibits import internals_of
    from ravine.report.internals_exhibits import internals_figure, internals_text

    run = internals_of(_loaded(task), optimizer, steps, lr=lr, seed=seed)
    delivery.deliver(lambda: internals_text(run), run.summary(), lambda path, theme: internals_figure(run, path, theme=theme))


def _loaded(text: str) -> "Task":
    from ravine.tasks import load

    with contextlib.redirect_stdout(sys.stderr):
        return load(text)


def _refuse_many(number: int, most: int = MOST_CURVES) -> None:
    if number > most:
        raise InputError(f"{number} of them: a figure has room for {most}. Name fewer.", given=number)


def _numbers(option: str, text: str) -> list[float]:
    """Numbers separated by commas; "2^15" is a power."""
    try:
        found = [_number(part.strip()) for part in text.split(",") if part.strip()]
    except (ValueError, OverflowError, typer.BadParameter):
        found = []
    if not found:
        raise InputError(f"{option} {text}: must be numbers separated by commas. Write them like 1e-3,0.5 or 1,2^15.", given=text)
    return found


def _number(text: str) -> float:
    base, power, exponent = text.partition("^")
    return float(_values.number(base)) ** float(_values.number(exponent)) if power else _values.number(text)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "loss-shapes": loss_shapes,
    "loss-scaling": loss_scaling,
    "depth": depth,
    "time": time,
    "memory": memory_bars,
    "schedules": schedules,
    "internals": internals,
}
"""Every figure by name."""
