"""The figures' numbers, as they are computed in a worker process: what the commands print as JSON, and what else a page draws."""

import base64
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from ravine import surfaces
from ravine.exhibits import LossSettings as Losses
from ravine.exhibits import cast_gradients, counted, losses_at, measured, memory_of
from ravine.exhibits.depth import ACTIVATIONS, INITIALISATIONS, NORMALISATIONS, USUAL, crossed, depth_study
from ravine.exhibits.loss_scaling import DTYPES, TEXTBOOK
from ravine.exhibits.loss_shapes import LOSSES
from ravine.exhibits.memory import PRECISIONS, STAGES, STATE_BITS, Plan
from ravine.exhibits.memory import USUAL as PLANS
from ravine.lab.figure_settings import (
    DepthSettings,
    LossSettings,
    MemorySettings,
    PrecisionSettings,
    SchedulesSettings,
    SurfaceSettings,
)
from ravine.lab.page_tasks import load_for_page
from ravine.lab.reading_settings import Settings
from ravine.report.memory_exhibits import memory_summary
from ravine.report.schedules import gallery_summary, schedule_summary, view_schedule
from ravine.rules._keeping import WEIGHTS
from ravine.schedules import REGISTRY as SCHEDULES
from ravine.schedules import settings_of

Figure: TypeAlias = dict[str, Any]
"""`numbers` as the command prints them, and `drawn`: what the page needs besides."""


def figure(settings: Settings, own: Sequence[str] = ()) -> Figure:
    """A figure's numbers.

    Args:
        settings: of one of `FIGURES`.
        own: texts of tasks that were named when the lab was started, and that a page may use therefore.

    Raises:
        InputError: settings that do not go together.
    """
    return _COMPUTED[type(settings)](settings, own)


def choices() -> dict[str, Any]:
    """What pages can offer: names, and defaults of schedules' settings."""
    made = {name: surfaces.create(name) for name in surfaces.names()}
    return {
        "surfaces": [{"name": name, "formula": one.formula.text, "summary": one.summary} for name, one in made.items()],
        "schedules": {name: {key: _shown(value) for key, value in settings_of(kind).items()} for name, kind in SCHEDULES.items()},
        "losses": list(LOSSES),
        "formats": list(DTYPES),
        "activations": list(ACTIVATIONS),
        "initialisations": list(INITIALISATIONS),
        "normalisations": list(NORMALISATIONS),
        "precisions": {name: one.doc for name, one in PRECISIONS.items()},
        "weights": list(WEIGHTS),
        "bits": list(STATE_BITS),
        "zero": list(STAGES),
    }


def _surface(settings: SurfaceSettings, own: Sequence[str]) -> Figure:
    start = (settings.start[0], settings.start[1]) if settings.start else None
    domain = ((settings.domain[0], settings.domain[1]), (settings.domain[2], settings.domain[3])) if settings.domain else None
    made = surfaces.create(settings.name, start=start, domain=domain)
    rates = list(settings.lr) or None
    race = surfaces.race(made, settings.optimizers, lr=rates, steps=settings.steps, noise=settings.noise, seeds=(settings.seed,))
    tried = [
        {"optimizer": one.optimizer, "lr": one.lr, "final_height": one.final_height, "diverged_at": one.diverged_at} for one in race.tried
    ]
    heights = {"rows": len(race.surface.y), "columns": len(race.surface.x), "values": floats(race.surface.heights)}
    return {"numbers": race.summary(), "drawn": {"summary": made.summary, "heights": heights, "tried": tried}}


def _schedules(settings: SchedulesSettings, own: Sequence[str]) -> Figure:
    views = [view_schedule(one, settings.horizon, settings.lr) for one in settings.made()]
    numbers = gallery_summary(views) | {"schedules": [schedule_summary(view) for view in views]}
    return {"numbers": numbers, "drawn": {"titles": [view.title for view in views], "warmup": max(view.warmup for view in views)}}


def _losses(settings: LossSettings, own: Sequence[str]) -> Figure:
    chosen = Losses(settings.gamma, settings.delta, settings.smoothing, settings.classes)
    return {"numbers": losses_at(None, settings.losses or None, chosen).summary(), "drawn": {}}


def _precision(settings: PrecisionSettings, own: Sequence[str]) -> Figure:
    source = {} if settings.gradients == TEXTBOOK else {"source": "as given"}
    return {"numbers": cast_gradients(settings.gradients, settings.formats or None, settings.scales, **source).summary(), "drawn": {}}


def _depth(settings: DepthSettings, own: Sequence[str]) -> Figure:
    networks = USUAL if settings.parts is None else crossed(*settings.parts)
    study = depth_study(networks, settings.depth, width=settings.width, seeds=settings.seeds, seed=settings.seed)
    return {"numbers": study.summary(), "drawn": {}}


def _memory(settings: MemorySettings, own: Sequence[str]) -> Figure:
    plans = tuple(Plan(name, *settings.plan) for name in settings.optimizers) or PLANS
    if settings.task:
        precisions = tuple(dict.fromkeys(plan.precision for plan in plans))
        model = measured(load_for_page(settings.task, own), precisions, rows=settings.batch_size or None)
    else:
        model = counted(settings.params)
    numbers = memory_summary([memory_of(model, plan) for plan in plans])
    return {"numbers": numbers, "drawn": {"labels": [plan.label for plan in plans]}}


_COMPUTED: Mapping[type[Settings], Callable[[Any, Sequence[str]], Figure]] = MappingProxyType(
    {
        SurfaceSettings: _surface,
        SchedulesSettings: _schedules,
        LossSettings: _losses,
        PrecisionSettings: _precision,
        DepthSettings: _depth,
        MemorySettings: _memory,
    }
)


def floats(values: np.ndarray) -> str:
    """Numbers as little-endian float32 in base64; beyond its range they become infinite, which is meant."""
    with np.errstate(over="ignore"):
        return base64.b64encode(np.asarray(values).astype("<f4").tobytes()).decode("ascii")


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
