"""`ravine tasks`, `ravine optimizers` and `ravine schedules`: what there is, one paragraph each."""

import dataclasses
import inspect
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ravine.tasks import Option

WIDTH = 100

MATRIX = (1024, 1024)
"""State is quoted for a weight of this shape: some optimisers keep less for matrices, some more."""


def tasks() -> None:
    """List the built-in tasks and their options."""
    from ravine.tasks import REGISTRY

    for name, builtin in REGISTRY.items():
        options = [f"{option.name}={option.default}{_among(option)}" for option in builtin.options]
        _paragraph(name, [builtin.summary, _options("options", options)])
    typer.echo("Options follow a colon: ravine race line:noise=0.5. Your own task: file.py, file.py:name or package.module:name.")


def optimizers() -> None:
    """List the optimisers and their defaults.

    Each with its paper, default settings, the learning rates that a race searches, and its state in bytes; then the
    wrappers that may stand around any of them.
    """
    from ravine.rules import REGISTRY, resolve

    for name, entry in REGISTRY.items():
        rule, hypers = resolve(name, {})
        kept = sum(math.prod(slot.shape_for(MATRIX)) for slot in rule.part("matrix").active_slots) / math.prod(MATRIX)
        settings = [f"{symbol}={value:g}" for symbol, value in hypers.items() if symbol != "lr"]
        settings += [f"{flag.name}={rule.on(flag.name)}" for flag in rule.flags if not flag.of]
        grid = entry.grid()
        lines = [
            entry.summary,
            _options("defaults", settings),
            f"searched: {len(grid)} rates from {grid[0]:.3g} to {grid[-1]:.3g}; state: {4 * kept:.3g} bytes per float32 parameter; "
            f"gradients a step: {rule.gradients_per_step:.3g}",
            f"paper: {entry.rule.citation}",
        ]
        _paragraph(name, lines)
    _wrappers()


def schedules() -> None:
    """List the schedules, their formulas and their settings.

    x is the share of the way after the warm-up that is done, s the steps; `ravine schedule NAME` shows one.
    """
    from ravine.schedules import FEEDBACK, REGISTRY, WARMUPS, settings_of

    for name, kind in REGISTRY.items():
        settings = [f"{key}={value}" for key, value in settings_of(kind).items() if not key.startswith("warmup")]
        _paragraph(name, [_summary(kind), f"multiplier: {kind.formula}", _options("settings", settings)])
    for name, feedback in FEEDBACK.items():
        settings = [f"{field.name}={field.default}" for field in dataclasses.fields(feedback)]
        _paragraph(name, [f"{_summary(feedback)} (in Python only: it looks at a metric)", _options("settings", settings)])
    typer.echo(f"All but plateau take warmup=N (steps, or a share of the horizon) and warmup_kind={'|'.join(WARMUPS)}.")


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").splitlines()[0].rstrip(".")


def _wrappers() -> None:
    from ravine.rules import WRAPPERS

    typer.echo("Wrappers follow a plus sign, the last one outermost: ravine race digits --optimizers adamw,adamw+clip+lookahead.")
    for name, kind in WRAPPERS.items():
        settings = [f"{hyper.group_key}={hyper.default:g}" for hyper in kind.hypers]
        settings += [f"{flag.name}={flag.default}" for flag in kind.flags]
        summary = (inspect.getdoc(kind) or "").splitlines()[0]
        text = " ".join([f"+{name}", summary, *([f"{_options('Defaults', settings)}."] if settings else []), f"Paper: {kind.citation}"])
        typer.echo(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      "))


def _among(option: "Option") -> str:
    others = [choice for choice in option.choices if choice != option.default]
    return f" (or {', '.join(others)})" if others else ""


def _options(title: str, found: Sequence[str]) -> str:
    return f"{title}: {', '.join(found)}" if found else ""


def _paragraph(name: str, lines: Sequence[str]) -> None:
    typer.echo(name)
    for line in lines:
        if line:
            typer.echo(textwrap.fill(line, WIDTH, initial_indent="    ", subsequent_indent="      "))
    typer.echo()
