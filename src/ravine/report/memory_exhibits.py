"""What training takes in memory: one plan as a table, all optimisers as a table, several plans as bars."""

import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravine.report._styles import Theme, theme_named
from ravine.report.drawing import NAME, NOTE, TICK, blank, checked, dress, save, titled
from ravine.report.tables import WIDTH, empty_table, rendered

if TYPE_CHECKING:
    from ravine.exhibits.memory import Memory, Model

SPOKEN = {
    "parameters": "weights",
    "copies": "autocast's copies",
    "gradients": "gradients",
    "master": "master weights",
    "state": "optimiser state",
    "buffers": "buffers",
    "activations": "activations",
}
"""Components in words."""

_HATCHES = {
    "parameters": "",
    "copies": "...",
    "gradients": "////",
    "master": "xx",
    "state": "\\\\\\\\",
    "buffers": "--",
    "activations": "oo",
}
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
THOUSAND = 1000


def size(value: float) -> str:
    """Bytes in words, in powers of a thousand: "1.98 GB"."""
    unit = 0
    while value >= THOUSAND - 0.5 and unit < len(_UNITS) - 1:
        value, unit = value / THOUSAND, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"


def memory_text(memory: "Memory", *, width: int = WIDTH) -> str:
    """One plan: every component in bytes a parameter and in all."""
    plan = memory.plan
    result = empty_table(["what", "bytes per parameter", "in all"], numeric=(1, 2))
    each = memory.per_parameter
    for name, value in memory.parts.items():
        result.add_row(SPOKEN[name], f"{each[name]:.4g}", size(value))
    result.add_row("together", f"{sum(each.values()):.4g}", size(memory.total))
    whose = f", for each of {plan.shards} processes" if plan.shards > 1 else ""
    head = f"{memory.model.name}: {plan.label}{whose}"
    return "\n".join([head, rendered(result, width).rstrip(), *_notes([memory], width)])


def optimizers_text(memories: Sequence["Memory"], *, width: int = WIDTH) -> str:
    """Every optimiser under the same plan, the least first."""
    ordered = sorted(memories, key=lambda one: one.total)
    first = ordered[0]
    result = empty_table(["optimiser", "state, bytes per parameter", "all, bytes per parameter", "in all"], numeric=(1, 2, 3))
    for one in ordered:
        each = one.per_parameter
        result.add_row(one.plan.optimizer, f"{each.get('state', 0.0):.4g}", f"{sum(each.values()):.4g}", size(one.total))
    head = f"{first.model.name}: {first.plan.label.partition(', ')[2]}"
    return "\n".join([head, rendered(result, width).rstrip(), *_notes([first], width)])


def plans_text(memories: Sequence["Memory"], *, width: int = WIDTH) -> str:
    """Several plans of one model, in the order given: bytes a parameter of every component that any of them has."""
    parts = [name for name in SPOKEN if any(name in one.parts for one in memories)]
    result = empty_table(["plan", *(SPOKEN[name] for name in parts), "in all"], numeric=range(1, len(parts) + 2))
    for one in memories:
        each = one.per_parameter
        result.add_row(one.plan.label, *(f"{each[name]:.4g}" if name in each else "" for name in parts), size(one.total))
    head = (
        f"{memories[0].model.name}: bytes per parameter{', with ZeRO for each process' if any(one.plan.zero for one in memories) else ''}"
    )
    return "\n".join([head, rendered(result, width).rstrip(), *_notes(memories, width)])


def _notes(memories: Sequence["Memory"], width: int) -> list[str]:
    model = memories[0].model
    precisions = {one.plan.precision: one.plan.precision_doc for one in memories}
    notes = [f"{name}: {doc}." for name, doc in precisions.items()]
    if not model.tensors:
        notes.append("Activations depend on the model and its batch: give a TASK to have them measured.")
    if model.rows is not None:
        beside = ", with autocast's copies of the weights" if precisions.keys() & {"bf16", "fp16"} else ""
        notes.append(f"Activations: what the forward of one batch of {model.rows:,} saves for the backward pass, measured{beside}.")
    return [line for note in notes for line in fill(note, width).splitlines()]


def memory_summary(memories: Sequence["Memory"]) -> dict[str, Any]:
    """The same as plain values (schema 1)."""
    return {"schema": 1, "figure": "memory", "model": _model(memories[0].model), "plans": [one.summary() for one in memories]}


def _model(model: "Model") -> dict[str, Any]:
    return {"name": model.name, "trainable": model.trainable, "frozen": model.frozen, "rows": model.rows}


def memory_figure(memories: Sequence["Memory"], path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """A bar for each plan, its components one after the other.

    Args:
        memories: of one model, from top to bottom.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    figure = blank((8.0, 1.3 + 0.34 * len(memories)), look)
    axes = figure.subplots()
    dress(axes, look)
    _draw_bars(axes, memories, look)
    model = memories[0].model
    shards = max(one.plan.shards for one in memories)
    whose = "; with ZeRO for each process" if shards > 1 else ""
    titled(axes, look, f"{model.name}: memory of training", across=f"bytes per parameter (in all on the right{whose})")
    figure.legend(loc="outside lower left", ncols=5, fontsize=TICK, frameon=False, labelcolor=look.ink)
    if target is not None:
        save(figure, target)
    return figure


def _draw_bars(axes: Axes, memories: Sequence["Memory"], look: Theme) -> None:
    rows, ends = np.arange(len(memories)), np.zeros(len(memories))
    colors = dict(zip(SPOKEN, (color for color in look.colors if color != "ink"), strict=False))
    for name, spoken in SPOKEN.items():
        widths = np.array([one.per_parameter.get(name, 0.0) for one in memories])
        if widths.any():
            bars = axes.barh(rows, widths, left=ends, height=0.66, color=colors[name], label=spoken, hatch=_HATCHES[name])
            for bar in bars:
                # Components that touch are told apart by their hatching too, in the colour of the paper.
                bar.set_edgecolor(look.paper)
                bar.set_linewidth(0.8)
            ends = ends + widths
    for row, (one, end) in enumerate(zip(memories, ends, strict=True)):
        text = f"{end:.3g} · {size(one.total)}"
        axes.annotate(text, (end, row), xytext=(4, 0), textcoords="offset points", color=look.ink, fontsize=NOTE, va="center")
    labels = [_label(one, memories) for one in memories]
    axes.set_yticks(rows, labels, color=look.ink, fontsize=NAME)
    axes.set_ylim(len(memories) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * float(ends.max()))
    axes.locator_params(axis="x", steps=[1, 2, 4, 8, 10])
    axes.grid(visible=False, axis="y")


def _label(memory: "Memory", memories: Sequence["Memory"]) -> str:
    """What tells a plan from the others."""
    alike = len({one.plan.precision for one in memories}) == 1
    parts = memory.plan.label.split(", ")
    return ", ".join(part for part in parts if not (alike and part == memory.plan.precision))
